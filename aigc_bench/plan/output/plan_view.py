"""One view of a plan for every renderer.

The terminal, the page, JSON and CSV select and compute nothing: they format these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from aigc_bench.core.trail import Trail
from aigc_bench.plan.options.wording import describe, nearest_option
from aigc_bench.plan.output.assumptions_view import AssumptionsView, assumptions_view
from aigc_bench.plan.output.basis_view import BasisView, basis_view, widest_first
from aigc_bench.plan.output.bill_view import BillRoom, bill_room
from aigc_bench.plan.output.carbon_view import CarbonView, UnitCarbon, carbon_view, unit_carbon
from aigc_bench.plan.output.cash_view import CashView, cash_view
from aigc_bench.plan.output.check_view import CheckView, check_view
from aigc_bench.plan.output.demand_view import DemandView, demand_view
from aigc_bench.plan.output.money_view import (
    BillRows,
    CostRow,
    Totals,
    UnitCost,
    bills,
    cost_rows,
    housed,
    money_notes,
    totals,
    unit_costs,
)
from aigc_bench.plan.output.options_view import Obstacles, OptionsView, obstacles, options_view
from aigc_bench.plan.output.owned_view import OwnedView, owned_view
from aigc_bench.plan.output.page_trail import page_trail
from aigc_bench.plan.output.quotes_view import QuotesView, quotes_view
from aigc_bench.plan.output.racks_view import RacksView, racks_view
from aigc_bench.plan.output.recommendation_view import RecommendationView, recommendation_view
from aigc_bench.plan.output.rent_or_buy_view import RentOrBuyView, rent_or_buy_view
from aigc_bench.plan.output.risk_view import RiskView, risk_view
from aigc_bench.plan.output.run_plan_view import RunPlanView, run_plan_view
from aigc_bench.plan.records.plan import Assumption, Option, Plan


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """A plan with all that is shown of it, each part computed once, when it is first read.

    ``best`` is the recommended option, or the nearest to the demand; ``bought`` the same, or if it has no room (a rented one
    has none) the best accepted purchase of a server whose data sheet is known. ``top``: how many
    alternatives are listed, ``None`` for one of each kind.
    """

    plan: Plan
    top: int | None = None

    # Computed at the first read: a terminal shows a part of what a page does.
    @cached_property
    def best(self) -> Option | None:
        """The option that the plan is about."""
        return self.plan.recommended or nearest_option(self.plan)

    @cached_property
    def bought(self) -> Option | None:
        """The option whose materials and racks are shown."""
        best = self.best
        if best is not None and housed(best):
            return best
        return next((one for one in self.plan.options if one.accepted and housed(one) and not one.parts), None)

    @cached_property
    def recommendation(self) -> RecommendationView | None:
        """What to do, how each load runs, and the factors."""
        return recommendation_view(self.plan, self.best) if self.best is not None else None

    @cached_property
    def totals(self) -> Totals | None:
        """Money and greenhouse gases over the life."""
        return totals(self.best) if self.best is not None else None

    @cached_property
    def unit_costs(self) -> tuple[UnitCost, ...]:
        """Cost of a count of units of each load."""
        return unit_costs(self.best) if self.best is not None else ()

    @cached_property
    def unit_carbon(self) -> tuple[UnitCarbon, ...]:
        """Greenhouse gases of a count of units of each load."""
        return unit_carbon(self.best) if self.best is not None else ()

    @cached_property
    def carbon(self) -> CarbonView | None:
        """Greenhouse gases over the life by cause."""
        return carbon_view(self.plan, self.best, self.trail) if self.best is not None else None

    @cached_property
    def cost_rows(self) -> tuple[CostRow, ...]:
        """Cost of a year by line."""
        return cost_rows(self.best) if self.best is not None else ()

    @cached_property
    def cash(self) -> CashView | None:
        """Payments and resale by year."""
        return cash_view(self.plan, self.best) if self.best is not None else None

    @cached_property
    def bills(self) -> tuple[BillRows, ...]:
        """Materials of what is bought, by room."""
        return bills(self.bought) if self.bought is not None else ()

    @cached_property
    def bill_rooms(self) -> tuple[BillRoom, ...]:
        """The same with the numbers of their lines."""
        return tuple(bill_room(one, self.trail) for one in self.bills)

    @cached_property
    def racks(self) -> RacksView | None:
        """Racks of what is bought, by room; ``None`` without any."""
        return racks_view(self.bought, self.plan.demand)

    @property
    def bought_what(self) -> str | None:
        """What is bought, in words."""
        return describe(self.bought) if self.bought is not None else None

    @cached_property
    def demand(self) -> DemandView:
        """What is asked for."""
        return demand_view(self.plan, self.trail)

    @cached_property
    def options(self) -> OptionsView:
        """The options that are shown next to the recommendation."""
        return options_view(self.plan, top=self.top)

    @cached_property
    def obstacles(self) -> Obstacles:
        """What rules options out."""
        return obstacles(self.plan)

    @cached_property
    def risk(self) -> RiskView | None:
        """Risk of the recommendation; ``None`` without one, or if no Monte Carlo scenarios were computed."""
        best, found = self.plan.recommended, self.plan.certainty
        return risk_view(self.plan, best, found) if best is not None and found is not None else None

    @cached_property
    def check(self) -> CheckView | None:
        """The simulation of the recommendation."""
        return check_view(self.best) if self.best is not None else None

    @cached_property
    def rent_or_buy(self) -> RentOrBuyView | None:
        """The cheapest purchase against rents and APIs."""
        return rent_or_buy_view(self.plan)

    @property
    def money_notes(self) -> tuple[str, ...]:
        """The exchange rate in which money is shown, and the total with tax."""
        return money_notes(self.plan.demand.finance, self.best)

    @cached_property
    def owned(self) -> OwnedView | None:
        """What is done with machines that are there already; ``None`` without any."""
        return owned_view(self.plan)

    @cached_property
    def quotes(self) -> QuotesView | None:
        """Vendors' quotes next to the recommendation; ``None`` without any."""
        return quotes_view(self.plan)

    @cached_property
    def basis(self) -> BasisView:
        """What was measured, modelled and assumed."""
        return basis_view(self.plan, self.best)

    @cached_property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every assumption, the widest interval first."""
        return widest_first(self.plan)

    @cached_property
    def assumption_rows(self) -> AssumptionsView:
        """The same with their keys in the derivations, the method, and notes."""
        return assumptions_view(self.plan, self.best, self.trail)

    @cached_property
    def of_run(self) -> RunPlanView:
        """The rows of a plan of machines like a measured one."""
        return run_plan_view(self.plan, self.best)

    @cached_property
    def trail(self) -> Trail:
        """How each number of every option is derived, for the page; ``--explain`` and JSON derive those of one option."""
        about = [one for one in (self.best, self.bought) if one is not None]
        first = [*(row.option for row in self.options.compared), *about]
        return page_trail(self.plan, first=first, rent_or_buy=self.rent_or_buy)


def plan_view(plan: Plan, *, top: int | None = None) -> PlanView:
    """Return the view of a plan, with the ``top`` best alternatives, or by default the best of each kind."""
    return PlanView(plan=plan, top=top)

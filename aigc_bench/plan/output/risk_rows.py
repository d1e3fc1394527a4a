"""Rows of a plan's risk: inputs that drive cost and P(SLO), options by regret, and the fleet of each year."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.output.shown_number import Shown, ShownProbability
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.risk import GrowthPath, PathYear, PlanRisk, Regret, Swing
from aigc_bench.plan.risk.counted_risk import path_key, regret_key, swing_key

NUM_DRIVERS = 8
"""Inputs shown as drivers of cost and of P(SLO), the widest first."""


class DriverRow(Record):
    """An input, ``low`` to ``high`` times its median, and what it drives with the input ``at_low`` (P10) and ``at_high`` (P90)."""

    name: Sentence
    low: float
    high: float
    at_low: float
    at_high: float
    low_end: Shown | ShownProbability
    high_end: Shown | ShownProbability


class Drivers(Record):
    """Inputs that drive the total cost in USD or, where ``is_share``, P(SLO); ``middle`` is the mean of all scenarios."""

    is_share: bool
    middle: float
    rows: tuple[DriverRow, ...]


class RegretRow(Record):
    """The recommendation or an alternative to it, over the scenarios in which one of them meets the demand."""

    rank: int
    what: Sentence
    is_recommended: bool
    p_slo: ShownProbability
    p_cheapest: ShownProbability
    regret: Shown
    expected: Shown
    p90: Shown


class YearRow(Record):
    """The fleet at the end of a year, and cash of the year, bought in phases or upfront, or rented."""

    year: int
    num_servers: int
    num_accelerators: int
    bought: int
    servers: Shown
    p_slo: ShownProbability
    rented: Shown
    rent: Shown
    staged: Shown
    upfront: Shown


class GrowthRows(Record):
    """The years of the growth path and their sums.

    ``is_bought`` and ``is_rented``: hardware is bought, instances are paid. ``is_staged``: something is bought after the first
    year, so that buying in phases can be compared with buying all upfront.
    """

    years: tuple[YearRow, ...]
    staged: Shown
    upfront: Shown
    rent: Shown
    price_ratio: Shown
    note: Sentence
    is_bought: bool
    is_rented: bool
    is_staged: bool


def number_of(found: PlanRisk, key: str, name: str) -> Shown:
    """Return a number of the risk under its key."""
    return Shown(key=key, name=name, value=found.derived.get(key))


def probability_of(found: PlanRisk, key: str, name: str) -> ShownProbability:
    """Return a probability of the risk under its key."""
    number = found.derived.get(key)
    return ShownProbability(key=key, name=name, share=number.value if number is not None else None)


def cost_of(option: Option, field: str, name: str) -> Shown:
    """Return a cost of an option over the scenarios."""
    return Shown(key=f"options.{option.rank}.{field}", name=name, value=option.derived.get(field))


def cost_drivers(found: PlanRisk) -> Drivers:
    """Return the inputs that move the mean total cost most."""
    rows = tuple(
        _driver(one, one.tco_low_usd, one.tco_high_usd, *(number_of(found, key, one.name) for key in _ends("cost", one)))
        for one in found.tornado.cost[:NUM_DRIVERS]
    )
    return Drivers(is_share=False, middle=found.tornado.mean_tco_usd, rows=rows)


def slo_drivers(found: PlanRisk) -> Drivers:
    """Return the inputs that move the share of scenarios that meet every SLO and deadline most."""
    rows = tuple(
        _driver(
            one, one.p_slo_low or 0.0, one.p_slo_high or 0.0, *(probability_of(found, key, one.name) for key in _ends("slo", one))
        )
        for one in found.tornado.slo[:NUM_DRIVERS]
    )
    return Drivers(is_share=True, middle=found.tornado.p_slo or 0.0, rows=rows)


def _ends(kind: str, one: Swing) -> tuple[str, str]:
    return swing_key(kind, one.name, "low"), swing_key(kind, one.name, "high")


def _driver(
    one: Swing, at_low: float, at_high: float, low_end: Shown | ShownProbability, high_end: Shown | ShownProbability
) -> DriverRow:
    return DriverRow(name=one.name, low=one.low, high=one.high, at_low=at_low, at_high=at_high, low_end=low_end, high_end=high_end)


def regret_row(one: Regret, *, plan: Plan, found: PlanRisk) -> RegretRow:
    """Return an option of the comparison by regret."""
    option = next(option for option in plan.options if option.rank == one.rank)
    return RegretRow(
        rank=one.rank,
        what=one.what,
        is_recommended=one.rank == plan.recommendation,
        p_slo=ShownProbability(
            key=f"options.{one.rank}.p_slo",
            name=message("P(SLO)"),
            share=option.p_slo,
            missing=message("the provider's responsibility"),
        ),
        p_cheapest=ShownProbability(
            key=regret_key(one.rank, "p_cheapest"), name=message("P(cheapest that meets the demand)"), share=one.p_cheapest
        ),
        regret=number_of(found, regret_key(one.rank, "regret_usd"), message("expected regret")),
        expected=cost_of(option, "expected_cost_usd", message("expected cost")),
        p90=cost_of(option, "cost_p90_usd", message("P90 of the cost")),
    )


def growth_rows(path: GrowthPath, found: PlanRisk) -> GrowthRows:
    """Return the years of a growth path."""
    at = "certainty.growth_path"
    return GrowthRows(
        years=tuple(_year(one, found) for one in path.years),
        staged=number_of(found, f"{at}.staged_usd", message("phased purchase")),
        upfront=number_of(found, f"{at}.at_once_usd", message("all upfront")),
        rent=number_of(found, f"{at}.rent_usd", message("rent")),
        price_ratio=number_of(found, f"{at}.price_ratio", message("hardware price a year later / today's price")),
        note=path.note,
        is_bought=path.staged_usd is not None,
        is_rented=path.rent_usd is not None,
        is_staged=path.staged_usd is not None and any(one.bought for one in path.years[1:]),
    )


def _year(one: PathYear, found: PlanRisk) -> YearRow:
    def number(field: str, name: str) -> Shown:
        return number_of(found, path_key(one.year, field), name)

    return YearRow(
        year=one.year,
        num_servers=one.num_servers,
        num_accelerators=one.num_accelerators,
        bought=one.bought,
        servers=number("num_servers", message("servers")).model_copy(update={"unit": "count"}),
        p_slo=probability_of(found, path_key(one.year, "p_slo"), message("P(SLO)")),
        rented=number("rented", message("instances paid in the mean")),
        rent=number("rent_usd", message("rent")),
        staged=number("staged_usd", message("phased purchase")),
        upfront=number("at_once_usd", message("all upfront")),
    )

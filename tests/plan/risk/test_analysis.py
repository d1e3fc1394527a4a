"""A whole plan with its certainty: contract, tornado, regret, safer choices, the growth path; the same bytes twice."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.cli.plan_screen import screen
from aigc_bench.plan.options.assemble import ranked
from aigc_bench.plan.options.measure import measure_of
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.output.risk_view import other_choices
from aigc_bench.plan.records.demand import Constraints, Demand
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.analysis import regrets, tornado_of, with_risk
from aigc_bench.plan.risk.fleet_service import serves
from aigc_bench.plan.risk.growth_path import fleet_after, growth_path
from aigc_bench.plan.risk.probabilities import sampled_option
from aigc_bench.plan.risk.safer import BELOW, WANTED, safer
from aigc_bench.report.plan.plan_report import render_plan
from tests.plan.risk.cases import (
    a_ground,
    an_option,
    rent_offer,
    uncertain_demand,
    uncertain_machine,
    uncertain_rules,
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


def a_plan(demand: Demand | None = None) -> Plan:
    """Bought cards, dearer ones that are alike, and rented ones."""
    # No margin of servers is planned here, so that little confidence can be asked.
    wanted = demand or uncertain_demand(constraints=Constraints(confidence=0.05))
    dear = uncertain_machine(
        server="dear",
        accelerator="dear card",
        price_usd=uncertain_machine().price_usd.model_copy(update={"value": 12_000.0, "low": 9_000.0, "high": 16_000.0}),
    )
    options = ranked([an_option(wanted), an_option(wanted, machine=dear), an_option(wanted, offer=rent_offer())])
    accepted = [one.rank for one in options if one.accepted]
    return Plan(
        demand=wanted,
        rules=uncertain_rules(),
        options=options,
        recommendation=min(accepted, default=None),
        assumptions=(),
        method="a method.",
    )


@pytest.fixture(scope="module")
def plan(catalogue: Catalogue) -> Plan:
    return with_risk(a_plan(), catalogue=catalogue)


def contract_of(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(contract(plan_view(plan)), allow_nan=False))
    return found


def test_every_option_has_its_probabilities_and_ranks_by_its_expected_cost(plan: Plan) -> None:
    costs = [one.expected_cost_usd for one in plan.options if one.accepted and one.confirmed is not False]
    assert costs and None not in costs and costs == sorted(costs, key=lambda usd: usd or 0.0)
    for one in plan.options:
        assert one.p_slo is not None and 0 <= one.p_slo <= 1
        assert one.p_oom is not None and 0 < one.p_oom < 1
        assert one.p_budget is None
        assert one.tco_usd.low <= one.tco_usd.value <= one.tco_usd.high


def test_the_same_plan_gives_the_same_bytes(plan: Plan, catalogue: Catalogue) -> None:
    again = with_risk(a_plan(), catalogue=catalogue)
    assert json.dumps(contract(plan_view(again))) == json.dumps(contract(plan_view(plan)))
    assert render_plan(plan_view(again), version="test") == render_plan(plan_view(plan), version="test")


def test_the_contract_has_the_probabilities_and_their_inputs(plan: Plan) -> None:
    found = contract_of(plan)
    assert {"p_slo", "p_budget", "p_oom"} <= set(found["options"][0])
    certainty = found["certainty"]
    assert set(certainty) >= {"num_worlds", "median_tco_usd", "tornado", "regret", "surer", "growth_path"}
    assert {"name", "tco_low_usd", "tco_high_usd", "p_slo_low", "p_slo_high"} <= set(certainty["tornado"]["cost"][0])
    assert set(certainty["growth_path"]["price_ratio"]) == {"value", "low", "high", "unit", "basis"}


def test_a_budget_gives_every_option_a_probability_to_keep_it(catalogue: Catalogue) -> None:
    demand = uncertain_demand(constraints=Constraints(confidence=0.05, budget_usd=200_000, budget_usd_per_year=200_000))
    assert all(one.p_budget is not None for one in with_risk(a_plan(demand), catalogue=catalogue).options)


def test_swings_are_reported_the_widest_first_and_only_above_sampling_noise() -> None:
    option, context = an_option(), a_ground()
    found = tornado_of(option, context)
    widths = [one.tco_width_usd for one in found.cost]
    assert widths == sorted(widths, reverse=True)
    names = [one.name for one in found.cost]
    assert "price of a_server" in names[:3] and "price of electricity" in names
    assert {"speed of chat on card, torch", "active share of chat"} <= {one.name for one in found.slo}
    faster = next(one for one in found.slo if one.name.startswith("speed of chat"))
    assert faster.p_slo_low is not None and faster.p_slo_high is not None and faster.p_slo_low < faster.p_slo_high
    assert not any("discount" in one.name for one in found.cost), "the undiscounted total does not depend on the rate"


def test_the_more_expensive_twin_has_more_regret_and_one_option_wins_in_every_scenario(plan: Plan) -> None:
    assert plan.certainty is not None
    first, *rivals = plan.certainty.regret
    assert first.rank == plan.recommendation
    assert sum(one.p_cheapest for one in plan.certainty.regret) == pytest.approx(1, abs=1e-9)
    dear = next(one for one in rivals if "dear" in one.what)
    assert dear.regret_usd > first.regret_usd and "a_server" in first.what


def test_a_single_option_has_no_regret() -> None:
    only = sampled_option(an_option(), a_ground())
    (found,) = regrets([only], only)
    assert (found.p_cheapest, found.regret_usd) == (1.0, 0.0)


def test_what_another_attitude_to_risk_would_choose_is_named_where_it_is_much_better(plan: Plan) -> None:
    """The least expected cost may be a gamble on rents."""
    first, second, *others = plan.options
    assert plan.recommendation == first.rank and other_choices(plan) == ()
    safe = second.model_copy(update={"cost_p90_usd": 0.5 * measure_of(first, "p90")})
    (words,) = other_choices(plan.model_copy(update={"options": (first, safe, *others)}))
    assert words.startswith("by P90 of the cost (constraints.risk = 'p90') option 2, to ")
    refused = safe.model_copy(update={"confirmed": False})
    assert other_choices(plan.model_copy(update={"options": (first, refused, *others)})) == ()
    assert other_choices(plan.model_copy(update={"recommendation": None})) == ()


def test_regret_is_what_is_paid_above_the_cheapest_that_serves() -> None:
    context = a_ground()
    one, other = sampled_option(an_option(), context), sampled_option(an_option(offer=rent_offer()), context)
    found = regrets([one, other], one)[0]
    assert one.serves is not None and other.serves is not None
    tco = np.where(one.serves, one.cost.tco, np.inf), np.where(other.serves, other.cost.tco, np.inf)
    some = one.serves | other.serves
    over = np.maximum(0, one.cost.tco[some] - np.minimum(*tco)[some])
    assert found.regret_usd == pytest.approx(float(over.mean()))


def test_more_servers_are_named_where_p_slo_of_the_recommendation_is_low() -> None:
    option, context = an_option(), a_ground()
    found = safer([sampled_option(option, context)], sampled_option(option, context), context)
    assert found is not None and found.p_slo < BELOW and found.option is None
    assert found.more_servers is not None and found.more_servers.p_slo >= WANTED
    assert found.more_servers.tco_usd > option.tco_usd.value
    fewer = serves(option, context, more_servers=found.more_servers.count - 1)
    assert fewer is not None and np.mean(fewer) < WANTED


def test_a_safe_recommendation_has_no_safer_choice() -> None:
    option, context = an_option(), a_ground()
    safe = option.model_copy(
        update={
            "pools": tuple(
                pool.model_copy(
                    update={
                        "available_machines": uncertain_machine().machines_per_server.model_copy(
                            update={"value": 500.0, "low": 500.0, "high": 500.0}
                        )
                    }
                )
                for pool in option.pools
            )
        }
    )
    assert safer([sampled_option(safe, context)], sampled_option(safe, context), context) is None


def test_the_growth_path_ends_at_the_planned_fleet_and_stages_cost_no_more_where_prices_fall(catalogue: Catalogue) -> None:
    option, context = an_option(), a_ground()
    found = growth_path(option, context, catalogue=catalogue)
    assert found is not None and found.staged_usd is not None and found.at_once_usd is not None
    counts = [one.num_servers for one in found.years]
    assert counts == sorted(counts) and counts[-1] == option.num_servers and counts[0] < counts[-1]
    assert sum(one.bought for one in found.years) == option.num_servers
    assert found.staged_usd.value < found.at_once_usd.value
    assert sum(one.staged_usd.value for one in found.years if one.staged_usd) == pytest.approx(found.staged_usd.value)
    last = found.years[-1].p_slo
    assert last == pytest.approx(float(np.mean(serves(option, context))), abs=1e-12)


def test_a_rented_fleet_grows_without_a_purchase_and_no_growth_has_no_path(catalogue: Catalogue) -> None:
    context = a_ground()
    found = growth_path(an_option(offer=rent_offer()), context, catalogue=catalogue)
    assert found is not None and found.staged_usd is None and all(one.bought == 0 for one in found.years)
    still = uncertain_demand(growth=None)
    assert growth_path(an_option(still), a_ground(still), catalogue=catalogue) is None


def test_a_minimum_from_a_simulation_shrinks_with_earlier_years() -> None:
    option, context = an_option(), a_ground()
    assert option.machine is not None
    capability = option.machine.capabilities[0].model_copy(update={"machines_at_least": 60})
    floored = option.model_copy(
        update={"machine": option.machine.model_copy(update={"capabilities": (capability, option.machine.capabilities[1])})}
    )
    assert fleet_after(floored, context, 1.0).serving < fleet_after(floored, context, 3.0).serving
    plain, with_minimum = (serves(one, context) for one in (option, floored))
    assert plain is not None and with_minimum is not None and np.mean(with_minimum) < np.mean(plain)


def test_the_screen_and_the_page_show_the_risk(plan: Plan) -> None:
    text, page = screen(plan_view(plan)), render_plan(plan_view(plan), version="test")
    assert "risk: P(every SLO and deadline met)" in text and "cost drivers" in text and "servers required" in text
    for words in ("Risk", "plan-tornado-cost", "plan-tornado-slo", "Growth path", "Expected regret"):
        assert words in page


def test_a_growing_purchase_is_shown_in_stages_and_upfront(catalogue: Catalogue) -> None:
    bought = a_plan()
    owned = ranked([one for one in bought.options if one.kind == "owned"])
    alone = bought.model_copy(update={"options": owned, "recommendation": 1})
    found = with_risk(alone, catalogue=catalogue)
    assert "plan-path" in render_plan(plan_view(found), version="test")
    assert "phased purchase" in screen(plan_view(found))

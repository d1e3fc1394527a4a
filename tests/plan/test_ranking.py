"""Options rank by what they cost over the scenarios, and the first of them that is confirmed is recommended."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.options.measure import NAMES
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.analysis import ranking_of
from aigc_bench.plan.risk.ranking import eligible, excess, least_cost
from tests.plan.demands import HANDFUL, JOBS, SERVICES, catalogue, demand_of, text_of
from tests.plan.examples import EXAMPLES, plan_of_example

KEYS = {"expected": "expected_cost_usd", "p90": "cost_p90_usd", "regret": "expected_regret_usd"}
ALMOST = 1 + 1e-8


def planned(text: str) -> Plan:
    return full_plan(demand_of(text), catalogue=catalogue(), accelerators=HANDFUL)


def check(plan: Plan) -> None:
    """Read the contract of a plan as a program would."""
    found: dict[str, Any] = contract(plan_view(plan))
    options, risk = found["options"], plan.demand.constraints.risk
    for one in options:
        assert one["cost_p10_usd"] <= one["cost_p90_usd"] and one["expected_cost_usd"] >= 0
        assert one["confirmed"] in (True, False, None)
    able = {one["rank"]: one[KEYS[risk]] for one in options if one["accepted"] and one["confirmed"]}
    unseen = [one[KEYS[risk]] for one in options if one["accepted"] and one["confirmed"] is None]
    if found["recommendation"] is None:
        assert not able and found["why_none"]
        return
    best = able[found["recommendation"]["rank"]]
    assert found["why_none"] is None
    assert best <= min(able.values()) * ALMOST
    assert all(best <= usd * ALMOST for usd in unseen), "nothing that is accepted and was not simulated is cheaper"
    standing = [one for one in options if one["accepted"] and one["confirmed"] is not False]
    assert [one["rank"] for one in standing] == list(range(1, len(standing) + 1))
    costs = [one[KEYS[risk]] for one in standing]
    assert all(one <= other * ALMOST + 1e-9 for one, other in itertools.pairwise(costs))
    confidence = plan.demand.constraints.confidence
    assert all(one["p_slo"] is None or one["p_slo"] >= confidence for one in standing)


@pytest.mark.parametrize("name", [one.stem for one in EXAMPLES])
def test_an_example_recommends_the_least_expected_cost_that_is_confirmed(name: str) -> None:
    check(plan_of_example(name))


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_demand_recommends_the_least_by_its_measure_that_is_confirmed(seed: int) -> None:
    random = np.random.default_rng(seed)
    name = str(random.choice([*SERVICES, *JOBS]))
    risk, confidence = str(random.choice(list(KEYS))), float(random.choice([0.0, 0.5, 0.8, 0.95]))
    rest = f'[constraints]\nrisk = "{risk}"\nconfidence = {confidence}\n'
    amount, slo_s = round(float(random.uniform(1, 80)), 1), round(float(random.uniform(0.5, 4)), 2)
    check(planned(text_of(name, amount=amount, slo_s=slo_s, rest=rest)))


@pytest.mark.parametrize("risk", ["p90", "regret"])
def test_another_measure_of_risk_ranks_by_it(risk: str) -> None:
    usual, other = (planned(text_of("chat", rest=f'[constraints]\nrisk = "{one}"\n')) for one in ("expected", risk))
    check(other)
    assert usual.recommended is not None and other.recommended is not None
    by_own = {one.server: getattr(one, KEYS[risk]) for one in usual.options if one.accepted}
    assert getattr(other.recommended, KEYS[risk]) <= min(by_own.values()) * ALMOST
    assert NAMES[other.demand.constraints.risk] in other.method


def test_without_a_confidence_the_expected_cost_is_that_of_central_values_and_the_simulation_decides() -> None:
    plan = planned(text_of("chat", rest="[constraints]\nconfidence = 0\n"))
    check(plan)
    assert all(one.expected_cost_usd == one.tco_usd.value for one in plan.options)
    assert plan.recommended is not None and plan.recommended.confirmed


def test_regret_is_zero_where_one_option_is_always_the_cheapest() -> None:
    plan = planned(text_of("chat", rest='[constraints]\nrisk = "regret"\n'))
    ranking = ranking_of(plan, catalogue=catalogue())
    sampled = [ranking.sampled(one) for one in plan.options if one.accepted]
    able = eligible(sampled)
    least = least_cost(able)
    assert all((excess(one, least) >= 0).all() for one in able)
    by_rank = {one.option.rank: float(excess(one, least).mean()) for one in able}
    for one in plan.options:
        if one.rank in by_rank:
            assert one.expected_regret_usd == pytest.approx(by_rank[one.rank], rel=1e-9)


def test_the_page_says_what_the_recommendation_is_least_by() -> None:
    from aigc_bench.report.plan.plan_report import render_plan

    page = render_plan(plan_view(plan_of_example("chat-70b")), version="test")
    assert "owest expected cost of all" in page and "confirmed by simulation" in page


def test_what_the_confidence_refuses_is_not_recommended_and_is_marked() -> None:
    """An API promises no latency: cheaper or not, it is not confirmed."""
    plan = planned(text_of("chat"))
    (api,) = (one for one in plan.options if one.kind == "api")
    assert api.accepted and api.confirmed is False
    rows = {row.option.rank: row for row in plan_view(plan).options.charted}
    assert rows[api.rank].refused_by == "no latency is guaranteed"

"""Options of equal cost rank in one order, and options that are statistically tied are named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Estimate
from aigc_bench.plan.options.assemble import KINDS, ranked
from aigc_bench.plan.options.wording import statistically_tied, tie, why
from aigc_bench.plan.records.plan import Option, Plan
from tests.plan.build import make_demand, make_machine, make_rules, plan_on

PLAN = plan_on(make_demand(jobs=()), machine=make_machine(), rules=make_rules())
PLAIN = PLAN.options[0]


def option(usd: float, *, high: float | None = None, **changes: Any) -> Option:
    cost = Estimate(value=usd, low=usd, high=high or usd, unit="usd", basis="assumed")
    return PLAIN.model_copy(update={"tco_usd": cost, "accepted": True, **changes})


def plan_of(*options: Option) -> Plan:
    return PLAN.model_copy(update={"options": ranked(options), "recommendation": 1})


def test_equally_dear_ways_rank_by_what_depends_on_nobody_else() -> None:
    same = [option(100.0, kind=kind) for kind in KINDS]
    for order in itertools.permutations(same):
        assert [one.kind for one in ranked(order)] == list(KINDS)


def test_the_last_digits_of_sums_decide_nothing() -> None:
    owned, rented = option(100.0 * (1 + 1e-12), kind="owned"), option(100.0, kind="cloud")
    assert [one.kind for one in ranked([rented, owned])] == ["owned", "cloud"]


@given(st.lists(st.floats(1, 1e9), min_size=1, max_size=8))
def test_the_order_of_options_does_not_depend_on_the_order_they_were_found_in(costs: list[float]) -> None:
    found = [option(usd, server=f"server {number}") for number, usd in enumerate(costs)]
    assert [one.server for one in ranked(found)] == [one.server for one in ranked(reversed(found))]


def test_the_runner_up_within_the_interval_is_as_good() -> None:
    plan = plan_of(option(100.0, high=130.0), option(120.0, kind="colocated"), option(200.0, kind="cloud", server="a cloud"))
    assert [one.kind for one in statistically_tied(plan)] == ["colocated"]
    words = tie(plan)
    assert words is not None and "buy and colocate" in words and "1.20 times" in words
    assert "statistically tied" in why(plan)


def test_what_is_far_is_no_tie_however_wide_the_interval() -> None:
    plan = plan_of(option(100.0, high=1000.0), option(130.0, kind="colocated"))
    assert (statistically_tied(plan), tie(plan)) == ((), None)


def test_a_clear_winner_has_no_tie() -> None:
    plan = plan_of(option(100.0, high=110.0), option(120.0, kind="colocated"))
    assert (statistically_tied(plan), tie(plan)) == ((), None)
    assert "tied" not in why(plan)


def test_without_a_recommendation_nothing_is_as_good() -> None:
    plan = PLAN.model_copy(update={"recommendation": None})
    assert (statistically_tied(plan), tie(plan)) == ((), None)


@pytest.mark.parametrize(("others", "more"), [(1, False), (3, True)])
def test_more_than_one_is_counted(others: int, more: bool) -> None:
    near = [option(101.0 + number, server=f"server {number}") for number in range(others)]
    assert ("; 2 more" in (tie(plan_of(option(100.0, high=130.0), *near)) or "")) == more

"""What is shown of a plan: which options, in which order, numbers with their keys, and what is left out."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.output.basis_view import NARROWS_BY, width
from aigc_bench.plan.output.options_view import NUM_COMPARED, NUM_SHORT, options_view, why_not
from aigc_bench.plan.output.plan_view import PlanView, plan_view
from aigc_bench.plan.output.recommendation_view import load_row
from aigc_bench.plan.output.shown_number import Shown
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.stats.estimates import assumed
from tests.plan.build import exact, make_demand, make_job, make_machine, make_rules, make_service, plan_on

PLAN = plan_on(make_demand(), machine=make_machine(), rules=make_rules())
BEST = PLAN.recommended or PLAN.options[0]


def plan_of(*changes: dict[str, Any]) -> Plan:
    """A plan whose options are the recommended one with these changes, in this order; the first is recommended."""
    options = tuple(BEST.model_copy(update={"rank": rank, **one}) for rank, one in enumerate(changes, start=1))
    accepted = [one.rank for one in options if one.accepted]
    return PLAN.model_copy(update={"options": options, "recommendation": min(accepted, default=None)})


def ranks(rows: tuple[Any, ...]) -> list[int]:
    return [row.option.rank for row in rows]


def test_each_part_of_a_view_is_computed_once() -> None:
    view = plan_view(PLAN)
    for name in ("recommendation", "totals", "options", "basis", "cost_rows", "cash", "assumptions"):
        assert getattr(view, name) is getattr(view, name)


def test_a_plan_without_options_has_a_view_without_rows() -> None:
    view = plan_view(PLAN.model_copy(update={"options": (), "recommendation": None}))
    assert (
        view.best
        is view.recommendation
        is view.totals
        is view.bought
        is view.risk
        is view.check
        is view.cash
        is view.carbon
        is view.rent_or_buy
        is None
    )
    assert view.unit_costs == view.unit_carbon == view.cost_rows == view.bills == ()
    assert view.options.compared == view.options.short == view.options.refused == ()


def test_without_an_accepted_option_the_view_is_about_the_first_and_gives_no_reason_for_it() -> None:
    view = plan_view(plan_of({"accepted": False, "reasons": ("power: too little",)}))
    assert view.recommendation is not None
    assert not view.recommendation.is_recommended
    assert view.recommendation.why is None
    assert view.obstacles.main is not None and view.obstacles.main.startswith("Power is the obstacle")
    assert [row.why_not for row in view.options.refused] == ["power: too little"]


def test_the_comparison_has_the_first_of_every_kind_and_accelerator_and_one_of_every_kind() -> None:
    many = [{"kind": "cloud", "accelerator": f"gpu{number}"} for number in range(NUM_COMPARED + 3)]
    view = options_view(plan_of(*many, {"kind": "cloud", "accelerator": "gpu0"}, {"kind": "owned", "accelerator": "gpu0"}))
    last = NUM_COMPARED + 5
    assert ranks(view.compared) == [*range(1, NUM_COMPARED + 1), last]
    assert ranks(view.others) == list(range(NUM_COMPARED + 1, last))
    assert [column.row.kind for column in view.kinds] == ["Owned", "Rented"]


def test_the_short_list_leaves_out_the_recommendation_and_prefers_other_kinds_and_terms() -> None:
    terms = ("purchase", "reserved_1y", "on_demand")
    changes = [{"term": term, "accelerator": "a"} for term in terms]
    changes += [{"term": "purchase", "accelerator": f"b{number}"} for number in range(NUM_SHORT + 4)]
    view = options_view(plan_of(*changes))
    assert ranks(view.short)[:3] == [2, 3, 4], "another term twice, then the first of the recommendation's own term"
    assert 1 not in ranks(view.short)
    assert len(view.short) == NUM_SHORT


def test_the_short_list_has_no_option_of_more_than_ten_times_the_cost() -> None:
    costs = [{"tco_usd": exact(usd, "usd"), "accelerator": f"gpu{usd}"} for usd in (10.0, 99.0, 101.0)]
    view = options_view(plan_of(*costs))
    assert ranks(view.short) == [2]
    assert ranks(view.compared) == [1, 2, 3], "the tables have it"


def test_a_kind_without_an_accepted_option_has_the_reason_of_its_first() -> None:
    view = options_view(plan_of({}, {"kind": "api", "accepted": False, "reasons": ("no quote",)}))
    assert view.refused_kinds == (("API", "no quote"),)


def test_relative_cost_is_unknown_where_the_recommendation_is_free() -> None:
    free, paid = {"tco_usd": exact(0.0, "usd")}, {"tco_usd": exact(10.0, "usd"), "accelerator": "other"}
    assert [row.relative_cost for row in options_view(plan_of(free, paid)).compared] == [None, None]
    assert [row.relative_cost for row in options_view(plan_of(paid, {**free, "accelerator": "third"})).compared] == [1.0, 0.0]


def test_a_refused_option_names_one_reason_of_each_factor() -> None:
    reasons = ("power: a", "power: b", "cooling: c", "memory: d", "money: e", "storage is unknown: f")
    option = BEST.model_copy(update={"accepted": False, "reasons": reasons})
    assert why_not(option) == "power: a; cooling: c; memory: d; and 1 more"


def test_a_job_has_no_ttft_and_no_latency() -> None:
    plan = plan_on(make_demand(services=(make_service(),), jobs=(make_job(),)), machine=make_machine(), rules=make_rules())
    best = plan.recommended
    assert best is not None
    job = next(load for load in best.loads if load.name not in {one.name for one in plan.demand.services})
    row = load_row(job, best, plan=plan)
    assert (row.ttft.value, row.ttft.missing) == (None, "a job has no TTFT")
    assert (row.latency.value, row.latency.missing) == (None, "a job has a deadline instead")


def test_keys_begin_with_the_option_they_belong_to() -> None:
    view, at = plan_view(PLAN), f"options.{BEST.rank}."
    assert view.totals is not None and view.recommendation is not None
    shown = [view.totals.total, view.totals.upfront, view.totals.per_year, view.totals.carbon, view.totals.energy]
    shown += [one.cost for one in (*view.unit_costs, *view.cost_rows)] + [one.carbon for one in view.unit_carbon]
    shown += [number for row in view.recommendation.factors for number in (row.required, row.available)]
    assert all(one.key.startswith(at) for one in shown)
    assert len({one.key for one in shown}) == len(shown)


def test_a_second_cost_line_of_a_kind_has_its_number_in_its_key() -> None:
    line = BEST.costs[0]
    twice = view_of({"costs": (line, BEST.costs[1], line)})
    assert [one.cost.key for one in twice.cost_rows][::2] == [f"options.1.costs.{line.key}", f"options.1.costs.{line.key}.2"]


def view_of(change: dict[str, Any]) -> PlanView:
    return plan_view(plan_of(change))


@pytest.mark.parametrize(("kg", "unit", "value"), [(0.0004, "g CO₂e", 0.4), (2.5, "kg CO₂e", 2.5)])
def test_emissions_are_printed_in_kilograms_from_one_kilogram(kg: float, unit: str, value: float) -> None:
    option: Option = BEST.model_copy(
        update={"usd_per_unit": {"chat": exact(1.0, "usd/token")}, "carbon_kg_per_unit": {"chat": exact(kg, "kg/token")}}
    )
    view = plan_view(PLAN.model_copy(update={"options": (option,), "recommendation": option.rank}))
    (row,) = view.unit_carbon
    assert row.carbon.printed is not None
    assert row.carbon.printed.unit == unit
    assert row.carbon.printed.value == pytest.approx(value)


def test_measurements_are_worthwhile_from_a_noticeable_reduction() -> None:
    basis = plan_view(PLAN).basis
    assert basis.worthwhile == tuple(one for one in basis.measurements if one.shrinks_by >= NARROWS_BY)
    assert sum(count for _, count in basis.counts) == len(basis.numbers)


def test_the_widest_assumption_comes_first_and_one_that_begins_at_zero_is_wider_than_any() -> None:
    widths = [width(one.value) for one in plan_view(PLAN).assumptions]
    assert widths == sorted(widths, reverse=True)
    assert width(assumed(1.0, low=0.0, high=2.0, unit="W", source="test")) == math.inf
    assert width(exact(0.0, "W")) == 1.0


@given(value=st.floats(1e-6, 1e9), times=st.floats(1e-6, 1e9))
def test_a_printed_number_is_the_value_times_its_count(value: float, times: float) -> None:
    one = Shown(key="k", name="n", value=exact(value, "usd/token"), times=times, unit="usd")
    assert one.printed is not None
    assert one.printed.value == pytest.approx(value * times)
    assert one.printed.unit == "usd"
    assert Shown(key="k", name="n", value=None, times=times).printed is None

"""Rows of a plan's view: what is stated of a demand, cash, owning against renting, risk, simulation, the plan of a run."""

from __future__ import annotations

import math

import pytest

from aigc_bench.plan.output.demand_view import job_words, slo_words
from aigc_bench.plan.output.plan_view import PlanView, plan_view
from aigc_bench.plan.output.shown_number import Shown, duration_text, number_at
from aigc_bench.plan.records.demand import Slo
from tests.plan.build import make_demand, make_job, make_machine, make_rules, make_service, plan_on
from tests.plan.examples import plan_of_example


@pytest.fixture(scope="module")
def small() -> PlanView:
    demand = make_demand(services=(make_service(),), jobs=(make_job(),))
    return plan_view(plan_on(demand, machine=make_machine(), rules=make_rules()))


@pytest.fixture(scope="module")
def chat() -> PlanView:
    """A plan with scenarios, a simulation, purchases and rents."""
    return plan_view(plan_of_example("chat-70b"))


def test_an_slo_is_stated_by_its_bounds_and_its_percentile() -> None:
    assert slo_words(Slo()) == "no SLO"
    assert slo_words(Slo(ttft_s=2.0, tpot_s=0.05, percentile=0.95)) == "TTFT ≤ 2 s, TPOT ≤ 50 ms for 95 % of requests"


@pytest.mark.parametrize(("seconds", "words"), [(2.0, "2 s"), (0.1 + 0.2, "300 ms"), (60.0, "60 s")])
def test_a_time_is_stated_without_the_digits_of_its_conversion(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


@pytest.mark.parametrize(
    ("hours", "runs_per_day", "words"),
    [
        (8, 1, "within 8 h, once a day"),
        (72, 2, "within 3 days, 2 times a day"),
        (8, 1 / 30, "within 8 h, every 30 days"),
        (8, 1 / (3 * 365.25), "within 8 h, once in 3 years"),
    ],
)
def test_a_job_is_stated_by_its_deadline_and_how_often_it_runs(hours: float, runs_per_day: float, words: str) -> None:
    job = make_job().model_copy(update={"window_s": hours * 3600.0, "runs_per_day": runs_per_day})
    assert job_words(job) == words


def test_the_demand_has_a_row_for_every_service_and_job_with_the_numbers_as_read(small: PlanView) -> None:
    demand = small.plan.demand
    assert [row.name for row in small.demand.services] == [one.name for one in demand.services]
    assert [row.name for row in small.demand.jobs] == [one.name for one in demand.jobs]
    (service,) = small.demand.services
    assert service.peak.value == demand.services[0].arrival.peak_requests_per_s
    assert all(row.value is not None or row.missing != "unknown" for row in small.demand.site)


def test_a_number_that_no_derivation_has_is_missing_for_its_reason(small: PlanView) -> None:
    found = number_at(small.trail, "demand.nothing", "nothing", missing="not stated")
    assert (found.value, found.printed, found.missing) == (None, None, "not stated")


def test_every_key_of_the_page_is_a_key_of_its_derivations(chat: PlanView) -> None:
    assert chat.cash is not None and chat.risk is not None and chat.check is not None and chat.rent_or_buy is not None
    rows: list[Shown] = [number for row in chat.cash.years for number in (row.purchase, row.running, row.resale, row.cumulative)]
    rows += [number for row in chat.risk.regret for number in (row.regret, row.expected, row.p90)]
    rows += [number for row in chat.check.services for number in (row.simulated, row.analytic, row.with_failures)]
    rows += [row.total for row in (*chat.options.compared, *chat.options.refused)]
    rows += [number for row in chat.options.compared for number in (row.compared, row.servers, row.headroom)]
    rows += [chat.rent_or_buy.fixed, chat.rent_or_buy.rising, chat.risk.median, chat.risk.mean]
    assert len(rows) > 60
    for one in rows:
        if one.value is not None:
            assert chat.trail[one.key].value.value == pytest.approx(one.value.value, abs=1e-9), one.key


def test_cash_of_all_years_adds_up_to_the_last_cumulative_sum(chat: PlanView) -> None:
    assert chat.cash is not None
    last = chat.cash.years[-1].cumulative.value
    assert last is not None
    assert math.fsum(row.net_usd for row in chat.cash.years) == pytest.approx(last.value)


def test_owning_costs_its_fixed_part_and_a_part_of_the_volume_up_to_the_capacity(chat: PlanView) -> None:
    view = chat.rent_or_buy
    assert view is not None and view.fixed.value is not None and view.rising.value is not None
    fixed, rising = view.fixed.value.value, view.rising.value.value
    assert list(view.cost.values) == pytest.approx([fixed + rising * volume for volume in view.cost.volumes])
    assert max(view.cost.volumes) <= view.found.capacity
    for row in view.rivals:
        yearly = row.rival.usd_per_year.value
        assert list(row.cost.values) == pytest.approx([yearly * (v if row.rival.is_elastic else 1) for v in row.cost.volumes])
        assert len(row.chance.volumes) == len(row.chance.values)


def test_the_widest_assumption_has_its_ends_over_its_value(chat: PlanView) -> None:
    first = next(row for row in chat.assumption_rows.rows if row.has_interval and row.value.value)
    assert first.relative_low == first.value.low / first.value.value
    assert first.relative_high == first.value.high / first.value.value


def test_the_plan_of_a_run_groups_assumptions_by_service_and_job(small: PlanView) -> None:
    view = small.of_run
    assert [row.name for row in view.loads] == [one.name for one in (*small.plan.demand.services, *small.plan.demand.jobs)]
    assert all(row.load is not None or row.why_not is not None for row in view.loads)
    assert sum(len(group.rows) for group in view.assumptions) == len(small.plan.assumptions)
    assert {"chat"} <= {group.about for group in view.assumptions} or view.assumptions == ()

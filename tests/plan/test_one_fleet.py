"""One fleet, one price: what is reserved, what is paid, and what the headline says follow from the same hours and years."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.units import quantity
from aigc_bench.plan.demand.arrival_rates import day_of, shape
from aigc_bench.plan.money.cash_by_year import cash_by_year
from aigc_bench.plan.money.instances import (
    Limits,
    RunningJob,
    RunningService,
    instances_by_year,
    rate_by_year,
    year_lengths,
)
from aigc_bench.plan.options.wording import rent_words
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import Growth
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.sizing.fleets import grown
from tests.plan.build import exact
from tests.plan.demands import demand_of, plan_of
from tests.plan.examples import EXAMPLES, plan_of_example

FEW = ("h100_sxm_80gb", "l40s", "mi300x")
CHAT = """name = "one chat"
availability = 0.99
{growth}
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
{arrival}
input_tokens = 800
output_tokens = 200
[service.slo]
ttft = "2s"
tpot = 0.05
"""
GROWTH = 'growth_per_year = 0.3\nhorizon = "3y"'
USERS = "users = {users}\nactive_share = {active}\nrequests_per_minute = {per_minute}\npeak_factor = {factor}\nduty = {duty}"
# 40 requests a second at the peak, a quarter of it in the mean.
SAME = (
    USERS.format(users=12000, active=0.1, per_minute=1, factor=2, duty=0.25),
    USERS.format(users=24000, active=0.1, per_minute=1, factor=1, duty=0.25),
    USERS.format(users=24000, active=0.05, per_minute=0.5, factor=4, duty=0.25),
    "rate = 40\nduty = 0.25",
)


def chat(arrival: str, *, growth: str = "") -> str:
    return CHAT.format(arrival=arrival, growth=growth)


def outcome(plan: Plan) -> list[tuple[object, ...]]:
    """What a buyer compares of every option."""
    return [
        (one.kind, one.term, one.server, one.num_servers, one.accepted, float(f"{one.tco_usd.value:.9g}")) for one in plan.options
    ]


@pytest.mark.parametrize("growth", ["", GROWTH])
@pytest.mark.parametrize("arrival", SAME[1:])
def test_the_same_peak_and_mean_give_the_same_plan_however_they_are_written(arrival: str, growth: str) -> None:
    first, other = (plan_of(chat(one, growth=growth), accelerators=FEW) for one in (SAME[0], arrival))
    assert outcome(first) == outcome(other)


@pytest.mark.parametrize("growth", ["", GROWTH])
def test_a_flat_day_is_a_rate_however_it_is_written(growth: str) -> None:
    hours = f"hourly_requests = [{', '.join(['144000'] * 24)}]\npeak_factor = 1"
    assert outcome(plan_of(chat("rate = 40", growth=growth), accelerators=FEW)) == outcome(
        plan_of(chat(hours, growth=growth), accelerators=FEW)
    )


@pytest.mark.parametrize("growth", ["", GROWTH])
def test_more_mean_traffic_at_the_same_peak_never_costs_less(growth: str) -> None:
    ways = [f"rate = 40\nduty = {duty}" for duty in (0.05, 0.2, 0.4, 0.6, 0.8)]
    plans = [plan_of(chat(one, growth=growth), accelerators=FEW) for one in (*ways, "rate = 40")]
    cheapest = [plan.options[0].tco_usd.value for plan in plans]
    assert cheapest == sorted(cheapest)
    for less, more in itertools.pairwise(plans):
        costs = {(one.kind, one.term, one.accelerator, one.server): one.tco_usd.value for one in less.options}
        for one in more.options:
            before = costs.get((one.kind, one.term, one.accelerator, one.server))
            assert before is None or one.tco_usd.value >= before * (1 - 1e-9), one.server


def test_more_requests_never_cost_less_on_any_terms() -> None:
    plans = [plan_of(chat(f"rate = {rate}\nduty = 0.3"), accelerators=FEW) for rate in (3, 12, 40, 90, 200)]
    least = [_least_by_terms(plan) for plan in plans]
    for few, many in itertools.pairwise(least):
        assert min(few.values()) <= min(many.values())
        for terms, cost in many.items():
            assert cost >= few.get(terms, 0.0) * (1 - 1e-9), terms


def _least_by_terms(plan: Plan) -> dict[tuple[str, str, str | None], float]:
    found: dict[tuple[str, str, str | None], float] = {}
    for one in plan.options:
        if one.accepted:
            terms = (one.kind, one.term, one.accelerator)
            found[terms] = min(one.tco_usd.value, found.get(terms, math.inf))
    return found


DAYS = st.floats(0.05, 1.0).map(day_of)
SERVICES = st.builds(
    lambda busy, beyond, replica, day: RunningService(
        busy=np.array([busy]), needed=np.array([busy * (1 + beyond)]), per_replica=replica, day=np.array(day)[:, None]
    ),
    st.floats(0, 200),
    st.floats(0, 1),
    st.sampled_from([1, 2, 4, 8]),
    DAYS,
)


def paid(services: list[RunningService], *, growth: float = 0.0, years: float = 3.0, size: float = 1.0, most: float = 1e9) -> Any:
    lengths = year_lengths(Growth(per_year=exact(growth, "fraction/year"), horizon_years=years))
    rates = rate_by_year(np.array([growth]), lengths)
    return instances_by_year(services, [], rates=rates, within=Limits(size=size, spares=1.0, most=most))[:, 0]


@given(st.lists(SERVICES, min_size=1, max_size=3), st.sampled_from([1.0, 2.0, 8.0]), st.floats(0, 1))
def test_years_of_growth_never_pay_for_less_and_never_for_more_than_the_reserve(
    services: list[RunningService], size: float, growth: float
) -> None:
    by_year = paid(services, growth=growth, size=size, most=50)
    assert list(by_year) == sorted(by_year)
    assert by_year.max() <= 50
    # Of the demand at the end of the horizon at most as much is paid as without growth to it.
    assert by_year.max() <= paid(services, size=size, most=50).max() + 1e-9


@given(SERVICES, st.floats(0.05, 0.95), st.floats(1.0, 1.05))
def test_a_day_of_a_higher_mean_never_pays_for_fewer_instances(service: RunningService, mean: float, more: float) -> None:
    few, many = (
        RunningService(
            busy=service.busy, needed=service.needed, per_replica=service.per_replica, day=np.array(day_of(share))[:, None]
        )
        for share in (mean, mean * more)
    )
    assert paid([many])[0] >= paid([few])[0] - 1e-9


@given(st.floats(0, 2), st.floats(0.3, 7))
def test_the_years_of_a_growing_rate_add_up_to_its_mean(growth: float, years: float) -> None:
    stated = Growth(per_year=exact(growth, "fraction/year"), horizon_years=years)
    last, mean = grown(stated)
    lengths = year_lengths(stated)
    assert sum(lengths) == pytest.approx(years)
    found = rate_by_year(np.array([growth]), lengths)[:, 0]
    assert float(np.average(found, weights=lengths)) == pytest.approx(mean.value / last.value, rel=1e-6)


@given(st.floats(0.05, 1.0))
def test_the_default_day_has_the_mean_of_the_demand_and_one_busiest_hour(mean: float) -> None:
    day = day_of(mean)
    assert sum(day) / 24 == pytest.approx(mean, rel=1e-3)
    assert max(day) == 1.0 and min(day) >= 0
    # The order of the hours is that of the shape: busiest in the early afternoon, quiet at night.
    assert day[14] == max(day) == max(shape()) == 1.0
    assert day[2] == min(day)


def test_a_job_is_paid_while_its_window_is_open() -> None:
    job = RunningJob(machines=np.array([9.0]), per_replica=2, share_of_year=0.25)
    found = instances_by_year([], [job], rates=np.ones((1, 1)), within=Limits(size=4.0, spares=1.0, most=9.0))
    # Ten accelerators of whole replicas are three instances of four, and one spare while they run.
    assert found[0, 0] == pytest.approx((3 + 1) * 0.25)


@pytest.fixture(scope="module", params=[file.stem for file in EXAMPLES])
def plain(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The JSON of an example's plan."""
    return contract(plan_view(plan_of_example(request.param)))


def multiplied(rent: dict[str, Any]) -> float:
    return float(rent["instances_mean"] * rent["usd_per_instance_hour"] * rent["hours_per_year"])


def test_headline_count_times_price_times_hours_is_the_headline_cost(plain: dict[str, Any]) -> None:
    rented = [one for one in plain["options"] if one["kind"] == "cloud"]
    assert rented, "an example has rents"
    for option in rented:
        rent, lines = option["rent"], [line["value"] for line in option["costs"] if line["key"] == "rent"]
        assert multiplied(rent) == pytest.approx(rent["usd_per_year"], rel=1e-12)
        assert rent["usd_per_year"] == pytest.approx(math.fsum(lines), rel=1e-12)
        assert 0 <= rent["instances_mean"] <= rent["instances_at_most"] + 1e-9
        years = rent["years"]
        mean = sum(count * length for count, length in zip(rent["instances_by_year"], years, strict=True)) / sum(years)
        assert mean == pytest.approx(rent["instances_mean"], rel=1e-12)
        if not option["parts"]:
            assert rent["instances_at_most"] == option["num_servers"]
            assert rent["instances_at_most"] * rent["accelerators_per_instance"] == pytest.approx(option["num_accelerators"])
            assert (rent["provider"], rent["term"]) == (option["provider"], option["term"])
        if option["term"].startswith("reserved"):
            assert rent["instances_mean"] == rent["instances_at_most"]
        for line in rent["lines"]:
            assert multiplied(line) == pytest.approx(line["usd_per_year"], rel=1e-12)
        if rent["lines"]:
            assert math.fsum(line["usd_per_year"] for line in rent["lines"]) == pytest.approx(rent["usd_per_year"])
    assert all(one["rent"] is None for one in plain["options"] if one["kind"] in ("owned", "colocated", "api"))


@pytest.mark.parametrize("name", [file.stem for file in EXAMPLES])
def test_the_cash_of_a_rent_follows_its_years_and_adds_up_to_the_total_cost(name: str) -> None:
    plan = plan_of_example(name)
    finance = plan.demand.finance
    for option in plan.options[:60]:
        rows = cash_by_year(option, finance)
        assert rows[-1].cumulative_usd.value == pytest.approx(option.tco_usd.value)
        running = [row.running_usd.value for row in rows if row.running_usd is not None]
        if option.kind == "cloud" and not option.parts and finance.life_years == 3:
            assert running == pytest.approx(sorted(running))


def test_without_a_confidence_the_rent_is_there_too() -> None:
    text = chat("rate = 40\nduty = 0.3") + "[constraints]\nconfidence = 0\n"
    for option in plan_of(text, accelerators=FEW).options:
        assert (option.rent is not None) == (option.kind == "cloud")


@pytest.mark.parametrize(
    ("arrival", "key"),
    [
        ("rate = 5\npeak_factor = 2", "peak_factor"),
        ("rate = 5\nactive_share = 0.1", "active_share"),
        (f"hourly_requests = [{', '.join(['5'] * 24)}]\nduty = 0.5", "duty"),
        ("trace = 'trace.csv'\nduty = 0.5", "duty"),
        ("trace = 'trace.csv'\npeak_factor = 2", "peak_factor"),
    ],
)
def test_a_key_that_the_arrivals_decide_is_refused_in_one_line(arrival: str, key: str) -> None:
    with pytest.raises(UsageError, match=f"{key} belongs to .*remove {key}"):
        demand_of(chat(arrival))


@pytest.mark.parametrize("name", ["chat-70b", "mixed-company"])
def test_the_rent_of_a_growth_path_adds_up_to_the_total_rent(name: str) -> None:
    plan = plan_of_example(name)
    path, best = plan.certainty and plan.certainty.growth_path, plan.recommended
    assert path is not None and best is not None
    assert path.years[-1].num_servers == best.num_servers
    if best.rent is None:
        assert path.rent_usd is None
        return
    rents = [one.rent_usd.value for one in path.years if one.rent_usd is not None]
    assert path.rent_usd is not None
    assert math.fsum(rents) == pytest.approx(path.rent_usd.value)
    assert path.rent_usd.value == pytest.approx(best.rent.usd_per_year.value * plan.demand.finance.life_years)
    assert rents == sorted(rents)


def test_screen_and_contract_say_what_is_reserved_and_what_is_paid() -> None:
    plan = plan_of(chat("rate = 40\nduty = 0.3"), accelerators=FEW)
    elastic, reserved = (
        next(one for one in plan.options if one.kind == "cloud" and one.term == term) for term in ("on_demand", "reserved_1y")
    )
    for option, words in ((elastic, "reserve up to "), (reserved, "pay for all of them at all hours")):
        (text,) = rent_words(option)
        assert option.rent is not None
        assert words in text and quantity(option.rent.usd_per_accelerator_hour.value, "usd/accelerator-h") in text

"""From loads to machines: growth, queues, day and night, whole replicas, on numbers that can be checked by head."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.records.demand import Arrival, Checkpoints, Growth, Slo
from aigc_bench.plan.records.machine import Capability, Load
from aigc_bench.plan.sizing.checkpoints import lost_shares, mtti_s, overhead
from aigc_bench.plan.sizing.fleets import (
    allowed_wait_s,
    grown,
    items_at_once,
    job_load,
    latency_floor_s,
    machines_for_wait,
    make_fleet,
    mean_utilisation,
    needed,
    off_peak_share,
    required_machines,
    service_load,
)
from tests.plan.build import exact, make_capability, make_demand, make_job, make_machine, make_rules, make_service

RULES = make_rules()


def replica(**changes: object) -> Capability:
    """Two accelerators that hold ten requests for two seconds each: 5 requests/s of 100 tokens, 250 tokens/s each."""
    plain = {
        "throughput": exact(250.0, "tokens/s"),
        "machines_per_replica": 2,
        "slots": 10.0,
        "service_s": exact(2.0, "s"),
        "ttft_s": exact(0.5, "s"),
    }
    return make_capability(**{**plain, **changes})


def test_growth_multiplies_the_peak_at_the_end_and_the_mean_over_the_years() -> None:
    last, mean = grown(Growth(per_year=exact(0.5, "fraction/year"), horizon_years=2.0))
    assert last.value == pytest.approx(2.25)
    assert mean.value == pytest.approx((2.25 - 1) / math.log(2.25))
    assert [one.value for one in grown(None)] == [1.0, 1.0]
    assert [one.value for one in grown(Growth(per_year=exact(0.0, "fraction/year"), horizon_years=3.0))] == [1.0, 1.0]


@given(st.floats(0, 3), st.floats(0.1, 10))
def test_the_mean_of_a_growing_rate_lies_between_today_and_the_end(rate: float, years: float) -> None:
    last, mean = grown(Growth(per_year=exact(rate, "fraction/year"), horizon_years=years))
    assert 1 - 1e-9 <= mean.value <= last.value * (1 + 1e-9)


def test_a_service_that_grows_is_sized_for_the_end_and_billed_for_the_mean() -> None:
    growth = Growth(per_year=exact(0.5, "fraction/year"), horizon_years=2.0)
    today, later = (service_load(make_service(), replica(), growth=one) for one in (None, growth))
    assert later.busy_machines.value == pytest.approx(2.25 * today.busy_machines.value)
    assert later.items_per_year.value / today.items_per_year.value == pytest.approx(1.25 / math.log(2.25))


def test_a_queue_may_need_more_machines_than_the_work_does() -> None:
    """1.667 requests/s of 2 s: 3.33 erlangs. 99 % that start at once take 10 slots, one replica of two; within 0.1 ms, too."""
    service = make_service(slo=Slo(ttft_s=0.5001, percentile=0.99))
    assert machines_for_wait(service, replica(), peak_per_s=1000 * 0.05 / 60 * 2) == 2
    assert machines_for_wait(service, replica(slots=2.0), peak_per_s=1000 * 0.05 / 60 * 2) == 10
    load = service_load(service, replica(slots=2.0))
    assert needed(load, rules=RULES).value == 10 > load.busy_machines.value / 0.7


def test_burstier_arrivals_or_work_never_need_fewer_machines() -> None:
    def asked(cv2: float, work_cv2: float) -> int:
        arrival = make_service().arrival.model_copy(update={"cv2": cv2})
        service = make_service(arrival=arrival, work_cv2=work_cv2, slo=Slo(ttft_s=1.0))
        return machines_for_wait(service, replica(slots=1.0), peak_per_s=5.0)

    counts = [asked(cv2, work) for cv2, work in ((0, 0), (1, 0), (1, 1), (4, 1), (4, 9))]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_wait_that_is_allowed_is_the_least_that_the_slo_leaves() -> None:
    assert allowed_wait_s(make_service(slo=Slo(ttft_s=2.0, latency_s=3.0)), replica()) == pytest.approx(1.0)
    assert allowed_wait_s(make_service(slo=Slo(tpot_s=0.1)), replica()) is None
    assert machines_for_wait(make_service(slo=Slo(tpot_s=0.1)), replica(), peak_per_s=5.0) == 0
    assert machines_for_wait(make_service(slo=Slo(latency_s=1.0)), replica(), peak_per_s=5.0) == 0, "no number of machines helps"


def test_a_request_alone_takes_whole_steps_and_at_least_one() -> None:
    capability = make_capability(items_per_step=40.0, batch_size=2)
    assert latency_floor_s(make_service(), capability) == pytest.approx(latency_floor_s(make_service(), capability))
    floor = latency_floor_s(make_service(), capability)
    short = latency_floor_s(make_service(items_per_request=exact(1.0, "tokens/request")), capability)
    assert floor is not None and short is not None
    assert (floor.value, short.value) == (pytest.approx(100 / 20 * 0.5), 0.5)
    assert latency_floor_s(make_service(), make_capability(items_per_step=None)) is None


def test_a_job_is_billed_for_the_share_of_the_day_that_its_window_is_open() -> None:
    nightly = job_load(make_job(), make_capability(mode="train", throughput=exact(25.0, "tokens/s")), rules=RULES)
    assert nightly.lost_share is not None
    assert nightly.busy_machines.value == pytest.approx(50 / (25 * 0.9) / (1 - nightly.lost_share.value))
    assert nightly.mean_machines.value == pytest.approx(nightly.busy_machines.value / 3)
    weekly = job_load(make_job(runs_per_day=1 / 7), make_capability(mode="train"), rules=RULES)
    assert weekly.items_per_year.value == pytest.approx(1_440_000 * 365.25 / 7)
    endless = job_load(make_job(runs_per_day=10.0), make_capability(mode="train"), rules=RULES)
    assert endless.mean_machines.value == pytest.approx(endless.busy_machines.value)


def test_the_night_load_follows_the_hours_of_the_demand() -> None:
    shares = tuple([0.2] * 8 + [1.0] * 16)
    arrival: Arrival = make_service().arrival.model_copy(update={"hourly": shares})
    assert off_peak_share(make_demand(services=(make_service(arrival=arrival),)), rules=RULES).value == pytest.approx(0.2)
    mixed = make_demand(services=(make_service(arrival=arrival), make_service(name="other")))
    assert off_peak_share(mixed, rules=RULES) == RULES.off_peak_share


def load(name: str, machines: float, *, ranks: int = 1) -> Load:
    return Load(
        name=name,
        case=name,
        item="token",
        rate_items_per_s=exact(machines, "tokens/s"),
        busy_machines=exact(machines, "machines"),
        mean_machines=exact(machines / 4, "machines"),
        items_per_year=exact(1e9, "tokens/year"),
        machines_per_replica=ranks,
    )


def test_a_pool_needs_the_larger_of_day_and_night() -> None:
    demand = make_demand()
    day = required_machines([load("chat", 7.0), load("training", 2.0)], demand=demand, rules=RULES)
    night = required_machines([load("chat", 7.0), load("training", 20.0)], demand=demand, rules=RULES)
    assert (day.value, night.value) == (pytest.approx(10.0), pytest.approx(21.0))


def test_shared_machines_come_in_whole_replicas_and_jobs_take_what_services_leave() -> None:
    """By day 5.7 / 0.7 in fours: 12. By night one replica of four and a job on 16: 20, in servers of eight 24."""
    machine = make_machine(machines_per_server=exact(8.0, "machines/server"))
    loads = [load("chat", 5.7, ranks=4), load("training", 3.0, ranks=16)]
    fleet = make_fleet(loads, "shared", demand=make_demand(), rules=RULES, machine=machine)
    assert fleet.serving == 3
    assert fleet.pools[0].available_machines.value == 24
    alone = make_fleet(loads[:1], "shared", demand=make_demand(), rules=RULES, machine=machine)
    assert alone.serving == 2


def test_dedicated_machines_are_rounded_by_load_and_an_empty_load_has_no_pool() -> None:
    fleet = make_fleet(
        [load("chat", 0.5), load("training", 1.2), load("idle", 0.0)],
        "dedicated",
        demand=make_demand(),
        rules=RULES,
        machine=make_machine(),
    )
    assert [pool.loads for pool in fleet.pools] == [("chat",), ("training",)]
    assert [pool.available_machines.value for pool in fleet.pools] == [1, 2]
    empty = make_fleet([], "shared", demand=make_demand(), rules=RULES, machine=make_machine())
    assert (empty.serving, empty.spares, empty.pools) == (0, 0, ())


@given(st.floats(0.01, 500), st.floats(0.01, 500), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1.0, 8.0, 96.0]))
def test_the_fleet_always_holds_what_is_required(chat: float, job: float, ranks: int, size: float) -> None:
    machine = make_machine(machines_per_server=exact(size, "machines/server"))
    loads = [load("chat", chat, ranks=ranks), load("training", job, ranks=ranks)]
    for placement in ("pooled", "shared", "dedicated"):
        fleet = make_fleet(loads, placement, demand=make_demand(), rules=RULES, machine=machine)
        for pool in fleet.pools:
            assert pool.available_machines.value >= pool.required_machines.value * (1 - 1e-9)
        assert mean_utilisation(loads, num_servers=fleet.num_servers, machine=machine).value <= 1


def test_a_training_job_needs_more_machines_for_what_checkpoints_and_interruptions_cost() -> None:
    """50 tokens/s over 25 x 0.9: 2.22 machines; MTTI 50,000 h / 2.22, 60 s of stall, 600 s to start again."""
    capability = make_capability(mode="train", throughput=exact(25.0, "tokens/s"))
    alone = 50 / (25 * 0.9)
    mtti_s = 50_000 * 3600 / alone
    lost = math.sqrt(2 * 60 / mtti_s) + 600 / mtti_s
    load = job_load(make_job(), capability, rules=RULES)
    assert load.lost_share is not None
    assert load.lost_share.value == pytest.approx(lost)
    assert load.busy_machines.value == pytest.approx(alone / (1 - lost))
    batch = job_load(make_job(mode="infer", kind="batch"), capability, rules=RULES)
    assert batch.lost_share is None
    assert batch.busy_machines.value == pytest.approx(alone)


@given(st.floats(1, 3600), st.floats(1.01, 100), st.floats(1e3, 1e12))
def test_a_longer_stall_never_needs_fewer_machines(stall_s: float, more: float, tokens: float) -> None:
    capability = make_capability(mode="train", throughput=exact(25.0, "tokens/s"), machines_per_replica=8)
    jobs = [
        make_job(items=exact(tokens, "tokens"), checkpoints=Checkpoints(stall_s=exact(one, "s")))
        for one in (stall_s, stall_s * more)
    ]
    short, long = (job_load(job, capability, rules=RULES) for job in jobs)
    assert short.busy_machines.value <= long.busy_machines.value
    assert short.lost_share is not None and 0 < short.lost_share.low <= short.lost_share.value <= short.lost_share.high <= 0.95


def test_items_of_one_request_side_by_side_take_a_whole_batch_and_in_a_row_one_entry() -> None:
    """Steps of 40 items of a batch of eight."""
    able = make_capability(items_per_step=40.0, batch_size=8)
    assert items_at_once(able) == 5.0
    assert items_at_once(able.model_copy(update={"item": "image"})) == 40.0
    assert items_at_once(able.model_copy(update={"items_per_step": None})) == 0.0


def test_what_a_load_asks_is_told_in_units_of_its_items() -> None:
    chat, training = service_load(make_service(), replica()), job_load(make_job(), make_capability(mode="train"), rules=RULES)
    for found in (chat, training):
        assert (found.rate_items_per_s.unit, found.items_per_year.unit) == ("tokens/s", "tokens/year")
        assert (found.busy_machines.unit, found.mean_machines.unit) == ("machines", "machines")
    fleet = make_fleet([load("chat", 2.0)], "pooled", demand=make_demand(), rules=RULES, machine=make_machine())
    assert fleet.pools[0].available_machines.unit == "machines"
    assert mean_utilisation([load("chat", 2.0)], num_servers=4, machine=make_machine()).unit == "fraction"


@given(st.floats(1, 1e4), st.floats(1, 3600), st.floats(100, 1e6), st.floats(0, 3600))
def test_losses_of_many_worlds_are_those_of_each(accelerators: float, stall_s: float, hours: float, restart_s: float) -> None:
    arrays = {"stall_s": np.array([stall_s]), "hours": np.array([hours]), "restart_s": np.array([restart_s])}
    one = overhead(stall_s, mtti_s=mtti_s(accelerators, hours=hours), restart_s=restart_s)
    assert lost_shares(np.array([accelerators]), **arrays)[0] == pytest.approx(min(0.95, one))

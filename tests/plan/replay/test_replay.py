"""Plans replayed by discrete events: compared with formulae, enlarged where the simulation requires it, else marked."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.options.wording import nearest_option
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import Demand, Slo
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.replay.jobs import WINDOWS, Night, replay_jobs
from aigc_bench.plan.replay.services import NUM_DRAWS, ReplayedPeak, fewest, replay_service, replicas_that_hold
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import Servers
from aigc_bench.predict.serving.step_time import StepTime
from aigc_bench.report.plan.plan_report import render_plan
from tests.plan.build import exact, make_job, make_service
from tests.plan.demands import HANDFUL

CHAT = """
name = "chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-{size}b"
rate = {rate}
input_tokens = {prompt}
output_tokens = {answer}
[service.slo]
ttft = "{ttft}s"
tpot = {tpot}
percentile = {percentile}
[constraints]
without = ["api"]
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


def chat(folder: Path, catalogue: Catalogue, **changes: float) -> Demand:
    plain = {"size": 8, "rate": 5, "prompt": 600, "answer": 200, "ttft": 1, "tpot": 0.04, "percentile": 95}
    file = folder / "demand.toml"
    file.write_text(CHAT.format(**(plain | changes)))
    return read_demand(file, catalogue=catalogue)


def capability(**changes: object) -> Capability:
    plain = {
        "case": "c",
        "workload": "gpt",
        "preset": "small",
        "mode": "infer",
        "item": "token",
        "throughput": exact(100.0, "tokens/s"),
        "slots": 1.0,
        "service_s": exact(1.0, "s"),
    }
    return Capability.model_validate({**plain, **changes})


def peak(*, rate: float, replicas: int, slo_s: float = 10.0, percentile: float = 0.95, **changes: object) -> ReplayedPeak:
    """Exponential service of a second, Poisson arrivals: M/M/c."""
    server = BatchServer(batch_time=StepTime(token_knots=((1.0, 1.0),)), service_cv=1.0)
    plain: dict[str, object] = {"num_serving": 0, "num_spares": 0, "machine_availability": 0.99}
    return ReplayedPeak(
        service=make_service(slo=Slo(latency_s=slo_s, percentile=percentile)),
        capability=capability(),
        servers=Servers(likely=server, fast=server, slow=server),
        rate_per_s=rate,
        num_replicas=replicas,
        **{**plain, **changes},  # type: ignore[arg-type]
    )


def test_a_textbook_queue_is_replayed_with_its_known_result() -> None:
    """M/M/1: P(sojourn <= t) = 1 - exp(-(mu - lambda) t)."""
    found = replay_service(peak(rate=0.5, replicas=1, slo_s=4.0, percentile=0.8))
    assert found.simulated_share == pytest.approx(1 - math.exp(-0.5 * 4.0), abs=0.05)
    assert found.is_met


def test_a_share_just_below_the_required_one_is_not_confirmed() -> None:
    found = replay_service(peak(rate=0.5, replicas=1, slo_s=4.0, percentile=0.5)).simulated_share
    assert found is not None
    for missed in (1e-4, 3e-3):
        service = replay_service(peak(rate=0.5, replicas=1, slo_s=4.0, percentile=found + missed))
        assert not service.is_met and service.simulated_share == found


def test_a_share_near_the_required_one_has_to_be_kept_with_other_requests_too() -> None:
    alone = [
        replay_service(peak(rate=0.5, replicas=1, slo_s=4.0, percentile=0.5, seed=seed)).simulated_share
        for seed in range(NUM_DRAWS)
    ]
    first, least = alone[0], min(one for one in alone if one is not None)
    assert first is not None
    near = replay_service(peak(rate=0.5, replicas=1, slo_s=4.0, percentile=first - 1e-4))
    assert near.simulated_share == least and near.is_met == (least >= first - 1e-4)


def test_replicas_are_added_until_the_simulation_holds() -> None:
    short = peak(rate=4.0, replicas=3)
    assert not replay_service(short).is_met
    count = replicas_that_hold(short, most=20)
    assert count is not None and count > 4
    assert replay_service(peak(rate=4.0, replicas=count)).is_met
    assert replicas_that_hold(peak(rate=4.0, replicas=3, slo_s=0.5), most=50) is None


def test_the_fewest_that_are_enough_is_found_for_every_threshold() -> None:
    for threshold in range(1, 40):
        found = fewest(lambda count, threshold=threshold: count >= threshold, at_least=1, most=40)
        assert found == threshold
    assert fewest(lambda _: False, at_least=1, most=8) is None


def test_servers_that_fail_without_a_spare_cost_requests() -> None:
    certain = replay_service(peak(rate=1.5, replicas=2, num_serving=2, num_spares=2, machine_availability=0.9999))
    bare = replay_service(peak(rate=1.5, replicas=2, num_serving=2, num_spares=0, machine_availability=0.9))
    assert certain.share_with_failures == pytest.approx(certain.simulated_share, abs=1e-3)
    assert bare.share_with_failures is not None and bare.simulated_share is not None
    assert bare.share_with_failures < 0.9 * bare.simulated_share


def test_a_job_ends_in_time_on_enough_machines_and_never_on_too_few() -> None:
    def run(machines: int, availability: float = 0.999) -> float:
        night = Night(
            num_serving=machines, num_spares=1, machines_per_server=1.0, kept_by_services=0.0, machine_availability=availability
        )
        return replay_jobs([(make_job(kind="batch"), capability(throughput=exact(30.0, "tokens/s")))], night)[0].share_in_time

    assert run(2) == 1.0
    assert run(1) == 0.0
    assert run(2, availability=0.6) < 0.9


def test_an_idle_spare_that_fails_interrupts_no_job() -> None:
    """Of 2,001 servers twenty fail in a day and a half of work, but hardly ever the one that works: no restart is paid."""
    night = Night(
        num_serving=1, num_spares=2000, machines_per_server=1.0, kept_by_services=0.0, machine_availability=0.99, restart_s=3600.0
    )
    job = make_job(items=exact(36_000.0, "tokens"))
    found = replay_jobs([(job, capability(throughput=exact(1.0, "tokens/s")))], night)[0]
    assert found.median_s == found.analytic_s == pytest.approx(36_000.0)


def test_an_empty_job_ends_immediately_and_one_without_machines_never() -> None:
    empty = Night(num_serving=0, num_spares=0, machines_per_server=8.0, kept_by_services=0.0, machine_availability=0.99)
    idle, lost = replay_jobs([(make_job(items=exact(0.0, "tokens")), capability()), (make_job(name="lost"), capability())], empty)
    assert (idle.share_in_time, idle.median_s, idle.analytic_s) == (1.0, 0.0, None)
    assert (lost.share_in_time, lost.median_s, lost.analytic_s, lost.is_met) == (0.0, None, None, False)
    json.dumps([idle.model_dump(), lost.model_dump()], allow_nan=False)


def test_a_fleet_beyond_counting_works_as_its_mean_does() -> None:
    night = Night(num_serving=10**40, num_spares=0, machines_per_server=1.0, kept_by_services=0.0, machine_availability=0.99)
    job = make_job(items=exact(100.0 * 10**40 * 3600, "tokens"))
    found = replay_jobs([(job, capability())], night)[0]
    assert found.median_s == pytest.approx(3600 / 0.99)


def test_jobs_of_one_night_follow_each_other() -> None:
    night = Night(num_serving=4, num_spares=1, machines_per_server=1.0, kept_by_services=2.0, machine_availability=0.9999)
    jobs = [(make_job(name=name), capability(throughput=exact(50.0, "tokens/s"))) for name in ("one", "two")]
    first, second = replay_jobs(jobs, night)
    assert first.median_s == pytest.approx(14_400.0) and second.median_s == pytest.approx(28_800.0)
    assert first.num_windows == WINDOWS


def test_a_plan_states_the_simulated_share_next_to_the_analytic_one(tmp_path: Path, catalogue: Catalogue) -> None:
    plan = full_plan(chat(tmp_path, catalogue), catalogue=catalogue)
    found = contract(plan_view(plan))
    best = found["options"][found["recommendation"]["rank"] - 1]
    service = best["replay"]["services"][0]
    assert service["method"] == "iteration-level simulation of continuous batching"
    assert service["gap"] == pytest.approx(service["simulated_share"] - service["analytic_share"])
    assert best["replay"]["is_met"] and service["simulated_share"] >= 0.95
    again = contract(plan_view(full_plan(chat(tmp_path, catalogue), catalogue=catalogue)))
    assert json.dumps(found, sort_keys=True) == json.dumps(again, sort_keys=True)


def test_simulated_attainment_of_recommended_options_holds_over_seeded_demands(tmp_path: Path, catalogue: Catalogue) -> None:
    """A sample of benchmarks/replay_attainment.py, which runs a hundred."""
    random = np.random.default_rng(7)
    short = 0
    for _ in range(8):
        demand = chat(
            tmp_path,
            catalogue,
            rate=float(random.uniform(0.5, 40)),
            prompt=int(random.integers(100, 2000)),
            answer=int(random.integers(50, 500)),
            ttft=float(random.uniform(0.8, 3)),
            tpot=float(random.uniform(0.02, 0.08)),
            percentile=float(random.choice([90, 95, 99])),
        )
        best = full_plan(demand, catalogue=catalogue, accelerators=HANDFUL).recommended
        assert best is not None and best.replay is not None
        short += any((one.simulated_share or 0.0) < one.asked_share for one in best.replay.services)
    assert short == 0


def test_a_demand_that_no_number_of_machines_confirms_has_no_plan_but_a_nearest(tmp_path: Path, catalogue: Catalogue) -> None:
    """A bound on the whole answer that the longest of answers of every length cannot keep."""
    text = CHAT.format(size=8, rate=5, prompt=600, answer=200, ttft=1, tpot=0.04, percentile=99)
    file = tmp_path / "demand.toml"
    file.write_text(text.replace("tpot = 0.04", 'latency = "2s"') + 'accelerators = ["h100_sxm_80gb"]\n')
    plan = full_plan(read_demand(file, catalogue=catalogue), catalogue=catalogue)
    assert plan.recommended is None and not any(one.accepted and one.confirmed is None for one in plan.options)
    near = nearest_option(plan)
    assert near is not None and near.confirmed is False and near.replay is not None and not near.replay.is_met
    assert any(reason.startswith("simulation: chat answers") for reason in near.reasons)
    assert plan.why_none is not None and "simulation: chat answers" in plan.why_none
    found = contract(plan_view(plan))
    assert found["recommendation"] is None and found["why_none"] == plan.why_none
    assert "not confirmed by the simulation" in render_plan(plan_view(plan), version="test")

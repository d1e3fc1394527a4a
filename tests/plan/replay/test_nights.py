"""What jobs have by night in a replay is what the fleet was counted with."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.replay.jobs import Night, Saving, replay_jobs
from aigc_bench.plan.replay.replayer import Replayer
from aigc_bench.predict.serving.from_model import ServiceModel
from tests.plan.build import exact, make_capability, make_job
from tests.plan.demands import JOBS, SERVICES, catalogue, demand_of, plan_of

OFF_PEAK, GOODPUT, UTILISATION = 0.1, 0.9, 0.7


def demand_text(rate: float, items: int) -> str:
    return 'name = "both"\navailability = 0.99\n' + SERVICES["search"].format(rate=rate, slo=2) + JOBS["books"].format(items=items)


def bought(text: str) -> list[Option]:
    """Purchases of one kind of server, also those that other factors refuse."""
    found = [one for one in plan_of(text, accelerators=("l4", "h100_sxm_80gb")).options if one.kind == "owned" and one.machine]
    assert found
    return found


@pytest.mark.parametrize(("rate", "items"), [(0, 300_000), (3_000, 2_000_000), (40_000, 3_000_000), (90_000, 30_000_000)])
def test_jobs_end_in_their_window_next_to_the_replicas_of_services(rate: float, items: int) -> None:
    text = demand_text(rate, items)
    demand, rules = demand_of(text), plan_of(text, accelerators=("l4", "h100_sxm_80gb")).rules
    replayer = Replayer(demand=demand, rules=rules, catalogue=catalogue(), model=ServiceModel(catalogue()))
    for option in bought(text):
        replay = replayer.replay(option)
        assert replay is not None
        job = replay.jobs[0]
        assert job.analytic_s == pytest.approx(alone_s(option, items))
        assert job.analytic_s <= job.window_s * (GOODPUT + 1e-9)


def alone_s(option: Option, items: int) -> float:
    """All servers but the spares, less whole replicas of the service at a tenth of what it needs by day."""
    assert option.machine is not None
    search, books = option.loads
    needed = max(search.busy_machines.value / UTILISATION, search.machines_for_wait)
    size = search.machines_per_replica
    kept = max(1, math.ceil(OFF_PEAK * needed / size - 1e-9)) * size if search.busy_machines.value > 0 else 0
    machines = (option.num_servers - option.num_spares) * option.machine.devices_per_server - kept
    rate = next(capability for capability in option.machine.capabilities if capability.case == books.case).throughput.value
    return items / (machines // books.machines_per_replica * books.machines_per_replica * rate)


def test_checkpoints_slow_a_training_job_and_save_it_most_of_an_interval() -> None:
    """Without failures a job with a stall of a tenth of the interval takes a tenth longer."""
    night = Night(num_serving=4, num_spares=0, machines_per_server=1.0, kept_by_services=0.0, machine_availability=1 - 1e-12)
    job, capability = make_job(items=exact(1000.0, "tokens")), make_capability(mode="train", throughput=exact(1.0, "tokens/s"))
    saved = replace(night, savings={job.name: Saving(every_s=100.0, stall_s=10.0)})
    plain, slower = (replay_jobs([(job, capability)], one)[0].median_s for one in (night, saved))
    assert plain is not None and slower is not None
    assert slower == pytest.approx(1.1 * plain)

"""Retained and transferred data: answers and results that are kept, and the read and write rates of jobs.

    answers      requests/s at the peak x duty x growth at the horizon x 86,400 x answer bytes x days of retention
    results      items of a run x result bytes x retained runs (runs per day x days of retention, at least one)
    reading      items x bytes of one / (window x goodput), summed over the jobs
    writing      parameters x bytes of a checkpoint per parameter / stall of one, summed over the training jobs

Rates grow over the horizon, so storage is sized for its end. Source: the planner's capacity rule.
"""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Demand, Growth, Job, Service
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.checkpoints import stall_of
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.stats.estimates import bounded, scaled, stated, times

SECONDS_PER_DAY = 86400.0


def retained_answers(service: Service, growth: Growth | None) -> Estimate:
    """Return the bytes of the answers that are stored at the end of the horizon."""
    last, _ = grown(growth)
    mean = times(service.arrival.peak_requests_per_s, service.arrival.duty, last, unit="request/s")
    # Growth at the end, not the mean: disks have to hold the last day's retention.
    a_day = scaled(mean, SECONDS_PER_DAY, unit="request/day")
    return times(a_day, service.response_bytes, service.kept_days, unit="B")


def retained_results(job: Job) -> Estimate | None:
    """Return the bytes of the results that are stored together; ``None`` where a job stores none."""
    if job.response_bytes is None or job.kept_days is None or job.kept_days.high <= 0:
        return None
    daily = stated(job.runs_per_day, f"demand.jobs.{job.name}.runs_per_day", unit="run/day")
    # The results of the latest run exist in any case.
    runs = bounded(scaled(job.kept_days, daily, unit="runs"), floor=1.0)
    return times(job.items, job.response_bytes, runs, unit="B")


def read_bytes_per_s(demand: Demand, rules: Rules) -> float:
    """Return bytes/s that the jobs read while their windows are open."""
    # All jobs together, as if their windows coincided: the storage has to feed the worst night.
    return sum(job.items.value * job.bytes_per_item.value / (job.window_s * rules.job_goodput.value) for job in demand.jobs)


def written_bytes_per_s(demand: Demand, machine: Machine, rules: Rules) -> float:
    """Return bytes/s of checkpoints, each written within its allowed stall.

    Capabilities of the machine are in the demand's order, services first.
    """
    abilities = machine.capabilities[len(demand.services) :]
    return sum(
        (capability.num_params or 0.0) * rules.checkpoint_bytes_per_param.value / stall_of(job, rules).value
        for job, capability in zip(demand.jobs, abilities, strict=False)
        if job.mode == "train"
    )

"""Loads of a demand on a measured machine: the case that each service and job runs as."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aigc_bench.core.messages import message
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.loads import Load, Unplanned
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.fleets import job_load, latency_floor_s, service_load


def loads_of(
    demand: Demand, *, machine: Machine, rules: Rules, with_invalid: Collection[str] = ()
) -> tuple[tuple[Load, ...], tuple[Unplanned, ...]]:
    """Return the load of every service and job on the machine, and those that cannot be planned with the reason."""
    loads: list[Load] = []
    unplanned: list[Unplanned] = []
    for service in demand.services:
        usable, reason = _usable(service, machine, with_invalid=with_invalid)
        if usable:
            # A service takes the fastest case that is in time; a job has no latency, so the fastest of all.
            loads.append(service_load(service, best_for(service, usable), growth=demand.growth))
        else:
            unplanned.append(Unplanned(name=service.name, reason=reason))
    for job in demand.jobs:
        usable, reason = _usable(job, machine, with_invalid=with_invalid)
        if usable:
            loads.append(job_load(job, _fastest(usable), rules=rules))
        else:
            unplanned.append(Unplanned(name=job.name, reason=reason))
    return tuple(loads), tuple(unplanned)


def best_for(service: Service, capabilities: Sequence[Capability]) -> Capability:
    """Return the fastest measured setting that answers one request in time; the quickest answer where none does."""
    slo_s = service.slo.latency_s
    in_time = [found for found in capabilities if slo_s is None or _floor_s(service, found) <= slo_s]
    if in_time:
        return _fastest(in_time)
    return min(capabilities, key=lambda found: (_floor_s(service, found), found.case))


def _floor_s(service: Service, capability: Capability) -> float:
    floor = latency_floor_s(service, capability)
    # An unknown latency refuses nothing.
    return 0.0 if floor is None else floor.value


def _fastest(capabilities: Sequence[Capability]) -> Capability:
    # The name breaks ties, so that the order of the rows in a run does not matter.
    return min(capabilities, key=lambda found: (-found.throughput.value, found.case))


def _usable(workload: Service | Job, machine: Machine, *, with_invalid: Collection[str]) -> tuple[list[Capability], str]:
    """Return the usable cases, and why there are none."""
    what = message(
        "{workload}{more} in mode {mode}",
        workload=workload.workload,
        more=f"/{workload.preset}" if workload.preset else "",
        mode=workload.mode,
    )
    fits = [
        found
        for found in machine.capabilities
        if (found.workload, found.mode) == (workload.workload, workload.mode) and workload.preset in (None, found.preset)
    ]
    if not fits:
        return [], message("no finished case of {what}; run one on this machine", what=what)
    codes = sorted({reason for found in fits for reason in found.reasons})
    # Suspect numbers are used and marked; only invalid ones need the user's word.
    usable = [found for found in fits if found.verdict != "invalid" or found.case in with_invalid]
    return usable, message(
        "every case of {what} is invalid ({codes}): measure again, or name the case",
        what=what,
        codes=", ".join(codes) or message("no reason given"),
    )

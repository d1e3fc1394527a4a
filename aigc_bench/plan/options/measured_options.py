"""Make loads and options of measured machines: as many machines like the measured one as the demand requires.

``Examined`` is what any search for options returns: the options, and what never became one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aigc_bench.core.messages import joined, message
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.options.assemble import Procurement, make_option
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Capability, Load, Machine, Placement, Unplanned
from aigc_bench.plan.records.plan import Option, Refusal
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


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Options without a rank, loads that no host can carry, hosts without an option, and how many settings were compared."""

    options: tuple[Option, ...]
    unplanned: tuple[Unplanned, ...] = ()
    refused: tuple[Refusal, ...] = ()
    num_candidates: int = 0


def examine_measured(demand: Demand, *, measured: Sequence[MeasuredMachine], rules: Rules, is_alone: bool) -> Examined:
    """Return the options of measured machines, with loads pooled and on machines of their own.

    If the machines are ``is_alone`` in the plan, one carries the loads that it was measured with, and the others stay unplanned.
    Among other hosts it has to carry all loads to be compared with them, and a machine with an accelerator of the catalogue is
    a host there already, whose predictions the measurements replace.
    """
    # Machines with a known accelerator enter the search as a host, so they would be listed twice.
    hosts = [run for run in measured if is_alone or run.machine.accelerator is None]
    found = [_examine(demand, run, rules=rules, is_alone=is_alone) for run in hosts]
    return Examined(
        options=tuple(option for one in found for option in one.options),
        unplanned=tuple(gap for one in found for gap in one.unplanned),
        refused=tuple(refusal for one in found for refusal in one.refused),
    )


def _examine(demand: Demand, run: MeasuredMachine, *, rules: Rules, is_alone: bool) -> Examined:
    machine = run.machine
    loads, gaps = loads_of(demand, machine=machine, rules=rules, with_invalid=run.with_invalid)
    if gaps and not is_alone:
        return Examined(
            options=(),
            refused=tuple(Refusal(accelerator=machine.name, reason=joined(": ", (one.name, one.reason))) for one in gaps),
        )
    # With a single load both are the same.
    placements: tuple[Placement, ...] = ("pooled", "dedicated") if len(loads) > 1 else ("pooled",)
    procurements = [Procurement(machine=machine, placement=placement) for placement in placements]
    return Examined(options=tuple(make_option(one, loads, demand=demand, rules=rules) for one in procurements), unplanned=gaps)

"""A demand's loads on one kind of machine: the loads with their numbers, and the machine as it draws at that work."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aigc_bench.core.messages import message
from aigc_bench.plan.hardware.hosts import Host
from aigc_bench.plan.hardware.wall_watts import LEAST_AT_WORK, at_the_wall
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Capability, Load, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.fleets import job_load, needed, service_load
from aigc_bench.plan.stats.estimates import bounded, high_end, low_end
from aigc_bench.predict.closed_form.wall_power import psu_efficiency

ROUNDING = 1e-9


def only(demand: Demand, workload: Service | Job) -> Demand:
    """Return the demand with one service or job alone; data sets stay with the first load."""
    workloads: tuple[Service | Job, ...] = (*demand.services, *demand.jobs)
    is_first = workload.name == workloads[0].name
    return demand.model_copy(
        update={
            "services": (workload,) if isinstance(workload, Service) else (),
            "jobs": (workload,) if isinstance(workload, Job) else (),
            # Data sets are stored once, so only one part may count them.
            "datasets": demand.datasets if is_first else (),
            # An index lies in the memory of one part's servers.
            "chains": demand.chains if is_first else (),
        }
    )


def loads_of(demand: Demand, *, capabilities: Sequence[Capability], rules: Rules) -> tuple[Load, ...]:
    """Return the load of every service and job; capabilities are in the demand's order."""
    services = capabilities[: len(demand.services)]
    jobs = capabilities[len(demand.services) :]
    served = [service_load(one, can, growth=demand.growth) for one, can in zip(demand.services, services, strict=True)]
    worked = [job_load(one, can, rules=rules) for one, can in zip(demand.jobs, jobs, strict=True)]
    return (*served, *worked)


def beyond_autoscaling(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> list[str]:
    """Return why services need more replicas at their peak than they may run."""
    found, most = [], {service.name: service.autoscaling.at_most for service in demand.services}
    for load in loads:
        limit = most.get(load.name)
        # Counted as the fleet counts them: whole replicas at the target utilisation, or as many as the queue requires.
        count = math.ceil(needed(load, rules=rules).value / load.machines_per_replica - ROUNDING) if limit is not None else 0
        if limit is not None and count > limit:
            found.append(
                message(
                    "{name}: its peak needs {count} replicas, max_replicas is {limit}; a higher limit would change that",
                    name=load.name, count=count, limit=limit,
                )
            )  # fmt: skip
    return found


def with_capabilities(host: Host, capabilities: Sequence[Capability]) -> Machine:
    """Return the host's machine with its capabilities, its draw at that work, and its peak draw under the power limits."""
    machine, known = host.machine, [one.power_w for one in capabilities if one.power_w is not None]
    changes: dict[str, object] = {"capabilities": tuple(capabilities)}
    if known:
        # The load with the highest draw stands for all loads of the server.
        busiest = max(known, key=lambda power: power.value)
        full = at_the_wall(busiest, host.spec, count=machine.devices_per_server)
        # A prediction must not draw more than the peak that is provisioned.
        changes["full_power_w"] = bounded(full, ceiling=high_end(machine.peak_power_w, message("high end of the peak power")))
        # Idle above full would make utilisation save power.
        changes["idle_power_w"] = bounded(machine.idle_power_w, ceiling=low_end(full, LEAST_AT_WORK))
    # All loads of a server have to keep a limit for its peak to fall.
    cap = max((one.power_cap for one in capabilities), default=1.0)
    if cap < 1 and host.spec.tdp_w:
        # The limit is a share of the board's default limit, so only the boards' part of the peak falls.
        count = machine.devices_per_server
        saved = (1 - cap) * host.spec.tdp_w * count / psu_efficiency(host.spec, devices=count)
        peak = machine.peak_power_w
        lower = {end: max(getattr(peak, end) - saved, 0.0) for end in ("value", "low", "high")}
        words = message("{source}, less {saved:,.0f} W by the power limit", source=peak.source, saved=saved)
        changes["peak_power_w"] = peak.model_copy(update={**lower, "source": words})
    return machine.model_copy(update=changes)

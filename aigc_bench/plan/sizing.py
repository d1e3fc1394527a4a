"""From loads to a number of machines: what every service and job asks, which of them share machines, and how many spares.

    service  peak = requests a second at the peak * items per request
             busy machines = peak / throughput                     mean = peak * duty
    job      busy machines = items / (throughput * window * goodput)
    pool     required = max(sum of services / utilisation, off-peak share * that + sum of jobs)

Services peak by day and jobs run in their window beside the off-peak load, so the two share machines. Whole
numbers of machines are taken from the middle of the intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.availability import spares
from aigc_bench.plan.demand import Demand, Job, Service
from aigc_bench.plan.interval import bounded, ceil, largest, named, over, plus, scaled, times, total
from aigc_bench.plan.records import Capability, Fleet, Load, Machine, Placement, Pool, Rules

DAYS_PER_YEAR = 365.25


def service_load(service: Service, capability: Capability) -> Load:
    """What a service asks of machines with that capability."""
    rate = times(service.arrival.peak_requests_per_s, service.items_per_request, unit=f"{service.item}s/s")
    busy = named(over(rate, capability.throughput, unit="machines"), "peak rate / throughput of one machine")
    duty = service.arrival.duty
    return Load(
        name=service.name,
        case=capability.case,
        item=service.item,
        rate_items_per_s=named(rate, "peak requests/s x items per request"),
        busy_machines=busy,
        mean_machines=times(busy, duty, unit="machines"),
        items_per_year=scaled(times(rate, duty, unit=rate.unit), SECONDS_PER_YEAR, unit=f"{service.item}s/year"),
        latency_s=latency_floor_s(service, capability),
        latency_slo_s=service.slo.latency_s,
    )


def latency_floor_s(service: Service, capability: Capability) -> Estimate | None:
    """Seconds for one request that waits for nobody: its items / items a step makes per batch entry x the step's latency."""
    if capability.step_latency_s is None or not capability.items_per_step:
        return None
    items_per_entry = capability.items_per_step / capability.batch_size
    steps = scaled(service.items_per_request, 1 / items_per_entry, unit="steps")
    return times(bounded(steps, floor=1.0), capability.step_latency_s, unit="s")


def job_load(job: Job, capability: Capability, *, goodput: Estimate) -> Load:
    """What a job asks while its window is open, and in the mean of the year."""
    rate = scaled(job.items, 1 / job.window_s, unit=f"{job.item}s/s")
    useful = times(capability.throughput, goodput, unit=f"{job.item}s/s")
    busy = named(over(rate, useful, unit="machines"), "items / (throughput x window x goodput)")
    share_of_day = job.window_s * job.runs_per_day / (24 * 3600)
    return Load(
        name=job.name,
        case=capability.case,
        item=job.item,
        rate_items_per_s=rate,
        busy_machines=busy,
        mean_machines=scaled(busy, share_of_day),
        items_per_year=scaled(job.items, job.runs_per_day * DAYS_PER_YEAR, unit=f"{job.item}s/year"),
    )


def required_machines(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> Estimate:
    """Machines that a pool of loads needs: the larger of day and night."""
    names = {job.name for job in demand.jobs}
    services, jobs = [load for load in loads if load.name not in names], [load for load in loads if load.name in names]
    served = over(total([load.busy_machines for load in services], unit="machines"), rules.target_utilisation, unit="machines")
    trained = total([load.busy_machines for load in jobs], unit="machines")
    night = plus(times(served, rules.off_peak_share, unit="machines"), trained)
    return named(largest([served, night]), "max(services / utilisation, off-peak share x that + jobs)")


def make_fleet(loads: Sequence[Load], placement: Placement, *, demand: Demand, rules: Rules, machine: Machine) -> Fleet:
    """Pools, the servers that hold them, and spares by k-of-n availability; loads that ask for nothing get no machines.

    ``pooled`` machines carry every load. ``dedicated`` ones carry one load each, in whole machines that may be parts of one server.
    """
    busy = [load for load in loads if load.busy_machines.value > 0]
    groups = [busy] if placement == "pooled" and busy else [[load] for load in busy]
    required = [required_machines(group, demand=demand, rules=rules) for group in groups]
    size = machine.machines_per_server
    counts = [float(ceil(need.value)) for need in required]
    serving = ceil(sum(counts if placement == "dedicated" else [need.value for need in required]) / size.value)
    if placement == "pooled":
        counts = [serving * size.value for _ in groups]
    pools = tuple(
        Pool(
            loads=tuple(load.name for load in group),
            required_machines=need,
            available_machines=scaled(size, count / size.value, unit="machines"),
        )
        for group, need, count in zip(groups, required, counts, strict=True)
    )
    spare = spares(serving, availability=rules.machine_availability.value, target=demand.availability)
    return Fleet(pools=pools, serving=serving, spares=spare)


def mean_utilisation(loads: Sequence[Load], *, num_servers: int, machine: Machine) -> Estimate:
    """Share of the fleet's time that is spent on the loads, at most 1; the spares share the work."""
    busy = total([load.mean_machines for load in loads], unit="machines")
    if num_servers == 0:
        return scaled(busy, 0.0, unit="fraction")
    share = over(busy, scaled(machine.machines_per_server, num_servers), unit="fraction")
    return bounded(share, ceiling=1.0)

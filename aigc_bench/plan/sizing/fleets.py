"""From loads to a number of machines: the load of every service and job, which of them share machines, and the spares.

    service  peak = requests/s at the peak * items per request
             busy machines = peak / throughput                     mean = peak * duty
    job      busy machines = items / (throughput * window * goodput); of training / (1 - lost), see ``checkpoints``
    pool     required = max(sum of services / utilisation, off-peak share * that + sum of jobs)

Services peak by day and jobs run in their window next to the off-peak load, so the two share machines. Whole
numbers of machines are computed from central values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Demand, Growth, Job, Service
from aigc_bench.plan.records.loads import Fleet, Load, Placement, Pool
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.batching import INDEPENDENT
from aigc_bench.plan.sizing.checkpoints import lost_share
from aigc_bench.plan.stats.availability import spares
from aigc_bench.plan.stats.estimates import bounded, ceil, complement, estimate, largest, named, over, plus, scaled, times, total
from aigc_bench.plan.stats.queueing import servers_for_wait

DAYS_PER_YEAR = 365.25
QUIET_HOURS = 8
JOB = "items / (throughput x window x goodput)"
TRAINING = f"{JOB} / (1 - share lost to checkpoints and interruptions)"


def service_load(service: Service, capability: Capability, *, growth: Growth | None = None) -> Load:
    """Return the load of a service on machines with that capability: its peak at the end of the horizon, its mean over it."""
    requests = service.arrival.peak_requests_per_s
    rate = times(requests, service.items_per_request, unit=f"{service.item}s/s")
    last, mean = grown(growth)
    peak = times(rate, last, unit=rate.unit)
    busy = named(over(peak, capability.throughput, unit="machines"), "peak rate / throughput of one machine")
    usual = times(rate, mean, service.arrival.duty, unit=rate.unit)
    return Load(
        name=service.name,
        case=capability.case,
        item=service.item,
        rate_items_per_s=named(peak, "peak requests/s x items per request x growth"),
        busy_machines=busy,
        mean_machines=over(usual, capability.throughput, unit="machines"),
        items_per_year=scaled(usual, SECONDS_PER_YEAR, unit=f"{service.item}s/year"),
        latency_s=capability.service_s or latency_floor_s(service, capability),
        latency_slo_s=service.slo.latency_s,
        machines_per_replica=capability.machines_per_replica,
        machines_for_wait=max(
            capability.machines_at_least, machines_for_wait(service, capability, peak_per_s=requests.value * last.value)
        ),
    )


def grown(growth: Growth | None) -> tuple[Estimate, Estimate]:
    """Return the growth factors of today's rate: at the end of the horizon, and in the mean over it, (f - 1) / ln f."""
    if growth is None:
        one = estimate(1.0, unit="ratio", basis="assumed", source="no growth is stated")
        return one, one
    ends = {end: (1 + getattr(growth.per_year, end)) ** growth.horizon_years for end in ("value", "low", "high")}
    means = {end: (factor - 1) / math.log(factor) if factor > 1 else 1.0 for end, factor in ends.items()}
    basis = growth.per_year.basis
    last = Estimate(**ends, unit="ratio", basis=basis, source="(1 + growth) ^ years of the horizon")
    return last, Estimate(**means, unit="ratio", basis=basis, source="mean growth over the horizon: (f - 1) / ln f")


def machines_for_wait(service: Service, capability: Capability, *, peak_per_s: float) -> int:
    """Return the machines whose queue lets the SLO's share of requests start in time, by M/G/c (Allen-Cunneen).

    0 without a bound on waiting. A replica serves ``slots`` requests in parallel. The allowed wait is the SLO less the time of one
    request without queueing. Where that time alone is too long no number of machines helps; the caller refuses it.
    """
    allowed = allowed_wait_s(service, capability)
    if capability.slots is None or capability.service_s is None or allowed is None or allowed <= 0 or peak_per_s <= 0:
        return 0
    variation = max(1e-9, (service.arrival.cv2 + service.work_cv2) / 2)
    slots = servers_for_wait(
        peak_per_s, service_s=capability.service_s.value, wait_s=allowed / variation, quantile=service.slo.percentile
    )
    return math.ceil(slots / capability.slots) * capability.machines_per_replica


def allowed_wait_s(service: Service, capability: Capability) -> float | None:
    """Return the seconds that a request may queue: the smaller slack of TTFT and latency; ``None`` without either bound."""
    pairs = ((service.slo.ttft_s, capability.ttft_s), (service.slo.latency_s, capability.service_s))
    left = [limit - found.value for limit, found in pairs if limit is not None and found is not None]
    return min(left, default=None)


def latency_floor_s(service: Service, capability: Capability) -> Estimate | None:
    """Return the seconds of one request without queueing: its items / items of one request per step x the step's latency."""
    if capability.step_latency_s is None or not capability.items_per_step:
        return None
    steps = scaled(service.items_per_request, 1 / items_at_once(capability), unit="steps")
    return times(bounded(steps, floor=1.0), capability.step_latency_s, unit="s")


def items_at_once(capability: Capability) -> float:
    """Return the items of one request per step: side by side those of a whole batch, in sequence those of one entry."""
    made = capability.items_per_step or 0.0
    return made if capability.item in INDEPENDENT else made / capability.batch_size


def job_load(job: Job, capability: Capability, *, rules: Rules) -> Load:
    """Return the load of a job while its window is open, and in the mean of the year."""
    rate = scaled(job.items, 1 / job.window_s, unit=f"{job.item}s/s")
    useful = times(capability.throughput, rules.job_goodput, unit=f"{job.item}s/s")
    busy = named(over(rate, useful, unit="machines"), JOB)
    lost = lost_share(job, busy, at_least=capability.machines_per_replica, rules=rules)
    if lost is not None:
        busy = named(over(busy, complement(lost), unit="machines"), TRAINING)
    share_of_day = min(1.0, job.window_s * job.runs_per_day / (24 * 3600))
    return Load(
        name=job.name,
        case=capability.case,
        item=job.item,
        rate_items_per_s=rate,
        busy_machines=busy,
        mean_machines=scaled(busy, share_of_day),
        items_per_year=scaled(job.items, job.runs_per_day * DAYS_PER_YEAR, unit=f"{job.item}s/year"),
        lost_share=lost,
        machines_per_replica=capability.machines_per_replica,
    )


def needed(load: Load, *, rules: Rules) -> Estimate:
    """Return the machines of a service by day: its busy ones over the target utilisation, at least those that its queue needs."""
    busy = over(load.busy_machines, rules.target_utilisation, unit="machines")
    return bounded(busy, floor=float(load.machines_for_wait))


def required_machines(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> Estimate:
    """Return the machines that a pool of loads needs: the larger of day and night."""
    services, jobs = _by_kind(loads, demand=demand)
    served = total([needed(load, rules=rules) for load in services], unit="machines")
    trained = total([load.busy_machines for load in jobs], unit="machines")
    night = plus(times(served, off_peak_share(demand, rules=rules), unit="machines"), trained)
    return named(largest([served, night]), "max(services / utilisation, off-peak share x that + jobs)")


def off_peak_share(demand: Demand, *, rules: Rules) -> Estimate:
    """Return the service load while jobs run, over the peak: the mean of the quietest eight hours where the profile is known."""
    known = [service for service in demand.services if service.arrival.hourly]
    if not known or len(known) < len(demand.services):
        return rules.off_peak_share
    shares = [sum(sorted(service.arrival.hourly or ())[:QUIET_HOURS]) / QUIET_HOURS for service in known]
    return estimate(max(shares), unit="fraction", basis="assumed", source="mean of the quietest eight hours of the demand's day")


def _by_kind(loads: Sequence[Load], *, demand: Demand) -> tuple[list[Load], list[Load]]:
    """Return services and jobs separately."""
    names = {job.name for job in demand.jobs}
    return [load for load in loads if load.name not in names], [load for load in loads if load.name in names]


def make_fleet(
    loads: Sequence[Load], placement: Placement, *, demand: Demand, rules: Rules, machine: Machine, margin: int = 0
) -> Fleet:
    """Return pools, the servers that hold them, and spares by k-of-n availability; empty loads get no machines.

    ``margin`` is the number of servers added to those for central values.

    ``pooled`` machines carry every load. ``dedicated`` ones carry one load each, in whole replicas that may be parts of one
    server; ``shared`` ones, too, but jobs use the capacity that services leave by night.
    """
    busy = [load for load in loads if load.busy_machines.value > 0]
    groups = [[load] for load in busy] if placement == "dedicated" else [busy] if busy else []
    wanted = [required_machines(group, demand=demand, rules=rules) for group in groups]
    size = machine.machines_per_server
    if placement == "pooled":
        serving = ceil(sum(need.value for need in wanted) / size.value) + margin
        counts = [serving * size.value for _ in groups]
    else:
        counts = [float(whole_replicas(group, demand=demand, rules=rules)) for group in groups]
        serving = ceil(sum(counts) / size.value) + margin
    if placement == "shared":
        counts = [serving * size.value for _ in groups]
    pools = tuple(
        Pool(
            loads=tuple(load.name for load in group),
            required_machines=need,
            available_machines=scaled(size, count / size.value, unit="machines"),
        )
        for group, need, count in zip(groups, wanted, counts, strict=True)
    )
    spare = spares(serving, availability=rules.machine_availability.value, target=demand.availability)
    return Fleet(pools=pools, serving=serving, spares=spare, margin=margin)


def whole_replicas(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> int:
    """Return machines of whole replicas: every service by day; by night their rest and every job in turn."""
    services, jobs = _by_kind(loads, demand=demand)
    quiet = off_peak_share(demand, rules=rules).value
    by_day = [_in_replicas(needed(load, rules=rules).value, load) for load in services]
    by_night = [_in_replicas(quiet * needed(load, rules=rules).value, load) for load in services]
    largest_job = max((load.machines_per_replica for load in jobs), default=0)
    trained = max(largest_job, ceil(sum(load.busy_machines.value for load in jobs)))
    return max(sum(by_day), sum(by_night) + trained)


def _in_replicas(machines: float, load: Load) -> int:
    """Return at least one replica of a load that is not empty."""
    return max(1, ceil(machines / load.machines_per_replica)) * load.machines_per_replica


def mean_utilisation(loads: Sequence[Load], *, num_servers: float, machine: Machine) -> Estimate:
    """Return the busy share of the fleet's time, at most 1; the spares share the work."""
    busy = total([load.mean_machines for load in loads], unit="machines")
    if num_servers == 0:
        return scaled(busy, 0.0, unit="fraction")
    share = over(busy, scaled(machine.machines_per_server, num_servers), unit="fraction")
    return bounded(share, ceiling=1.0)

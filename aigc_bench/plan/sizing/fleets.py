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

from aigc_bench.core.derivation import Derivation, Places, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Demand, Growth, Job, Service
from aigc_bench.plan.records.machine import Capability, Fleet, Load, Machine, Placement, Pool
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.batching import INDEPENDENT
from aigc_bench.plan.sizing.checkpoints import lost_share
from aigc_bench.plan.stats.estimates import (
    bounded,
    ceil,
    complement,
    counted,
    estimate,
    explained,
    known_as,
    largest,
    named,
    over,
    plus,
    scaled,
    stated,
    times,
    total,
)
from aigc_bench.plan.stats.queueing import servers_for_wait, spares

DAYS_PER_YEAR = 365.25
LAST, MEAN = message("growth at the end of the horizon"), message("mean growth over the horizon")
# As long as the night of the built-in demand (``default_demand.NIGHT_S``).
QUIET_HOURS = 8
BUSY, BUSY_WORDS = message("peak rate / throughput of one machine"), message("peak rate / throughput per machine")
USUAL = message("peak requests/s x items per request x duty x mean growth")
REQUIRED = message("max(sum of services / utilisation, off-peak share x that + sum of jobs)")
JOB = "items / (throughput x window x goodput)"
TRAINING = message("{job} / (1 - share lost to checkpoints and interruptions)", job=JOB)
QUEUE = message(
    "the fewest machines whose queue starts the required share of requests in time (M/G/c, Allen-Cunneen, or simulated)"
)
SPARES = message("the fewest servers beyond those in service that keep the required availability (k of n, binomial)")
MARGIN = message("the fewest additional servers that meet SLOs and deadlines in the required share of the Monte Carlo scenarios")
REPLICAS = message("max(whole replicas by day, whole replicas by night + jobs), of every load")
FLOOR = message("items per request / items per step x time per step, without queueing")


def service_load(service: Service, capability: Capability, *, growth: Growth | None = None) -> Load:
    """Return the load of a service on machines with that capability: its peak at the end of the horizon, its mean over it."""
    requests = service.arrival.peak_requests_per_s
    rate = times(requests, service.items_per_request, unit=f"{service.item}s/s")
    last, mean = grown(growth)
    # Machines are bought for the peak at the end of the horizon, energy and unit costs follow the mean over it.
    peak = times(rate, last, unit=rate.unit)
    busy = named(over(peak, capability.throughput, unit="machines"), BUSY, formula=BUSY_WORDS)
    usual = times(rate, mean, service.arrival.duty, unit=rate.unit)
    queue = _queue(service, capability, last)
    return Load(
        name=service.name,
        case=capability.case,
        item=service.item,
        rate_items_per_s=named(peak, message("peak requests/s x items per request x growth")),
        busy_machines=busy,
        mean_machines=explained(over(usual, capability.throughput, unit="machines"), message("{usual} / throughput", usual=USUAL)),
        items_per_year=explained(
            scaled(usual, SECONDS_PER_YEAR, unit=f"{service.item}s/year"), message("{usual} x seconds per year", usual=USUAL)
        ),
        # A prediction has the time of a request; of a measured case it follows from the step.
        latency_s=capability.service_s or latency_floor_s(service, capability),
        latency_slo_s=service.slo.latency_s,
        machines_per_replica=capability.machines_per_replica,
        machines_for_wait=int(queue.value),
        derived={**_counts(service.name, capability), "machines_for_wait": queue},
    )


def _queue(service: Service, capability: Capability, growth: Estimate) -> Estimate:
    """Return the machines that the queue of a service requires, at least those that a simulation required."""

    # One replica is there at any rate; more of them where the demand keeps them running.
    kept = service.autoscaling.at_least
    stated = kept * capability.machines_per_replica if kept > 1 else 0

    def fewest(peak_per_s: float, grown_by: float, *_: float) -> float:
        """Return the machines at a peak rate."""
        found = machines_for_wait(service, capability, peak_per_s=peak_per_s * grown_by)
        # The formula misses what a simulation has seen, so the larger of both counts.
        return float(max(capability.machines_at_least, found, stated))

    rate, times_s = service.arrival.peak_requests_per_s, (capability.service_s, capability.ttft_s)
    inputs = (rate, growth, *(one for one in times_s if one is not None))
    key, title = (
        f".loads.{service.name}.machines_for_wait",
        message("machines that the queue of {name} requires", name=service.name),
    )
    return counted(fewest(rate.value, growth.value), "machines", QUEUE, inputs=inputs, compute=fewest, key=key, title=title)


def _counts(name: str, capability: Capability) -> dict[str, Estimate]:
    """Return the plain numbers of a capability that the plan multiplies by, under the keys of their load."""
    found = {
        "machines_per_replica": _replica_size(
            name, capability.machines_per_replica, message("parallelism of {case}", case=capability.case)
        )
    }
    number = num_params(name, capability)
    if number is not None:
        found["num_params"] = number
    return found


def num_params(name: str, capability: Capability) -> Estimate | None:
    """Return the parameters of a load's network under the load's key; ``None`` where they were not counted."""
    if not capability.num_params:
        return None
    key, source = f".loads.{name}.num_params", message("counted on the network of {case}", case=capability.case)
    title = message("parameters of {name}", name=name)
    return counted(capability.num_params, "parameters", source, key=key, title=title)


def _replica_size(name: str, size: int, source: str) -> Estimate:
    key = f".loads.{name}.machines_per_replica"
    return counted(size, "machines/replica", source, key=key, title=message("machines per replica, {name}", name=name))


def grown(growth: Growth | None) -> tuple[Estimate, Estimate]:
    """Return the growth factors of today's rate: at the end of the horizon, and in the mean over it, (f - 1) / ln f."""
    if growth is None:
        one = estimate(1.0, unit="ratio", basis="assumed", source=message("no growth is stated"))
        return known_as(one, "growth.last", LAST), known_as(one, "growth.mean", MEAN)
    # Growth compounds: g per year over n years is (1 + g)^n.
    ends = {end: (1 + getattr(growth.per_year, end)) ** growth.horizon_years for end in ("value", "low", "high")}
    # Mean of f^(t / T) over t from 0 to T; its limit without growth is 1.
    means = {end: (factor - 1) / math.log(factor) if factor > 1 else 1.0 for end, factor in ends.items()}
    basis = growth.per_year.basis
    last = Estimate(**ends, unit="ratio", basis=basis, source=message("(1 + growth) ^ years of the horizon"))
    mean = Estimate(**means, unit="ratio", basis=basis, source=message("mean growth over the horizon: (f - 1) / ln f"))
    years = stated(growth.horizon_years, "demand.growth.horizon_years", unit="years")
    record(last, Derivation("(1 + {0}) ** {1}", (growth.per_year, years), last.source, None, "growth.last", LAST))
    words = "({0} - 1) / ln({0})" if last.value > 1 else "1"
    return last, record(mean, Derivation(words, (last,), mean.source, None, "growth.mean", MEAN))


def grown_at_end(growth: Growth | None) -> float:
    """Return the growth factor at the end of the horizon as a plain number, as ``grown`` has it; 1 where none is stated."""
    return 1.0 if growth is None else float((1 + growth.per_year.value) ** growth.horizon_years)


def machines_for_wait(service: Service, capability: Capability, *, peak_per_s: float) -> int:
    """Return the machines whose queue lets the SLO's share of requests start in time, by M/G/c (Allen-Cunneen).

    0 without a bound on waiting. A replica serves ``slots`` requests in parallel. The allowed wait is the SLO less the time of one
    request without queueing. Where that time alone is too long no number of machines helps; the caller refuses it.
    """
    allowed = allowed_wait_s(service, capability)
    if capability.slots is None or capability.service_s is None or allowed is None or allowed <= 0 or peak_per_s <= 0:
        return 0
    # Regular arrivals of equal work make it 0, and a wait is divided by it below.
    variation = max(1e-9, (service.arrival.cv2 + service.work_cv2) / 2)
    # Waits of M/G/c are those of M/M/c times the variation, so the allowed wait is divided by it.
    slots = servers_for_wait(
        peak_per_s, service_s=capability.service_s.value, wait_s=allowed / variation, quantile=service.slo.percentile
    )
    # Each slot of a replica is a server of the queue.
    return math.ceil(slots / capability.slots) * capability.machines_per_replica


def allowed_wait_s(service: Service, capability: Capability) -> float | None:
    """Return the seconds that a request may queue: the smaller slack of TTFT and latency; ``None`` without either bound."""
    pairs = ((service.slo.ttft_s, capability.ttft_s), (service.slo.latency_s, capability.service_s))
    # TPOT is missing here: it bounds the speed of a step, not the wait.
    left = [limit - found.value for limit, found in pairs if limit is not None and found is not None]
    return min(left, default=None)


def latency_floor_s(service: Service, capability: Capability) -> Estimate | None:
    """Return the seconds of one request without queueing: its items / items of one request per step x the step's latency."""
    # A predicted capability has the time of a request instead of a step's latency.
    if capability.step_latency_s is None or not capability.items_per_step:
        return None
    each = items_at_once(capability)
    steps = scaled(service.items_per_request, 1 / each, unit="steps")
    key, title = f".loads.{service.name}.items_per_step", message("items per step of one request, {name}", name=service.name)
    made = counted(each, "items/step", message("counted in {case}", case=capability.case), key=key, title=title)
    inputs = (service.items_per_request, made, capability.step_latency_s)
    latency = times(bounded(steps, floor=1.0), capability.step_latency_s, unit="s")
    return record(latency, Derivation("max(1, {0} / {1}) * {2}", inputs, FLOOR))


def items_at_once(capability: Capability) -> float:
    """Return the items of one request per step: side by side those of a whole batch, in sequence those of one entry."""
    made = capability.items_per_step or 0.0
    return made if capability.item in INDEPENDENT else made / capability.batch_size


def job_load(job: Job, capability: Capability, *, rules: Rules) -> Load:
    """Return the load of a job while its window is open, and in the mean of the year."""
    window = stated(job.window_s, f"demand.jobs.{job.name}.window_s", unit="s")
    runs = stated(job.runs_per_day, f"demand.jobs.{job.name}.runs_per_day", unit="run/day")
    rate = record(scaled(job.items, 1 / job.window_s, unit=f"{job.item}s/s"), Derivation("{0} / {1}", (job.items, window)))
    useful = times(capability.throughput, rules.job_goodput, unit=f"{job.item}s/s")
    busy = named(over(rate, useful, unit="machines"), JOB)
    lost = lost_share(job, busy, at_least=capability.machines_per_replica, rules=rules)
    if lost is not None:
        busy = named(over(busy, complement(lost), unit="machines"), TRAINING)
    # Several runs a day may overlap; the machines are busy all day then.
    share_of_day = min(1.0, job.window_s * job.runs_per_day / (24 * 3600))
    return Load(
        name=job.name,
        case=capability.case,
        item=job.item,
        rate_items_per_s=rate,
        busy_machines=busy,
        mean_machines=record(scaled(busy, share_of_day), Derivation("{0} * min(1, {1} * {2} / 86400)", (busy, window, runs))),
        items_per_year=record(
            scaled(job.items, job.runs_per_day * DAYS_PER_YEAR, unit=f"{job.item}s/year"),
            Derivation(f"{{0}} * {{1}} * {DAYS_PER_YEAR}", (job.items, runs)),
        ),
        lost_share=lost,
        machines_per_replica=capability.machines_per_replica,
        derived=_counts(job.name, capability),
    )


def needed(load: Load, *, rules: Rules) -> Estimate:
    """Return the machines of a service by day: its busy ones over the target utilisation, at least those that its queue needs."""
    busy = over(load.busy_machines, rules.target_utilisation, unit="machines")
    fewest = load.derived.get("machines_for_wait", float(load.machines_for_wait)) if load.machines_for_wait else 0.0
    key, title = f".loads.{load.name}.machines_needed", message("machines that {name} requires at its peak", name=load.name)
    return known_as(bounded(busy, floor=fewest), key, title)


def required_machines(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> Estimate:
    """Return the machines that a pool of loads needs: the larger of day and night."""
    services, jobs = _by_kind(loads, demand=demand)
    served = total([needed(load, rules=rules) for load in services], unit="machines")
    trained = total([load.busy_machines for load in jobs], unit="machines")
    night = plus(times(served, off_peak_share(demand, rules=rules), unit="machines"), trained)
    return named(largest([served, night]), message("max(services / utilisation, off-peak share x that + jobs)"), formula=REQUIRED)


def off_peak_share(demand: Demand, *, rules: Rules) -> Estimate:
    """Return the service load while jobs run, over the peak: the mean of the quietest eight hours where the profile is known."""
    # One unknown profile may peak at night, so the assumed share holds for all.
    known = [service for service in demand.services if service.arrival.hourly]
    if not known or len(known) < len(demand.services):
        return rules.off_peak_share
    # The quietest hours need not be adjacent, a simplification.
    shares = [sum(sorted(service.arrival.hourly or ())[:QUIET_HOURS]) / QUIET_HOURS for service in known]
    words = message("mean of the quietest eight hours of the demand's day")
    # One share for all services: that of the least quiet one.
    found = estimate(max(shares), unit="fraction", basis="assumed", source=words)
    return record(found, Derivation(None, key="demand.off_peak_share"))


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
    # A load without work would otherwise get a replica of its own.
    busy = [load for load in loads if load.busy_machines.value > 0]
    groups = [[load] for load in busy] if placement == "dedicated" else [busy] if busy else []
    wanted = [required_machines(group, demand=demand, rules=rules) for group in groups]
    size, more = machine.machines_per_server, _margin(margin, demand)
    of = Places()
    if placement == "pooled":
        # Pooled loads share machines, so fractions are added before rounding up.
        serving = ceil(sum(need.value for need in wanted) / size.value) + margin
        whole, formula = of.plus(wanted), message("required machines")
    else:
        replicas = [whole_replicas(group, demand=demand, rules=rules) for group in groups]
        serving = ceil(sum(one.value for one in replicas) / size.value) + margin
        whole, formula = of.plus(replicas), REPLICAS
    in_service = counted(
        serving,
        "servers",
        message("{formula} / machines per server, rounded up, + safety margin", formula=formula),
        arithmetic=f"ceil({whole} / {of(size)}) + {of(more)}",
        inputs=of.inputs,
        key=".num_serving",
        title=message("servers in service"),
    )
    pools = tuple(
        Pool(
            loads=tuple(load.name for load in group),
            required_machines=need,
            available_machines=_in_replicas_of(size, replicas[place]) if placement == "dedicated" else _of_all(size, in_service),
        )
        for place, (group, need) in enumerate(zip(groups, wanted, strict=True))
    )
    # The margin is in service, so spares are found for it as well.
    counts = _with_spares(in_service, demand=demand, rules=rules)
    spare = int(counts["num_spares"].value)
    return Fleet(pools=pools, serving=serving, spares=spare, margin=margin, derived={"num_margin": more, **counts})


def _margin(number: int, demand: Demand) -> Estimate:
    confidence = stated(demand.constraints.confidence, "demand.constraints.confidence", unit="fraction")
    return counted(number, "servers", MARGIN, inputs=(confidence,), key=".num_margin", title=message("safety margin in servers"))


def _of_all(size: Estimate, serving: Estimate) -> Estimate:
    """Return the machines of all servers in service, with the interval of the machines in one."""
    found = scaled(size, serving.value * size.value / size.value, unit="machines")
    return record(found, Derivation("{0} * {1}", (serving, size), message("servers in service x machines per server")))


def _in_replicas_of(size: Estimate, replicas: Estimate) -> Estimate:
    """Return the machines of whole replicas, with the interval of the machines in a server."""
    return record(scaled(size, replicas.value / size.value, unit="machines"), Derivation("{0}", (replicas,), REPLICAS))


def _with_spares(serving: Estimate, *, demand: Demand, rules: Rules) -> dict[str, Estimate]:
    """Return the servers in service, the spares that keep them available, and all servers."""

    def fewest(count: float, availability: float, target: float) -> float:
        """Return the spares of a number of servers."""
        return float(spares(round(count), availability=availability, target=target))

    target = stated(demand.availability, "demand.availability", unit="fraction")
    # Availability is taken per server: what fails is a host, with all its accelerators.
    inputs = (serving, rules.machine_availability, target)
    number = fewest(serving.value, rules.machine_availability.value, demand.availability)
    spare = counted(number, "servers", SPARES, inputs=inputs, compute=fewest, key=".num_spares", title=message("spare servers"))
    words = message("servers in service + spare servers")
    every = serving.value + spare.value
    servers = counted(every, "servers", words, arithmetic="{0} + {1}", inputs=(serving, spare), key=".num_servers", title="servers")
    return {"num_serving": serving, "num_spares": spare, "num_servers": servers}


def whole_replicas(loads: Sequence[Load], *, demand: Demand, rules: Rules) -> Estimate:
    """Return machines of whole replicas: every service by day; by night their rest and every job in turn."""
    services, jobs = _by_kind(loads, demand=demand)
    quiet = off_peak_share(demand, rules=rules)
    needs = [needed(load, rules=rules) for load in services]
    by_day = [_in_replicas(need.value, load) for need, load in zip(needs, services, strict=True)]
    by_night = [_in_replicas(quiet.value * need.value, load) for need, load in zip(needs, services, strict=True)]
    # Jobs run one after the other, so the largest replica has to fit, not the sum of them.
    largest_job = max((load.machines_per_replica for load in jobs), default=0)
    # Machine-windows add up: the jobs of a night share the window in turn.
    trained = max(largest_job, ceil(sum(load.busy_machines.value for load in jobs)))
    of = Places()
    day, night = [], []
    for need, load in zip(needs, services, strict=True):
        size = of(_size_of(load))
        day.append(f"max(1, ceil({of(need)} / {size})) * {size}")
        night.append(f"max(1, ceil({of(quiet)} * {of(need)} / {size})) * {size}")
    sizes = [of(_size_of(load)) for load in jobs]
    worked = f"max({', '.join([*sizes, f'ceil({of.plus(load.busy_machines for load in jobs)})'])})" if jobs else "0"
    words = f"max({' + '.join(day) or '0'}, {' + '.join([*night, worked])})"
    return counted(max(sum(by_day), sum(by_night) + trained), "machines", REPLICAS, arithmetic=words, inputs=of.inputs)


def _size_of(load: Load) -> Estimate:
    """Return the machines of one replica of a load."""
    return load.derived.get("machines_per_replica") or _replica_size(load.name, load.machines_per_replica, load.case)


def _in_replicas(machines: float, load: Load) -> int:
    """Return at least one replica of a load that is not empty."""
    # A model that is not loaded answers nothing, so a service keeps at least one replica.
    return max(1, ceil(machines / load.machines_per_replica)) * load.machines_per_replica


def mean_utilisation(loads: Sequence[Load], *, num_servers: float | Estimate, machine: Machine) -> Estimate:
    """Return the busy share of the fleet's time, at most 1; the spares share the work."""
    busy = total([load.mean_machines for load in loads], unit="machines")
    # No servers do no work: there is nothing to divide by.
    if (num_servers.value if isinstance(num_servers, Estimate) else num_servers) == 0:
        return scaled(busy, 0.0, unit="fraction")
    share = over(busy, scaled(machine.machines_per_server, num_servers), unit="fraction")
    return bounded(share, ceiling=1.0)

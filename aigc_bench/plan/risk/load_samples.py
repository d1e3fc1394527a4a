"""Compute the machines that each load needs in every scenario, queues included.

Waiting in many queues simultaneously, with any number of servers, also fractional::

    C(c, a)   1 / (rho + g x (Phi(x) / phi(x) + 2 / (3 sqrt(c))))
    rho = a / c,   g = (1 - rho) sqrt(c),   x^2 / 2 = c (rho - 1 - ln rho)

Phi and phi are the normal distribution and its density. From half load on the formula lies within 3.5 % of Erlang's C, for a single
server too; below that somewhat above it. Source: Janssen, van Leeuwaarden, Zwart, Gaussian expansions and bounds for the Poisson
distribution applied to the Erlang B formula, Advances in Applied Probability 40 (2008).

Machines by day, machine-windows by night, the mean over the year::

    service by day   whole replicas that answer the SLO's share in time at the peak at the end of the horizon
    job by night     items / (throughput x window x goodput x (1 - lost)), over the machines of whole replicas: share of its window
    mean             items/s in the mean / throughput

Where a simulation required more machines than the formula (``Capability.machines_at_least``), every scenario requires more by the
same factor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aigc_bench.core.messages import message
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.demand.arrival_rates import with_mean
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.records.machine import Capability, Load, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.scenarios import DemandSamples, Flags, LoadSamples, Middle, ScenarioContext, capability_of
from aigc_bench.plan.risk.service_rate import (
    ServiceRate,
    demand_samples,
    growth_after,
    items_per_year,
    service_rate_of,
    speed_of,
)
from aigc_bench.plan.sizing.checkpoints import lost_shares, stall_of
from aigc_bench.plan.sizing.fleets import DAYS_PER_YEAR
from aigc_bench.plan.stats.distributions import Array

# exp() overflows a double from 709.8 on.
MAX_LOG = 700.0
TIGHT = 1e-9
MOST_REPLICAS = 2.0**24
"""A scenario that would need more replicas than this counts as one that no number serves."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue in every scenario: requests/s, seconds each, requests that a replica holds, and the longest allowed wait.

    ``wait_s`` is the slack of the SLO over the variation of arrivals and work; ``None`` where nothing bounds a wait.
    """

    rate_per_s: Array
    service_s: Array
    slots: Array
    wait_s: Array | None
    late_share: float


def erlang_c(servers: Array, offered: Array) -> Array:
    """Return the probability in [0, 1] that an arrival waits, of shape (scenarios,); 1 where the load reaches the servers.

    ``servers`` may be fractions, ``offered`` is the load in erlangs: requests/s x seconds of one. Source: Janssen et al. 2008.
    """
    from scipy.special import ndtr

    # rho; its logarithm needs it above 0.
    share = np.clip(offered / servers, 1e-12, 1.0)
    # x^2 / 2 of the formula; rounding can make it slightly negative near rho = 1.
    exponent = np.minimum(servers * np.maximum(share - 1 - np.log(share), 0.0), MAX_LOG)
    # Phi(x) / phi(x), with phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
    ratio = np.sqrt(2 * np.pi) * np.exp(exponent) * ndtr(np.sqrt(2 * exponent))
    root = np.sqrt(servers)
    return np.asarray(np.minimum(1.0, 1 / (share + (1 - share) * root * (ratio + 2 / (3 * root)))))


def keeps(queue: Queue, replicas: Array) -> Flags:
    """Return where ``replicas`` answer in time: stable, and at most ``late_share`` of requests wait longer than allowed."""
    servers = replicas * queue.slots
    offered = queue.rate_per_s * queue.service_s
    is_stable = offered < servers
    if queue.wait_s is None:
        return np.asarray(is_stable)
    # Exponent of the waiting time's tail: spare capacity x allowed wait.
    drain = np.clip((servers - offered) / queue.service_s * queue.wait_s, 0.0, MAX_LOG)
    late = erlang_c(servers, offered) * np.exp(-drain)
    return np.asarray(is_stable & (queue.wait_s >= 0) & (late <= queue.late_share))


def replicas_needed(queue: Queue) -> Array:
    """Return the fewest whole replicas that keep each queue's SLO, of shape (scenarios,); infinite where no number does."""
    offered = queue.rate_per_s * queue.service_s
    # One more than the load fills: with as many the queue grows without end.
    low = np.maximum(1.0, np.floor(offered / queue.slots * (1 + TIGHT)) + 1)
    possible = np.isfinite(low) & (low < MOST_REPLICAS)
    if queue.wait_s is not None:
        possible &= queue.wait_s >= 0
    found = np.where(possible, low, np.inf)
    # Only scenarios that are still open are computed again; in most the first count is enough.
    open_ = np.flatnonzero(possible)
    open_ = open_[~keeps(_some(queue, open_), low[open_])]
    if open_.size:
        found[open_] = _searched(_some(queue, open_), low[open_])
    return found


def _searched(queue: Queue, low: Array) -> Array:
    """Search by doubling the distance from a count that is too low, then by bisection."""
    step = np.ones_like(low)
    # 2^60 exceeds MOST_REPLICAS by far, so the loop ends by its break.
    for _ in range(60):
        short = ~keeps(queue, low + step) & (low + step < MOST_REPLICAS)
        if not short.any():
            break
        low, step = np.where(short, low + step, low), np.where(short, 2 * step, step)
    high = low + step
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = keeps(queue, middle)
        low, high = np.where(enough, low, np.maximum(low, middle)), np.where(enough, np.minimum(high, middle), high)
    return np.where(high >= MOST_REPLICAS, np.inf, high)


def _some(queue: Queue, rows: npt.NDArray[np.int64]) -> Queue:
    return Queue(
        rate_per_s=queue.rate_per_s[rows],
        service_s=queue.service_s[rows],
        slots=queue.slots[rows],
        wait_s=None if queue.wait_s is None else queue.wait_s[rows],
        late_share=queue.late_share,
    )


NO_NEED = 1e-12


def load_samples(option: Option, context: ScenarioContext) -> tuple[LoadSamples, ...]:
    """Return the loads of an option without parts; each is computed once for all procurements of its accelerator."""
    return tuple(_load(load, capability, machine, context) for load, capability, machine in _running(option))


def at_year(option: Option, context: ScenarioContext, years: float) -> tuple[LoadSamples, ...]:
    """Return the loads with the machines that services need by day at the peak after some years."""
    found = []
    for load, capability, machine in _running(option):
        service, one = context.service(load.name), _load(load, capability, machine, context)
        if service is not None:
            one = replace(one, by_day=machines_by_day(service, load, capability, machine, context, years=years))
        found.append(one)
    return tuple(found)


def _running(option: Option) -> Iterator[tuple[Load, Capability, Machine]]:
    for load in option.loads:
        capability = capability_of(option, load)
        if capability is not None and option.machine is not None and load.rate_items_per_s.value > 0:
            yield load, capability, option.machine


def _load(load: Load, capability: Capability, machine: Machine, context: ScenarioContext) -> LoadSamples:
    # Owned, colocated and rented options of one accelerator have the same loads.
    key = (load.name, load.case, machine.accelerator or machine.name, capability.machines_at_least)
    if key not in context.known:
        service, job = context.service(load.name), context.job(load.name)
        if service is not None:
            context.known[key] = _service(service, load, capability, machine, context)
        else:
            assert job is not None, "a load is a service or a job of its demand"
            context.known[key] = _job(job, load, capability, machine, context)
    return context.known[key]


def _service(service: Service, load: Load, capability: Capability, machine: Machine, context: ScenarioContext) -> LoadSamples:
    samples, service_rate = _samples_and_rate(service, load, capability, machine, context)
    items = items_per_year(service, context)
    at_peak = samples.requests_per_s * growth_after(context, None) * samples.answer * service.items_per_request.value
    return LoadSamples(
        name=load.name,
        is_service=True,
        machines_per_replica=load.machines_per_replica,
        by_day=machines_by_day(service, load, capability, machine, context),
        busy=at_peak / service_rate.items_per_s,
        mean_machines=items / SECONDS_PER_YEAR / service_rate.items_per_s,
        items_per_year=items,
        usual_by_day=float(machines_by_day(service, load, capability, machine, replace(context, scenarios=Middle()))[0]),
        day=_day(service, samples),
    )


def _day(service: Service, samples: DemandSamples) -> Array:
    """Return the day of a service, of shape (24, scenarios): where its hours are not known it follows the duty."""
    day, duty = np.array(service.arrival.day), service.arrival.duty
    if service.arrival.hourly is not None or duty.low == duty.high or duty.value <= 0:
        return day[:, None]
    return with_mean(day, np.minimum(1.0, day.mean() * samples.duty / duty.value))


def _samples_and_rate(
    service: Service, load: Load, capability: Capability, machine: Machine, context: ScenarioContext
) -> tuple[DemandSamples, ServiceRate]:
    scenarios = context.scenarios
    samples = demand_samples(service, scenarios)
    alone = load.latency_s.value if load.latency_s else None
    return samples, service_rate_of(
        service, capability, machine=machine, samples=samples, scenarios=scenarios, rules=context.rules, alone_s=alone
    )


def machines_by_day(
    service: Service, load: Load, capability: Capability, machine: Machine, context: ScenarioContext, *, years: float | None = None
) -> Array:
    """Return the machines of whole replicas that keep the SLO at the peak after ``years``, by default at the end of the horizon."""
    found = _replicas(service, load, capability, machine, context, years=years)
    if capability.machines_at_least > 0:
        by_formula = float(_replicas(service, load, capability, machine, replace(context, scenarios=Middle()), years=None)[0])
        simulated = capability.machines_at_least / load.machines_per_replica
        # The simulation ran at central values; its excess over the formula there is carried to every scenario.
        found = np.ceil(found * max(1.0, simulated / by_formula) - 1e-9)
    return np.asarray(found * load.machines_per_replica)


def _replicas(
    service: Service, load: Load, capability: Capability, machine: Machine, context: ScenarioContext, *, years: float | None
) -> Array:
    """Return whole replicas, the larger of those by throughput and those by waiting."""
    samples, service_rate = _samples_and_rate(service, load, capability, machine, context)
    # Logarithms and quotients need a rate above 0.
    rate = np.maximum(samples.requests_per_s * growth_after(context, years), NO_NEED)
    items_per_s = rate * samples.answer * service.items_per_request.value
    busy = np.maximum(
        float(service.autoscaling.at_least), np.ceil(items_per_s / service_rate.items_per_s / load.machines_per_replica - 1e-9)
    )
    found = np.where(_is_ever_in_time(service, service_rate), busy, np.inf)
    if service_rate.slots is None or service_rate.service_s is None:
        return found
    queue = Queue(
        rate_per_s=rate,
        service_s=service_rate.service_s,
        slots=service_rate.slots,
        wait_s=_wait_s(service, service_rate),
        late_share=1 - service.slo.percentile,
    )
    return np.maximum(found, replicas_needed(queue))


def _is_ever_in_time(service: Service, service_rate: ServiceRate) -> Flags:
    """Return where a request without queueing is in time and its tokens keep the TPOT bound."""
    limits = (
        (service.slo.ttft_s, service_rate.ttft_s),
        (service.slo.tpot_s, service_rate.tpot_s),
        (service.slo.latency_s, service_rate.service_s),
    )
    found = np.ones_like(service_rate.items_per_s, dtype=bool)
    for limit, seconds in limits:
        if limit is not None and seconds is not None:
            found &= seconds <= limit
    return found


def _wait_s(service: Service, service_rate: ServiceRate) -> Array | None:
    """Return the seconds that a request may queue, over the variation of arrivals and work."""
    pairs = ((service.slo.ttft_s, service_rate.ttft_s), (service.slo.latency_s, service_rate.service_s))
    left = [limit - seconds for limit, seconds in pairs if limit is not None and seconds is not None]
    variation = max(1e-9, (service.arrival.cv2 + service.work_cv2) / 2)
    return np.asarray(np.minimum.reduce(left) / variation) if left else None


def _job(job: Job, load: Load, capability: Capability, machine: Machine, context: ScenarioContext) -> LoadSamples:
    scenarios = context.scenarios
    items = scenarios.of(f"{job.item}s of {job.name}", job.items)
    useful = (
        capability.throughput.value
        * speed_of(job, capability, machine, scenarios)
        * scenarios.of(message("goodput of jobs"), context.rules.job_goodput)
    )
    busy = items / job.window_s / useful
    if job.mode == "train":
        busy = busy / (1 - _lost(job, np.maximum(busy, capability.machines_per_replica), context))
    return LoadSamples(
        name=load.name,
        is_service=False,
        machines_per_replica=load.machines_per_replica,
        by_day=np.zeros(scenarios.num),
        busy=busy,
        mean_machines=busy * min(1.0, job.window_s * job.runs_per_day / (24 * 3600)),
        items_per_year=items * job.runs_per_day * DAYS_PER_YEAR,
    )


def _lost(job: Job, accelerators: Array, context: ScenarioContext) -> Array:
    """Return the share of a training job's time that goes into checkpoints and interruptions."""
    scenarios, rules = context.scenarios, context.rules
    return lost_shares(
        accelerators,
        stall_s=scenarios.of(message("stall of a checkpoint"), stall_of(job, rules)),
        hours=scenarios.of(message("hours between interruptions"), rules.hours_between_interruptions),
        restart_s=scenarios.of(message("restart of a job"), rules.restart_s),
    )

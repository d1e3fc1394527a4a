"""What a load needs of its machines in every world: machines by day, machine-windows by night, the mean over the year.

    service by day   whole replicas that answer the asked share in time at the peak at the end of the horizon (``waiting``)
    job by night     items / (throughput x window x goodput x (1 - lost)), over the machines of whole replicas: share of its window
    mean             items a second in the mean / throughput

Where a simulation asked for more machines than the formula (``Capability.machines_at_least``), every world asks for as much more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.records.loads import Load
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.demand_samples import Asked, asked, growth_after, items_per_year
from aigc_bench.plan.risk.scenario_context import Ground, LoadWorlds, able_of
from aigc_bench.plan.risk.scenarios import Flags, Middle
from aigc_bench.plan.risk.service_rate import Pace, pace_of, speed_of
from aigc_bench.plan.risk.waiting import Queue, replicas_needed
from aigc_bench.plan.sizing.checkpoints import lost_shares, stall_of
from aigc_bench.plan.sizing.fleets import DAYS_PER_YEAR
from aigc_bench.plan.stats.distributions import Array

NO_NEED = 1e-12


def load_worlds(option: Option, ground: Ground) -> tuple[LoadWorlds, ...]:
    """The loads of an option without parts; each is computed once for all ways to have its accelerator."""
    return tuple(_load(load, able, machine, ground) for load, able, machine in _running(option))


def at_year(option: Option, ground: Ground, years: float) -> tuple[LoadWorlds, ...]:
    """The loads with what services need by day at the peak after some years."""
    found = []
    for load, able, machine in _running(option):
        service, one = ground.service(load.name), _load(load, able, machine, ground)
        if service is not None:
            one = replace(one, by_day=machines_by_day(service, load, able, machine, ground, years=years))
        found.append(one)
    return tuple(found)


def _running(option: Option) -> Iterator[tuple[Load, Capability, Machine]]:
    for load in option.loads:
        able = able_of(option, load)
        if able is not None and option.machine is not None and load.rate_items_per_s.value > 0:
            yield load, able, option.machine


def _load(load: Load, able: Capability, machine: Machine, ground: Ground) -> LoadWorlds:
    key = (load.name, load.case, machine.accelerator or machine.name, able.machines_at_least)
    if key not in ground.known:
        service, job = ground.service(load.name), ground.job(load.name)
        if service is not None:
            ground.known[key] = _service(service, load, able, machine, ground)
        else:
            assert job is not None, "a load is a service or a job of its demand"
            ground.known[key] = _job(job, load, able, machine, ground)
    return ground.known[key]


def _service(service: Service, load: Load, able: Capability, machine: Machine, ground: Ground) -> LoadWorlds:
    wish, pace = _asked_and_pace(service, load, able, machine, ground)
    items = items_per_year(service, ground)
    at_peak = wish.requests_per_s * growth_after(ground, None) * wish.answer * service.items_per_request.value
    return LoadWorlds(
        name=load.name,
        is_service=True,
        machines_per_replica=load.machines_per_replica,
        by_day=machines_by_day(service, load, able, machine, ground),
        busy=at_peak / pace.items_per_s,
        mean_machines=items / SECONDS_PER_YEAR / pace.items_per_s,
        items_per_year=items,
    )


def _asked_and_pace(service: Service, load: Load, able: Capability, machine: Machine, ground: Ground) -> tuple[Asked, Pace]:
    worlds = ground.worlds
    wish = asked(service, worlds)
    alone = load.latency_s.value if load.latency_s else None
    return wish, pace_of(service, able, machine=machine, asked=wish, worlds=worlds, rules=ground.rules, alone_s=alone)


def machines_by_day(
    service: Service, load: Load, able: Capability, machine: Machine, ground: Ground, *, years: float | None = None
) -> Array:
    """Machines of whole replicas that keep the SLO at the peak after some years, of the end of the horizon where none are given."""
    found = _replicas(service, load, able, machine, ground, years=years)
    if able.machines_at_least > 0:
        by_formula = float(_replicas(service, load, able, machine, replace(ground, worlds=Middle()), years=None)[0])
        simulated = able.machines_at_least / load.machines_per_replica
        found = np.ceil(found * max(1.0, simulated / by_formula) - 1e-9)
    return np.asarray(found * load.machines_per_replica)


def _replicas(service: Service, load: Load, able: Capability, machine: Machine, ground: Ground, *, years: float | None) -> Array:
    """Whole replicas, the more of those by throughput and those by waiting."""
    wish, pace = _asked_and_pace(service, load, able, machine, ground)
    rate = np.maximum(wish.requests_per_s * growth_after(ground, years), NO_NEED)
    items_per_s = rate * wish.answer * service.items_per_request.value
    busy = np.maximum(1.0, np.ceil(items_per_s / pace.items_per_s / load.machines_per_replica - 1e-9))
    found = np.where(_is_ever_in_time(service, pace), busy, np.inf)
    if pace.slots is None or pace.service_s is None:
        return found
    queue = Queue(
        rate_per_s=rate,
        service_s=pace.service_s,
        slots=pace.slots,
        wait_s=_wait_s(service, pace),
        late_share=1 - service.slo.percentile,
    )
    return np.maximum(found, replicas_needed(queue))


def _is_ever_in_time(service: Service, pace: Pace) -> Flags:
    """Whether a request that waits for nobody is in time, and its tokens come fast enough."""
    limits = (
        (service.slo.ttft_s, pace.ttft_s), (service.slo.tpot_s, pace.tpot_s), (service.slo.latency_s, pace.service_s),
    )  # fmt: skip
    found = np.ones_like(pace.items_per_s, dtype=bool)
    for limit, seconds in limits:
        if limit is not None and seconds is not None:
            found &= seconds <= limit
    return found


def _wait_s(service: Service, pace: Pace) -> Array | None:
    """Seconds that a request may queue, over the variation of arrivals and work."""
    pairs = ((service.slo.ttft_s, pace.ttft_s), (service.slo.latency_s, pace.service_s))
    left = [limit - seconds for limit, seconds in pairs if limit is not None and seconds is not None]
    variation = max(1e-9, (service.arrival.cv2 + service.work_cv2) / 2)
    return np.asarray(np.minimum.reduce(left) / variation) if left else None


def _job(job: Job, load: Load, able: Capability, machine: Machine, ground: Ground) -> LoadWorlds:
    worlds = ground.worlds
    items = worlds.of(f"{job.item}s of {job.name}", job.items)
    useful = able.throughput.value * speed_of(job, able, machine, worlds) * worlds.of("goodput of jobs", ground.rules.job_goodput)
    busy = items / job.window_s / useful
    if job.mode == "train":
        busy = busy / (1 - _lost(job, np.maximum(busy, able.machines_per_replica), ground))
    return LoadWorlds(
        name=load.name,
        is_service=False,
        machines_per_replica=load.machines_per_replica,
        by_day=np.zeros(worlds.num),
        busy=busy,
        mean_machines=busy * min(1.0, job.window_s * job.runs_per_day / (24 * 3600)),
        items_per_year=items * job.runs_per_day * DAYS_PER_YEAR,
    )


def _lost(job: Job, accelerators: Array, ground: Ground) -> Array:
    """Share of a training job's time that goes into checkpoints and interruptions."""
    worlds, rules = ground.worlds, ground.rules
    return lost_shares(
        accelerators,
        stall_s=worlds.of("stall of a checkpoint", stall_of(job, rules)),
        hours=worlds.of("hours between interruptions", rules.hours_between_interruptions),
        restart_s=worlds.of("restart of a job", rules.restart_s),
    )

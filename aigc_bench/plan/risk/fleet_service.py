"""Worlds in which a fleet does what is asked: every service keeps its SLO by day, and by night every job ends in its window.

    by day     sum over services of the machines they need <= machines that serve
    by night   sum over jobs of busy machines / machines of whole replicas that services leave <= 1

By night services keep their off-peak share. Machines that serve are those of the plan: spares stand in for failed ones and
do not count. What is drawn is what nobody knows today; failures are no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.load_samples import load_samples
from aigc_bench.plan.risk.scenario_context import LoadSamples, ScenarioContext
from aigc_bench.plan.risk.scenarios import Flags
from aigc_bench.plan.sizing.fleets import off_peak_share
from aigc_bench.plan.stats.distributions import Array

ALMOST = 1e-9


def serves(option: Option, context: ScenarioContext, *, more_servers: int = 0) -> Flags | None:
    """In which worlds an option does what is asked, with some servers more; ``None`` where a provider answers for it (an API)."""
    if option.parts:
        found = [serves(part, context) for part in option.parts]
        known = [one for one in found if one is not None]
        return np.logical_and.reduce(known) if known else None
    if option.machine is None:
        return None
    loads = {one.name: one for one in load_samples(option, context)}
    holds = np.ones(context.scenarios.num, dtype=bool)
    size = option.machine.machines_per_server
    for pool in option.pools:
        planned = pool.available_machines.value + more_servers * size.value
        machines = planned * context.scenarios.ratio(f"size of {option.machine.server}", size)
        holds &= pool_serves([loads[name] for name in pool.loads if name in loads], machines, context)
    return holds


def pool_serves(loads: Sequence[LoadSamples], machines: Array, context: ScenarioContext) -> Flags:
    """In which worlds machines that share these loads are enough by day and by night."""
    services, jobs = [one for one in loads if one.is_service], [one for one in loads if not one.is_service]
    by_day = sum((one.by_day for one in services), np.zeros(context.scenarios.num))
    holds = by_day <= machines + ALMOST
    if not jobs:
        return np.asarray(holds)
    quiet = context.scenarios.of("service load while jobs run", off_peak_share(context.demand, rules=context.rules))
    kept = sum((_kept(one, quiet) for one in services), np.zeros(context.scenarios.num))
    share = sum((_share_of_window(one, machines - kept) for one in jobs), np.zeros(context.scenarios.num))
    return np.asarray(holds & (share <= 1 + ALMOST))


def _kept(service: LoadSamples, quiet: Array) -> Array:
    """Whole replicas that a service keeps while jobs run."""
    size = service.machines_per_replica
    by_day = np.where(np.isinf(service.by_day), 0.0, service.by_day)  # such worlds have failed by day
    return np.asarray(np.maximum(1.0, np.ceil(quiet * by_day / size - ALMOST)) * size)


def _share_of_window(job: LoadSamples, machines: Array) -> Array:
    """Share of its window that a job takes on the whole replicas that so many machines hold."""
    size = job.machines_per_replica
    usable = np.floor(np.maximum(machines, 0.0) / size + ALMOST) * size
    found = np.full_like(usable, np.inf)
    np.divide(job.busy, usable, out=found, where=usable > 0)
    return found

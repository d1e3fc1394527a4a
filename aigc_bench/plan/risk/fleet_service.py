"""Scenarios in which a fleet meets the demand: every service keeps its SLO by day, every job ends in its window by night.

    by day     sum over services of the machines they need <= serving machines
    by night   sum over jobs of busy machines / machines of whole replicas that services leave <= 1

By night services keep their off-peak share. Serving machines are those of the plan: spares replace failed ones and
do not count. Sampled inputs are those that are uncertain today; failures are covered by the spares instead.
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
    """Return the scenarios in which the option with ``more_servers`` meets the demand; ``None`` for an API, whose provider does."""
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
    """Return the scenarios in which machines that share these loads suffice by day and by night."""
    services, jobs = [one for one in loads if one.is_service], [one for one in loads if not one.is_service]
    by_day = sum((one.by_day for one in services), np.zeros(context.scenarios.num))
    holds = by_day <= machines + ALMOST
    if not jobs:
        return np.asarray(holds)
    quiet = context.scenarios.of("service load while jobs run", off_peak_share(context.demand, rules=context.rules))
    reserved = sum((_machines_by_night(one, quiet) for one in services), np.zeros(context.scenarios.num))
    share = sum((_share_of_window(one, machines - reserved) for one in jobs), np.zeros(context.scenarios.num))
    return np.asarray(holds & (share <= 1 + ALMOST))


def _machines_by_night(service: LoadSamples, quiet: Array) -> Array:
    """Return the machines of whole replicas that a service keeps while jobs run."""
    size = service.machines_per_replica
    by_day = np.where(np.isinf(service.by_day), 0.0, service.by_day)  # an infinite need has already failed by day
    return np.asarray(np.maximum(1.0, np.ceil(quiet * by_day / size - ALMOST)) * size)


def _share_of_window(job: LoadSamples, machines: Array) -> Array:
    """Return the share of its window that a job takes on the whole replicas of that number of machines."""
    size = job.machines_per_replica
    usable = np.floor(np.maximum(machines, 0.0) / size + ALMOST) * size
    found = np.full_like(usable, np.inf)
    np.divide(job.busy, usable, out=found, where=usable > 0)
    return found

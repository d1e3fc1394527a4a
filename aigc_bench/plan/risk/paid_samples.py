"""The paid instances of a rent by the hour in every scenario, by the same function as in the plan (``money.instances``).

A scenario's services need at their peak the larger of two numbers: machines busy over the target utilisation, and those that the
queue requires, which stand to those of the plan as the scenario's need does to that of central values. The safety margin runs, and
is paid, in the scenarios that ask for it; where a scenario asks for more than the fleet has, all of the fleet runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.plan.money.instances import Limits, RunningJob, RunningService, instances_by_year, rate_by_year, year_lengths
from aigc_bench.plan.records.machine import Load
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.scenarios import LoadSamples, ScenarioContext
from aigc_bench.plan.risk.service_rate import growth_samples
from aigc_bench.plan.stats.distributions import Array

MOST = 1e12
"""Stands for infinitely many machines, of which an hour without requests still asks for none."""


def paid_samples(option: Option, loads: Sequence[LoadSamples], context: ScenarioContext) -> Array:
    """Return the paid instances in the mean of the horizon, of the size of the plan, of shape (scenarios,)."""
    assert option.machine is not None, "only machines are rented"
    machine, planned = option.machine, {load.name: load for load in option.loads}
    sizes = context.scenarios.of(message("size of {server}", server=machine.server), machine.machines_per_server)
    used = context.scenarios.of(message("target utilisation"), context.rules.target_utilisation)
    years = year_lengths(context.demand.growth)
    services = [_service(one, planned[one.name], used, at_least=_at_least(one, context)) for one in loads if one.is_service]
    jobs = [_job(one, planned[one.name]) for one in loads if not one.is_service]
    found = instances_by_year(
        services,
        jobs,
        rates=rate_by_year(_growth(context), years),
        within=Limits(size=sizes, spares=option.num_spares, most=option.num_servers),
    )
    return np.asarray(np.average(found, axis=0, weights=years) * sizes / machine.machines_per_server.value)


def _growth(context: ScenarioContext) -> Array:
    growth = context.demand.growth
    return np.zeros(context.scenarios.num) if growth is None else growth_samples(context.scenarios, growth)


def _at_least(one: LoadSamples, context: ScenarioContext) -> float:
    service = context.service(one.name)
    return 1.0 if service is None else float(service.autoscaling.at_least)


def _service(one: LoadSamples, load: Load, used: Array, *, at_least: float) -> RunningService:
    by_day = one.busy / used
    if load.machines_for_wait and one.usual_by_day > 0 and np.isfinite(one.usual_by_day):
        # Infinite where no number of machines keeps the SLO: then all of the fleet runs.
        by_day = np.maximum(by_day, load.machines_for_wait * np.minimum(one.by_day, MOST) / one.usual_by_day)
    assert one.day is not None, "a service has a day"
    return RunningService(busy=one.busy, needed=by_day, per_replica=one.machines_per_replica, day=one.day, at_least=at_least)


def _job(one: LoadSamples, load: Load) -> RunningJob:
    usual = load.busy_machines.value
    # Mean over busy machines is the share of the day that the window is open, in every scenario.
    share = load.mean_machines.value / usual if usual > 0 else 0.0
    return RunningJob(machines=one.busy, per_replica=one.machines_per_replica, share_of_year=share)

"""Tell whether a fleet meets the demand: its SLOs and deadlines, its memory, and the limits around it.

It does in scenarios in which every service keeps its SLO by day and every job ends in its window by night::

    by day     sum over services of the machines they need <= serving machines
    by night   sum over jobs of busy machines / machines of whole replicas that services leave <= 1

By night services keep their off-peak share. Serving machines are those of the plan: spares replace failed ones and
do not count. Sampled inputs are those that are uncertain today; failures are covered by the spares instead.

A load runs out of memory with the probability that its predicted peak exceeds the usable memory, both lognormal by their intervals.
Loads that occupy memory one at a time are taken as independent of each other; on pooled machines the memory factor's own sum of
all resident loads is compared. The method is the predictor's (``predict.model.probability_to_fit``), with its cap below 1.

More servers may exceed the site's power, its racks or the budgets, which grow in proportion to the servers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.memory import resident_bytes
from aigc_bench.plan.placement.room_around import other_peak_w
from aigc_bench.plan.placement.site_limits import site_for, table_of
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.load_samples import load_samples
from aigc_bench.plan.risk.scenarios import Flags, LoadSamples, ScenarioContext, capability_of
from aigc_bench.plan.sizing.fleets import off_peak_share
from aigc_bench.plan.stats.distributions import Array
from aigc_bench.plan.stats.estimates import times
from aigc_bench.predict.fitting.posterior import Z_80, LogEstimate
from aigc_bench.predict.model import probability_to_fit

ALMOST = 1e-9
Need = tuple[str, float, float | None]
"""The name of a limit, what is needed, and the limit, ``None`` if there is none."""


def serves(option: Option, context: ScenarioContext, *, more_servers: int = 0) -> Flags | None:
    """Return the scenarios in which the option with ``more_servers`` meets the demand; ``None`` for an API, whose provider does."""
    if option.parts:
        # An option serves where all its parts do.
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
        # For measured machines the size of a server is uncertain; of catalogue servers it is exact.
        machines = planned * context.scenarios.ratio(message("size of {server}", server=option.machine.server), size)
        holds &= pool_serves([loads[name] for name in pool.loads if name in loads], machines, context)
    return holds


def pool_serves(loads: Sequence[LoadSamples], machines: Array, context: ScenarioContext) -> Flags:
    """Return the scenarios in which machines that share these loads suffice by day and by night."""
    services, jobs = [one for one in loads if one.is_service], [one for one in loads if not one.is_service]
    by_day = sum((one.by_day for one in services), np.zeros(context.scenarios.num))
    # Whole numbers in floating point: equality must not fail by a rounding error.
    holds = by_day <= machines + ALMOST
    if not jobs:
        return np.asarray(holds)
    quiet = context.scenarios.of(message("service load while jobs run"), off_peak_share(context.demand, rules=context.rules))
    reserved = sum((_machines_by_night(one, quiet) for one in services), np.zeros(context.scenarios.num))
    # Shares add up to at most 1: jobs run one after the other.
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


def p_out_of_memory(option: Option, rules: Rules) -> float | None:
    """Return the probability that some load of the option does not fit; ``None`` where no peak or no memory size is known."""
    fits = [_fit(need, size, rules) for need, size in _needs(option)]
    return 1 - math.prod(fits) if fits else None


def _needs(option: Option) -> Iterator[tuple[Estimate, Estimate]]:
    """Yield each peak memory need with the memory size it is compared with."""
    for part in option.parts:
        yield from _needs(part)
    machine = option.machine
    if machine is None:
        return
    places = (("device", machine.device_memory_bytes), ("host", machine.host_memory_bytes))
    for place, size in places:
        if size is None or size.value <= 0:
            continue
        resident = resident_bytes(option.factors, place)
        if option.placement == "pooled":
            peaks = [resident]
        else:
            capabilities = [capability_of(option, load) for load in option.loads if load.rate_items_per_s.value > 0]
            peaks = [getattr(capability, f"{place}_memory_bytes") for capability in capabilities if capability is not None]
        yield from ((peak, size) for peak in peaks if peak is not None and peak.value > 0)


def _fit(need: Estimate, size: Estimate, rules: Rules) -> float:
    # The wider side, since a lognormal has one deviation. Z_80: ends are P10 and P90.
    deviation = max(math.log(need.high / need.value), math.log(need.value / need.low) if need.low > 0 else 0.0) / Z_80
    usable = times(size, rules.usable_memory, unit="B")
    return probability_to_fit(LogEstimate(mean=math.log(need.value), deviation=deviation, slopes={}), usable)


def hindrance(option: Option, demand: Demand, *, more_servers: int) -> str | None:
    """Return the limit that forbids that number of additional servers for an option without parts, or ``None``."""
    if more_servers == 0 or option.machine is None or option.num_servers == 0:
        return None
    # Switches, storage and racks are taken to grow with the servers.
    times = 1 + more_servers / option.num_servers
    needs = (*_of_the_place(option, option.machine, demand, times=times), *_of_the_budgets(option, demand, times=times))
    return next((name for name, needed, limit in needs if limit is not None and needed > limit), None)


def _of_the_place(option: Option, machine: Machine, demand: Demand, *, times: float) -> Iterator[Need]:
    """Yield what ``times`` the option needs of its place, if that is the user's or a colocation."""
    if option.kind not in ("owned", "colocated"):
        return
    site, where = site_for(option.kind, machine, demand), table_of(option.kind)
    others_w = other_peak_w(option.room).value if option.room else 0.0
    watts, power = times * (option.num_servers * machine.peak_power_w.value + others_w), site.amount("power_w")
    yield message("the power of the {where}", where=where), watts, power.value if power else None
    # A product of whole numbers is not rounded up by a rounding error.
    yield message("the racks of the {where}", where=where), math.ceil((option.num_racks or 0) * times - 1e-9), site.num_racks


def _of_the_budgets(option: Option, demand: Demand, *, times: float) -> Iterator[Need]:
    """Yield what ``times`` the option costs upfront and per year."""
    yearly = sum(line.usd_per_year.value for line in option.costs)
    yield "constraints.budget_usd", option.capex_usd.value * times, demand.constraints.budget_usd
    yield "constraints.budget_usd_per_year", yearly * times, demand.constraints.budget_usd_per_year

"""The instances of a rented fleet that are paid, hour by hour and year by year: one function for all that depends on them.

Bill, energy, greenhouse gases, cash by year and the Monte Carlo scenarios take their count from here::

    reserved   every instance, every hour
    elastic    in hour h of year y   min(all instances, ceil(sum of the services' accelerators / size of an instance) + spares)
               + for each job        ceil(its accelerators / size) for the share of the year that its window is open
    service    in whole replicas, at least one:  busy x r + (needed - busy) x sqrt(r)   accelerators,
               r = share of the hour x mean rate of year y / rate at the end of the horizon

``instances_mean`` is the mean over the hours of the day curve (``Arrival.day``) and the years of the horizon, each year by its
length. Busy and needed accelerators are those of the peak at the end of the horizon, for which the fleet is reserved. The need
beyond the busy ones shrinks with the root of the load: square-root staffing (Halfin and Whitt 1981). Servers of the safety margin
run in the scenarios that ask for them, none at the central values of all inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_bench.core.derivation import Derivation, Places, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.money.offers import IS_ELASTIC, Term
from aigc_bench.plan.records.demand import Demand, Growth, Service
from aigc_bench.plan.records.machine import Fleet, Load
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.fleets import needed
from aigc_bench.plan.stats.distributions import Array
from aigc_bench.plan.stats.estimates import counted, estimate

ROUNDING = 1e-9
"""Sums of floating-point numbers exceed a whole number by less."""
ALL = message("reserved: all instances, all hours")
YEAR = message(
    "mean over the hours of the day of the instances of whole replicas and spares, and of each job while its window is open"
)
MEAN = message("mean over the years of the horizon, each by its length")


@dataclass(frozen=True, kw_only=True)
class RunningService:
    """A service in scenarios: accelerators busy and needed at the peak, of shape (scenarios,), and its day.

    ``at_least`` replicas run at all hours.
    ``day`` are shares of the peak, of shape (24, scenarios), or (24, 1) where it is the same in all.
    """

    busy: Array
    needed: Array
    per_replica: int
    day: Array
    at_least: float = 1.0


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """A job in scenarios: accelerators while its window is open, of shape (scenarios,), and the share of the year that it is."""

    machines: Array
    per_replica: int
    share_of_year: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What bounds a fleet: accelerators of an instance, spares, and all instances."""

    size: Array | float
    spares: float
    most: float


@dataclass(frozen=True, kw_only=True)
class PaidInstances:
    """The instances that are paid in the mean of the horizon, and in each of its years, with the length of each year."""

    mean: Estimate
    by_year: tuple[Estimate, ...]
    years: tuple[float, ...]


def year_lengths(growth: Growth | None) -> tuple[float, ...]:
    """Return the lengths of the years of the horizon, the last of which may be a part of one; without growth one year."""
    if growth is None:
        return (1.0,)
    whole = int(growth.horizon_years + ROUNDING)
    rest = growth.horizon_years - whole
    return (*(1.0,) * whole, *((rest,) if rest > ROUNDING else ()))


def rate_by_year(per_year: Array, years: Sequence[float]) -> Array:
    """Return the mean rate of each year over that at the end of all, of shape (years, scenarios); ``per_year`` is the growth.

    Rates grow continuously: the mean of f^t from a to b is (f^b - f^a) / (ln f x (b - a)).
    """
    factor = np.maximum(1 + np.asarray(per_year, dtype=float), 1.0)
    ends = np.cumsum([0.0, *years])[:, None]
    log = np.log(factor)
    # Towards no growth the quotient tends to 1.
    grows = log > ROUNDING
    safe = np.where(grows, log, 1.0)
    means = (factor ** ends[1:] - factor ** ends[:-1]) / (safe * np.diff(ends, axis=0)) / factor ** ends[-1]
    return np.where(grows, means, 1.0)


def instances_by_year(services: Sequence[RunningService], jobs: Sequence[RunningJob], *, rates: Array, within: Limits) -> Array:
    """Return the instances that are paid in the mean of each year, of shape (years, scenarios).

    ``rates`` are those of ``rate_by_year``.
    """
    # (years, hours, scenarios): services of one hour share instances, so their accelerators are added before rounding up.
    asked = sum((_accelerators(one, rates) for one in services), np.zeros((rates.shape[0], 1, rates.shape[1])))
    hours = np.where(asked > 0, np.ceil(asked / within.size - ROUNDING) + within.spares, 0.0)
    by_day = np.minimum(within.most, hours).mean(axis=1)
    nights = sum((_replicas(one.machines, one.per_replica, within.size) * one.share_of_year for one in jobs), np.zeros(1))
    # Without services a spare only has to run while something runs that it could replace.
    watched = 0.0 if np.any(asked > 0) else max((one.share_of_year for one in jobs), default=0.0)
    # Jobs rented one by one may exceed the fleet, in which they share instances.
    return np.asarray(np.minimum(within.most, by_day + nights + within.spares * watched))


def _accelerators(one: RunningService, rates: Array) -> Array:
    """Return the accelerators of whole replicas of a service in every hour of every year, of shape (years, hours, scenarios)."""
    share = one.day[None, :, :] * rates[:, None, :]
    wanted = one.busy * share + (one.needed - one.busy) * np.sqrt(share)
    # A model that is not loaded answers nothing, so at least one replica; none of a service without load.
    found = np.maximum(one.at_least, np.ceil(wanted / one.per_replica - ROUNDING)) * one.per_replica
    return np.where(one.busy > 0, found, 0.0)


def _replicas(machines: Array, per_replica: int, size: Array | float) -> Array:
    """Return the instances of the whole replicas that keep that number of machines busy."""
    whole = np.ceil(machines / per_replica - ROUNDING) * per_replica
    return np.asarray(np.ceil(whole / size - ROUNDING))


def paid_instances(loads: Sequence[Load], fleet: Fleet, *, size: float, term: Term, demand: Demand, rules: Rules) -> PaidInstances:
    """Return the paid instances of ``size`` accelerators at the central values of all inputs."""
    # Servers of a rented fleet are its instances.
    everything, years = float(fleet.num_servers), year_lengths(demand.growth)
    if term == "purchase" or term == "kept" or not IS_ELASTIC[term]:
        whole = estimate(everything, unit="instances", basis="modelled", source=ALL)
        every = fleet.derived.get("num_servers")
        whole = whole if every is None else record(whole, Derivation("{0}", (every,), ALL))
        return PaidInstances(mean=whole, by_year=(whole,) * len(years), years=years)
    by_name = {service.name: service for service in demand.services}
    served = [load for load in loads if load.name in by_name]
    worked = [load for load in loads if load.name not in by_name]

    def paid(growth: float, spares: float, most: float, *numbers: float) -> Array:
        """Return the instances of each year from busy and needed accelerators of services, then busy and mean ones of jobs."""
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        services = [_service(by_name[load.name], load, *pair) for load, pair in zip(served, pairs, strict=False)]
        jobs = [_job(load, *pair) for load, pair in zip(worked, pairs[len(served) :], strict=True)]
        within = Limits(size=size, spares=spares, most=most)
        return instances_by_year(services, jobs, rates=rate_by_year(np.array([growth]), years), within=within)[:, 0]

    per_year = demand.growth.per_year if demand.growth else counted(0.0, "fraction/year", message("no growth is stated"))
    inputs = [per_year, *_counts(fleet)]
    for load in served:
        inputs += [load.busy_machines, needed(load, rules=rules)]
    for load in worked:
        inputs += [load.busy_machines, load.mean_machines]
    values = paid(*(one.value for one in inputs))
    by_year = tuple(_of_year(at, float(value), paid, inputs) for at, value in enumerate(values))
    return PaidInstances(mean=_mean(by_year, years), by_year=by_year, years=years)


def _of_year(at: int, value: float, paid: Callable[..., Array], inputs: Sequence[Estimate]) -> Estimate:
    """Return the instances of one year, which know how they were computed."""

    def compute(*numbers: float) -> float:
        """Return the instances of this year."""
        return float(paid(*numbers)[at])

    return counted(value, "instances", YEAR, inputs=inputs, compute=compute)


def _mean(by_year: Sequence[Estimate], years: Sequence[float]) -> Estimate:
    """Return the mean over the years, each by its length."""
    mean = float(np.average([one.value for one in by_year], weights=years))
    of = Places()
    words = " + ".join(f"{of(one)} * {length:.12g}" for one, length in zip(by_year, years, strict=True))
    found = estimate(mean, unit="instances", basis="modelled", source=MEAN)
    return record(found, Derivation(f"({words}) / {sum(years):.12g}", tuple(of.inputs), MEAN))


def quietest_machines(service: Service, load: Load, *, demand: Demand, rules: Rules) -> float:
    """Return the accelerators of whole replicas that a service needs in the quietest hour of the first year."""
    growth = demand.growth.per_year.value if demand.growth else 0.0
    rates = rate_by_year(np.array([growth]), year_lengths(demand.growth))
    running = _service(service, load, load.busy_machines.value, needed(load, rules=rules).value)
    return max(float(load.machines_per_replica), float(_accelerators(running, rates).min()))


def _counts(fleet: Fleet) -> list[Estimate]:
    """Return spares and all instances, as the fleet derived them."""
    plain = {"num_spares": fleet.spares, "num_servers": fleet.num_servers}
    return [fleet.derived.get(name) or counted(count, "servers", message("of the fleet")) for name, count in plain.items()]


def _service(service: Service, load: Load, busy: float, peak: float) -> RunningService:
    return RunningService(
        busy=np.array([busy]),
        needed=np.array([peak]),
        per_replica=load.machines_per_replica,
        day=np.array(service.arrival.day)[:, None],
        at_least=float(service.autoscaling.at_least),
    )


def _job(load: Load, busy: float, mean: float) -> RunningJob:
    # Mean over busy machines is the share of the day that the window is open, by construction of a job's load.
    return RunningJob(
        machines=np.array([busy]), per_replica=load.machines_per_replica, share_of_year=mean / busy if busy > 0 else 0.0
    )

"""Rented instances in the mean of the year: all of them always, or those that the hour and the windows need.

    reserved   every instance, every hour
    elastic    mean over the 24 hours of ceil(sum of the services' accelerators in that hour / size of an instance)
               + for each job, ceil(its accelerators / size) for the share of the year that its window is open
               + the spares while anything runs, and never more than all instances
    service    in whole replicas, at least one:  busy_h + (needed - busy) x sqrt(busy_h / busy)   accelerators in hour h,
               busy_h = busy x share of the hour x mean growth / growth at the horizon

The need beyond the busy accelerators shrinks with the root of the load: square-root staffing (Halfin and Whitt 1981). A
service whose hourly profile is not known keeps the replicas of its peak at all hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.arrivals import HOURS_PER_DAY
from aigc_bench.plan.money.offers import IS_ELASTIC, Term
from aigc_bench.plan.records.demand import Demand, Service
from aigc_bench.plan.records.loads import Fleet, Load
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.fleets import grown, needed
from aigc_bench.plan.stats.estimates import ceil, estimate


def instances_at_work(loads: Sequence[Load], fleet: Fleet, *, size: float, term: Term, demand: Demand, rules: Rules) -> Estimate:
    """Return the mean number of paid instances of ``size`` accelerators; whole numbers are computed from central values."""
    everything = float(fleet.num_servers)
    if term == "purchase" or not IS_ELASTIC[term]:
        whole = estimate(everything, unit="instances", basis="modelled", source="reserved: all instances, all hours")
        every = fleet.derived.get("num_servers")
        return whole if every is None else record(whole, Derivation("{0}", (every,), whole.source))
    by_name = {service.name: service for service in demand.services}
    services = [(load, by_name[load.name], needed(load, rules=rules).value) for load in loads if load.name in by_name]
    last, mean_growth = (one.value for one in grown(demand.growth))
    hours = [
        ceil(sum(_accelerators(*one, hour, growth=(mean_growth, last)) for one in services) / size) for hour in range(HOURS_PER_DAY)
    ]
    jobs = [load for load in loads if load.name not in by_name]
    nights = sum(ceil(_of_job(load) / size) * _share_of_year(load) for load in jobs)
    watched = 1.0 if any(hours) else max((_share_of_year(load) for load in jobs), default=0.0)
    mean = math.fsum(hours) / HOURS_PER_DAY + nights + fleet.spares * watched
    source = "instances of each hour's whole replicas, of each job while its window is open, and spares"
    found = estimate(min(everything, mean), unit="instances", basis="modelled", source=source)
    inputs = [number for load in loads for number in (load.busy_machines, load.mean_machines)]
    return record(found, Derivation(None, (*inputs, *fleet.derived.values()), source))


def _accelerators(load: Load, service: Service, peak: float, hour: int, *, growth: tuple[float, float]) -> int:
    """Return the accelerators of the whole replicas that a service keeps in an hour of the mean year.

    ``peak`` are those needed at the peak, ``growth`` the mean growth and that at the horizon.
    """
    busy = load.busy_machines.value
    if busy <= 0:
        return 0
    share = 1.0
    if service.arrival.hourly is not None:
        share = service.arrival.hourly[hour] * growth[0] / growth[1]
    wanted = busy * share + (peak - busy) * math.sqrt(share)
    return max(1, ceil(wanted / load.machines_per_replica)) * load.machines_per_replica


def _of_job(load: Load) -> int:
    """Return the accelerators of a job's whole replicas; none for an empty job."""
    return ceil(load.busy_machines.value / load.machines_per_replica) * load.machines_per_replica


def _share_of_year(load: Load) -> float:
    """Return the share of the time that a job's window is open."""
    return load.mean_machines.value / load.busy_machines.value if load.busy_machines.value > 0 else 0.0

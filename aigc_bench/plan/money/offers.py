"""Every procurement of an accelerator: owned, colocated, or rented, each with a dated price or the reason it has none.

Rented instances are paid in the mean of the year: all of them always, or those that the hour and the windows need::

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
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.catalog.records import AcceleratorSpec, ServerSpec
from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.arrival_rates import HOURS_PER_DAY
from aigc_bench.plan.hardware.datasheet import host_usd, usual_count
from aigc_bench.plan.money.offer import IS_ELASTIC, Offer, Term
from aigc_bench.plan.money.rents import rents
from aigc_bench.plan.records.demand import Demand, Service
from aigc_bench.plan.records.loads import Fleet, Load
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.fleets import grown, needed
from aigc_bench.plan.stats.estimates import ceil, estimate, named, plus, scaled
from aigc_bench.plan.stats.price_aging import aged, hardware_price

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


def offers(accelerator_id: str, *, catalogue: Catalogue, on: date, region: str | None = None) -> tuple[Offer, ...]:
    """Return all procurements of that accelerator on that day, purchases first; rents of ``region`` only where one is named.

    Raises ``UnknownNameError`` for an accelerator that is not in the catalogue.
    """
    spec = catalogue.accelerator(accelerator_id)
    bought = purchases(spec, catalogue=catalogue, on=on)
    return (*bought, *colocated(bought, catalogue=catalogue, on=on), *rents(spec, catalogue=catalogue, on=on, region=region))


def purchases(spec: AcceleratorSpec, *, catalogue: Catalogue, on: date) -> tuple[Offer, ...]:
    """Return servers that hold the accelerator; where there is no such row, a host of cards at the card's price."""
    servers = catalogue.servers_with(spec.id)
    if not servers:
        return (_cards_in_a_host(spec, catalogue=catalogue, on=on),)
    return tuple(_purchase(server, catalogue=catalogue, on=on) for server in servers)


def _purchase(server: ServerSpec, *, catalogue: Catalogue, on: date) -> Offer:
    price = hardware_price(server, catalogue=catalogue, on=on)
    assert server.gpu_id is not None, "only servers with the accelerator were selected"
    return Offer(
        kind="owned",
        term="purchase",
        name=server.name,
        accelerator=server.gpu_id,
        num_accelerators=server.gpu_count,
        server=server.id,
        provider=server.vendor,
        price=price,
        unit="usd",
        why_no_price=None if price else message("the catalogue has no price of {name}", name=server.name),
        as_of=server.price.as_of if server.price else None,
    )


def _cards_in_a_host(spec: AcceleratorSpec, *, catalogue: Catalogue, on: date) -> Offer:
    card, count = hardware_price(spec, catalogue=catalogue, on=on), usual_count(spec)
    price = None
    if card is not None:
        cards, host = scaled(card, count), host_usd(spec, count, catalogue)
        price = named(
            plus(cards, host),
            message("{count} at their own price + a host like those of its form; {source}", count=count, source=card.source),
        )
    return Offer(
        kind="owned",
        term="purchase",
        name=message("{count} x {name} in a host", count=count, name=spec.name),
        accelerator=spec.id,
        num_accelerators=count,
        price=price,
        unit="usd",
        why_no_price=None
        if price
        else message("the catalogue has neither a server with {name} nor a price of the card", name=spec.name),
        as_of=spec.price.as_of if spec.price else None,
        note=message("no server row: the host is assumed to be like those of its form"),
    )


def colocated(bought: Sequence[Offer], *, catalogue: Catalogue, on: date) -> tuple[Offer, ...]:
    """Return the same servers in a provider's room, at a price per kW and month that covers space and cooling plant."""
    row = catalogue.constants["colocation_usd_per_kw_month"]
    space = aged(row.estimate(), as_of=row.as_of, on=on, drift=catalogue.constant("hardware_price_drift"))
    return tuple(
        offer.model_copy(
            update={"kind": "colocated", "space_usd_per_kw_month": space, "note": message("electricity is billed on top")}
        )
        for offer in bought
    )


def instances_at_work(loads: Sequence[Load], fleet: Fleet, *, size: float, term: Term, demand: Demand, rules: Rules) -> Estimate:
    """Return the mean number of paid instances of ``size`` accelerators; whole numbers are computed from central values."""
    # Servers of a rented fleet are its instances.
    everything = float(fleet.num_servers)
    if term == "purchase" or term == "kept" or not IS_ELASTIC[term]:
        whole = estimate(everything, unit="instances", basis="modelled", source=message("reserved: all instances, all hours"))
        every = fleet.derived.get("num_servers")
        return whole if every is None else record(whole, Derivation("{0}", (every,), whole.source))
    by_name = {service.name: service for service in demand.services}
    services = [(load, by_name[load.name], needed(load, rules=rules).value) for load in loads if load.name in by_name]
    last, mean_growth = (one.value for one in grown(demand.growth))
    # Services of one hour share instances, so their accelerators are added before rounding up.
    hours = [
        ceil(sum(_accelerators(*one, hour, growth=(mean_growth, last)) for one in services) / size) for hour in range(HOURS_PER_DAY)
    ]
    jobs = [load for load in loads if load.name not in by_name]
    # Each job rents instances of its own for its window.
    nights = sum(ceil(_of_job(load) / size) * _share_of_year(load) for load in jobs)
    # A spare only has to run while something runs that it could replace.
    watched = 1.0 if any(hours) else max((_share_of_year(load) for load in jobs), default=0.0)
    mean = math.fsum(hours) / HOURS_PER_DAY + nights + fleet.spares * watched
    source = message("instances of each hour's whole replicas, of each job while its window is open, and spares")
    # Rounding each job up separately may exceed the fleet, which shares instances.
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
        # busy is at the peak of the horizon's end; the bill is that of the mean year.
        share = service.arrival.hourly[hour] * growth[0] / growth[1]
    # The reserve against waiting shrinks with the root of the load, so small hours keep relatively more of it.
    wanted = busy * share + (peak - busy) * math.sqrt(share)
    return max(1, ceil(wanted / load.machines_per_replica)) * load.machines_per_replica


def _of_job(load: Load) -> int:
    """Return the accelerators of a job's whole replicas; none for an empty job."""
    return ceil(load.busy_machines.value / load.machines_per_replica) * load.machines_per_replica


def _share_of_year(load: Load) -> float:
    """Return the share of the time that a job's window is open."""
    # Mean over busy machines is the share of the day that the window is open, by construction of a job's load.
    return load.mean_machines.value / load.busy_machines.value if load.busy_machines.value > 0 else 0.0

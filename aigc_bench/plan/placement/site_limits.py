"""Find where the machines of an option stand, whose limits apply to them, and what has no place there.

owned        the site of the demand
colocated    the provider's racks: a number of kW each, powered and cooled; the demand's own room limits nothing there
rented       an unknown place: the site's uplink and storage do not apply, power and cooling are the provider's
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core import registry
from aigc_bench.core.messages import message
from aigc_bench.plan.records.demand import Colocation, Demand, OptionKind, Site
from aigc_bench.plan.records.factor_keys import colocation_keys, site_keys
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.site.racks import Limit
from aigc_bench.plan.site.room import MOST_SERVERS, Room

REMEDIES: Mapping[Limit, str] = {
    "power": message("a larger feed for each rack ({table}.rack_kw)"),
    "cooling": message("racks that give away more heat ({table}.{heat}, {table}.cooling)"),
    "weight": message("lighter servers"),
    "floor": message("a floor that carries more (site.floor_kg_per_m2)"),
    "height": message("taller racks ({table}.rack_units)"),
    "racks": message("more racks ({table}.racks) or another place"),
}


def no_place(room: Room | None, *, num_servers: int, kind: OptionKind = "owned") -> tuple[str, ...]:
    """Return reasons to refuse a purchase of ``num_servers``; oversized fleets are refused before a room is laid out."""
    return (*_unplaced(room, table=table_of(kind)), *_beyond_one_room(num_servers))


def _unplaced(room: Room | None, *, table: str) -> tuple[str, ...]:
    """Return what is on the bill and fits no rack; equipment of unknown height is not judged."""
    heat = "rack_cooling_kw" if table == "site" else "rack_kw"
    left = [(one, one.limit) for one in room.layout.unplaced if one.limit is not None] if room else []
    return tuple(
        message(
            "{factor_of}: {count} x {name} cannot be placed: {reason}; {remedies} would change that",
            factor_of=_factor_of(limit),
            count=one.count,
            name=one.name,
            reason=one.reason,
            remedies=REMEDIES[limit].format(table=table, heat=heat),
        )
        for one, limit in left
    )


def _factor_of(limit: Limit) -> str:
    """Return the factor whose name a rack limit has, else ``space``: height, weight, floor and number of racks."""
    return limit if limit in registry.names("factors") else "space"


def _beyond_one_room(num_servers: int) -> tuple[str, ...]:
    if num_servers <= MOST_SERVERS:
        return ()
    return (
        message(
            "space: {num_servers:,} servers exceed the {most_servers:,} that one room is modelled for; "
            "faster accelerators, or the demand split over several sites, would change that",
            num_servers=num_servers,
            most_servers=MOST_SERVERS,
        ),
    )


def site_for(kind: OptionKind, machine: Machine, demand: Demand) -> Site:
    """Return the demand's site, or one with the limits of whoever houses the machines. Tariff, grid and PUE are regional."""
    if kind == "owned":
        return demand.site
    # A provider's building has neither the demand's storage nor its uplink.
    elsewhere = demand.site.with_amounts({key.stored_as: None for key in site_keys() if key.only_own})
    return _colocated(elsewhere, demand.colocation, machine) if kind == "colocated" else elsewhere


def _colocated(site: Site, offer: Colocation, machine: Machine) -> Site:
    """Return the limits of colocation racks, as factors declare them."""
    return site.with_amounts(
        {
            name: offer.amount(key.stored_as)
            for key in colocation_keys()
            if key.holds is None or key.holds(machine)
            for name in key.replaces
        },
        num_racks=offer.num_racks,
        rack_height_u=offer.rack_height_u,
        cooling=offer.cooling or ("direct_liquid" if machine.cooling == "direct_liquid" else "air"),
        floor_kg_per_m2=None,
    )


def table_of(kind: OptionKind) -> str:
    """Return the table of a demand file that holds the limits of such an option."""
    return "colocation" if kind == "colocated" else "site"

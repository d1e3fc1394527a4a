"""Whether a purchase has a place: equipment that fits no rack, and fleets beyond any one room."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core import registry
from aigc_bench.plan.placement.site_limits import table_of
from aigc_bench.plan.records.demand import OptionKind
from aigc_bench.plan.site.racks import Limit
from aigc_bench.plan.site.room import MOST_SERVERS, Room

REMEDIES: Mapping[Limit, str] = {
    "power": "a larger feed for each rack ({table}.rack_kw)",
    "cooling": "racks that give away more heat ({table}.{heat}, {table}.cooling)",
    "weight": "lighter servers",
    "floor": "a floor that carries more (site.floor_kg_per_m2)",
    "height": "taller racks ({table}.rack_units)",
    "racks": "more racks ({table}.racks) or another place",
}


def no_place(room: Room | None, *, num_servers: int, kind: OptionKind = "owned") -> tuple[str, ...]:
    """Return reasons to refuse a purchase of ``num_servers``; oversized fleets are refused before a room is laid out."""
    return (*_unplaced(room, table=table_of(kind)), *_beyond_one_room(num_servers))


def _unplaced(room: Room | None, *, table: str) -> tuple[str, ...]:
    """Return what is on the bill and fits no rack; equipment of unknown height is not judged."""
    heat = "rack_cooling_kw" if table == "site" else "rack_kw"
    left = [(one, one.limit) for one in room.layout.unplaced if one.limit is not None] if room else []
    return tuple(
        f"{_factor_of(limit)}: {one.count} x {one.name} cannot be placed: {one.reason}; "
        f"{REMEDIES[limit].format(table=table, heat=heat)} would change that"
        for one, limit in left
    )


def _factor_of(limit: Limit) -> str:
    """Return the factor whose name a rack limit has, else ``space``: height, weight, floor and number of racks."""
    return limit if limit in registry.names("factors") else "space"


def _beyond_one_room(num_servers: int) -> tuple[str, ...]:
    if num_servers <= MOST_SERVERS:
        return ()
    return (
        f"space: {num_servers:,} servers exceed the {MOST_SERVERS:,} that one room is modelled for; "
        "faster accelerators, or the demand split over several sites, would change that",
    )

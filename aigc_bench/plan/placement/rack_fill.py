"""How many servers one rack can power, cool and hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from aigc_bench.core.derivation import Places
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.site.racks import Rack
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.stats.estimates import counted, stated

FILL, UNITS = message("minimum of what feed, cooling and height allow, in whole servers"), message("rack units of one server")
Limit = Literal["power", "cooling", "space"]


@dataclass(frozen=True, kw_only=True)
class RackFill:
    """Servers that fit one rack and the limit that stops the next; 0 where not even one can be powered or cooled."""

    servers: int
    limit: Limit
    counted: Estimate


def rack_fill(machine: Machine, site: Site) -> RackFill | None:
    """Return the fill of a rack, or ``None`` where neither feed, cooling nor height is known."""
    fills: dict[Limit, int] = {}
    of, words = Places(), list[str]()
    feed, cooling = site.amount("rack_power_w"), site.amount("rack_cooling_w")
    if feed is not None:
        words.append(f"floor({of(feed)} / {of(machine.peak_power_w)})")
        # A quotient of whole numbers must not lose a server by a rounding error.
        fills["power"] = math.floor(feed.value / machine.peak_power_w.value + 1e-9)
    if cooling is not None:
        words.append(f"floor({of(cooling)} / {of(machine.design_heat_w)})")
        fills["cooling"] = math.floor(cooling.value / machine.design_heat_w.value + 1e-9)
    if machine.rack_units:
        height = stated(site.rack_height_u, "demand.site.rack_height_u", unit="U")
        units = counted(
            machine.rack_units,
            "U",
            message("as planned for {server}", server=machine.server),
            key=".machine.rack_units",
            title=UNITS,
        )
        words.append(f"floor({of(height)} / {of(units)})")
        # Full height: switches compete for it only in a laid-out room.
        fills["space"] = site.rack_height_u // machine.rack_units
    if not fills:
        return None
    limit = min(fills, key=lambda name: fills[name])
    arithmetic = f"min({', '.join(words)})" if len(words) > 1 else words[0]
    holds = counted(
        fills[limit],
        "servers/rack",
        FILL,
        arithmetic=arithmetic,
        inputs=of.inputs,
        key=".servers_per_rack",
        title=message("servers per rack"),
    )
    return RackFill(servers=fills[limit], limit=limit, counted=holds)


def fullest_rack(fill: int | None, *, num_servers: int) -> int:
    """Return the servers in the fullest rack; at least one if there is any, so that a misfit shows as a shortfall."""
    return min(num_servers, max(1, fill)) if fill is not None else num_servers


def fullest_of(room: Room, one_w: Estimate, *, watts: Literal["peak_w", "heat_w"]) -> tuple[int, float] | None:
    """Return the servers in the rack with the highest draw (or heat), and the watts of the other equipment there.

    A server counts ``one_w``. ``None`` where servers found no place, so that no laid-out rack represents them.
    """
    kinds = {line.key: line for line in room.bill.lines}
    if any(kinds[one.key].category == "node" for one in room.layout.unplaced):
        return None

    def inside(rack: Rack) -> tuple[int, float]:
        """Return the servers in a rack, and the watts of everything else in it."""
        lines = [kinds[position.key] for position in rack.positions]
        return (
            # One position holds one piece, so positions are counted.
            sum(line.category == "node" for line in lines),
            sum(getattr(line, watts) or 0.0 for line in lines if line.category != "node"),
        )

    return max(map(inside, room.layout.racks), key=lambda found: found[0] * one_w.value + found[1], default=None)


def num_racks(fill: int | None, *, num_servers: int) -> int | None:
    """Return the racks that hold all servers; ``None`` where no rack is known to hold any."""
    if num_servers == 0:
        return 0
    # A fill of 0 means that not even one server fits.
    return math.ceil(num_servers / fill) if fill else None

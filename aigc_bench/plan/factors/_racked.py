"""What stands in the fullest rack, as the factors of cooling and power count it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context
from aigc_bench.plan.placement.rack import fullest_of, fullest_rack
from aigc_bench.plan.placement.room_power import other_peak_w
from aigc_bench.plan.stats.estimates import estimate, plus, scaled

SERVERS, BESIDE = "servers in the fullest rack", "switches and storage in the fullest rack"
OF_THE_LAYOUT = "counted in the layout of the racks"
OF_A_FILL = "servers that a rack holds, at least one, at most all"


@dataclass(frozen=True, kw_only=True)
class Racked:
    """Watts of the fullest rack and of everything, and the named inputs that they follow from."""

    required: Estimate
    everything: Estimate
    servers: int
    inputs: dict[str, Estimate]

    @property
    def words(self) -> str:
        """The servers of that rack, and that something stands beside them."""
        beside = " with switches and storage" if BESIDE in self.inputs else ""
        return f"{self.servers} server{'s' if self.servers != 1 else ''}{beside}"


def racked(context: Context, one: Estimate, *, watts: Literal["peak_w", "heat_w"]) -> Racked:
    """The fullest rack of the room where one is drawn, else of servers alone; ``one`` is the watts of a server."""
    found = fullest_of(context.room, one, watts=watts) if context.room else None
    everything = scaled(one, context.num_servers)
    if context.room is not None:
        everything = plus(everything, other_peak_w(context.room))
    if found is None:
        count = fullest_rack(context.servers_per_rack, num_servers=context.num_servers)
        inputs = {SERVERS: _counted(count, OF_A_FILL)}
        return Racked(required=scaled(one, count), everything=everything, servers=count, inputs=inputs)
    count, rest = found
    inputs = {SERVERS: _counted(count, OF_THE_LAYOUT)}
    if rest:
        inputs[BESIDE] = estimate(rest, unit="W", basis="modelled", source="nameplates of what else stands in it")
    required = plus(scaled(one, count), inputs[BESIDE]) if rest else scaled(one, count)
    return Racked(required=required, everything=everything, servers=count, inputs=inputs)


def _counted(count: int, source: str) -> Estimate:
    return estimate(count, unit="servers", basis="modelled", source=source)

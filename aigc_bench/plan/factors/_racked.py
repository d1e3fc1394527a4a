"""Count the contents of the fullest rack for the factors of cooling and power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context
from aigc_bench.plan.placement.rack_fill import fullest_of, fullest_rack, rack_fill
from aigc_bench.plan.placement.room_around import other_peak_w
from aigc_bench.plan.stats.estimates import estimate, plus, scaled

SERVERS, OTHER_EQUIPMENT = message("servers in the fullest rack"), message("switches and storage in the fullest rack")
OF_THE_LAYOUT = message("counted in the layout of the racks")
OF_A_FILL = message("servers per rack, at least one, at most all")


@dataclass(frozen=True, kw_only=True)
class Racked:
    """Hold the watts of the fullest rack and of everything, with the named inputs of both."""

    required: Estimate
    everything: Estimate
    servers: int
    inputs: dict[str, Estimate]

    @property
    def words(self) -> str:
        """Return the servers of that rack in words, with switches and storage if it holds any."""
        others = message(" with switches and storage") if OTHER_EQUIPMENT in self.inputs else ""
        return message("{servers} server{more}{others}", servers=self.servers, more="s" if self.servers != 1 else "", others=others)


def racked(context: Context, one: Estimate, *, watts: Literal["peak_w", "heat_w"]) -> Racked:
    """Return the fullest rack of the planned room, else one of servers alone; ``one`` is the watts of a server."""
    # The layout knows which rack also holds switches; without one a rack holds servers alone.
    found = fullest_of(context.room, one, watts=watts) if context.room else None
    everything = scaled(one, context.servers)
    if context.room is not None:
        everything = plus(everything, other_peak_w(context.room))
    if found is None:
        count = fullest_rack(context.servers_per_rack, num_servers=context.num_servers)
        inputs = {SERVERS: _filled(context, count)}
        return Racked(required=scaled(one, inputs[SERVERS]), everything=everything, servers=count, inputs=inputs)
    count, rest = found
    inputs = {SERVERS: record(_counted(count, OF_THE_LAYOUT), Derivation(None, (context.servers,), OF_THE_LAYOUT))}
    # A rack of servers alone has no such term in its formula.
    if rest:
        inputs[OTHER_EQUIPMENT] = estimate(
            rest, unit="W", basis="modelled", source=message("nameplates of the other equipment in it")
        )
    alone = scaled(one, inputs[SERVERS])
    required = plus(alone, inputs[OTHER_EQUIPMENT]) if rest else alone
    return Racked(required=required, everything=everything, servers=count, inputs=inputs)


def _filled(context: Context, count: int) -> Estimate:
    """Return the servers of a rack of servers alone; all of them where no rack is known to hold fewer."""
    fill = None if context.servers_per_rack is None else rack_fill(context.machine, context.site)
    inputs = (context.servers,) if fill is None else (context.servers, fill.counted)
    words = "{0}" if fill is None else "min({0}, max(1, {1}))"
    return record(_counted(count, OF_A_FILL), Derivation(words, inputs, OF_A_FILL))


def _counted(count: int, source: str) -> Estimate:
    return estimate(count, unit="servers", basis="modelled", source=source)

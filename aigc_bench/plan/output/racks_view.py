"""The racks of a purchase as rows: identical racks once with their number, what stands where, and the use of each limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.factors.base import TIGHT_BELOW
from aigc_bench.plan.output.money_view import housed
from aigc_bench.plan.placement.site_limits import site_for
from aigc_bench.plan.records.demand import Demand, Site
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.site.bill import Bill
from aigc_bench.plan.site.racks import Rack
from aigc_bench.plan.site.room import Room

TIGHT_FROM = 100 * (1 - TIGHT_BELOW)
"""Used per cent of a limit from which it is called tight."""


class PieceRow(Record):
    """A piece of equipment in a rack: its name, its category of the bill, and the rack units that it takes from ``bottom_u``."""

    name: Sentence
    category: str
    bottom_u: int
    height_u: int


class LimitRow(Record):
    """The use of one limit of a rack, in words and per cent; ``None`` where the limit is unknown."""

    name: Sentence
    words: Sentence
    used_percent: float | None


class RackRow(Record):
    """A kind of rack: how many there are, the number of the first, how it is cooled, its pieces and its limits."""

    count: int
    first: int
    cooling: str
    height_u: int
    used_u: int
    pieces: tuple[PieceRow, ...]
    limits: tuple[LimitRow, ...]


class UnplacedRow(Record):
    """Equipment that fits into no rack, and why."""

    count: int
    name: Sentence
    reason: Sentence


class RacksView(Record):
    """The racks of a purchase by room, and what could not be placed."""

    rooms: tuple[tuple[RackRow, ...], ...]
    unplaced: tuple[UnplacedRow, ...]


def racks_view(bought: Option | None, demand: Demand) -> RacksView | None:
    """Return the racks of a purchase; ``None`` where nothing is bought, or nothing could be placed."""
    if bought is None:
        return None
    rooms = [(one.room, one.machine) for _, one in housed(bought) if one.room and one.machine]
    found = tuple(tuple(_kinds(room, site_for(bought.kind, machine, demand))) for room, machine in rooms)
    unplaced = tuple(
        UnplacedRow(count=gap.count, name=gap.name, reason=gap.reason) for room, _ in rooms for gap in room.layout.unplaced
    )
    return RacksView(rooms=found, unplaced=unplaced) if any(found) else None


def _kinds(room: Room, site: Site) -> Iterator[RackRow]:
    """Yield one row for every kind of rack, in order."""
    groups: dict[tuple[tuple[int, str], ...], list[Rack]] = {}
    for rack in room.layout.racks:
        # Racks are alike where the same pieces stand at the same heights; names and numbers may differ.
        groups.setdefault(tuple((one.bottom_u, one.key) for one in rack.positions), []).append(rack)
    for racks in groups.values():
        yield _row(racks, room.bill, site)


def _row(racks: Sequence[Rack], bill: Bill, site: Site) -> RackRow:
    rack, kinds = racks[0], {line.key: line.category for line in bill.lines}
    return RackRow(
        count=len(racks),
        first=rack.index,
        cooling=rack.cooling.replace("_", " "),
        height_u=rack.height_u,
        used_u=rack.used_u,
        pieces=tuple(
            PieceRow(name=one.name, category=kinds.get(one.key, ""), bottom_u=one.bottom_u, height_u=one.height_u)
            for one in rack.positions
        ),
        limits=tuple(_limits(rack, bill, site)),
    )


def _limits(rack: Rack, bill: Bill, site: Site) -> Iterator[LimitRow]:
    """Yield the use of each limit of the rack. Equipment of unknown weight is left out of the weight."""
    feed, heat = site.amount("rack_power_w"), site.amount("rack_cooling_w")
    unknown = {line.key for line in bill.lines if line.weight_kg is None}
    least = message("at least ") if any(one.key in unknown for one in rack.positions) else ""
    yield _of(message("Power"), rack.peak_w, feed.value if feed else None)
    yield _of(message("Design heat"), rack.heat_w, heat.value if heat else None)
    yield LimitRow(
        name=message("Height"),
        words=message("{used} of {height} U", used=rack.used_u, height=rack.height_u),
        used_percent=round(100 * rack.used_u / rack.height_u, 1),
    )
    weight = message("{least}{weight:,.0f} kg", least=least, weight=rack.weight_kg)
    yield LimitRow(name=message("Weight"), words=weight, used_percent=None)


def _of(name: str, watts: float, limit: float | None) -> LimitRow:
    if limit is None:
        return LimitRow(name=name, words=message("{watts:,.1f} kW", watts=watts / 1000), used_percent=None)
    words = message("{used:,.1f} of {limit:,.1f} kW", used=watts / 1000, limit=limit / 1000)
    return LimitRow(name=name, words=words, used_percent=round(min(100.0, 100 * watts / limit), 1))

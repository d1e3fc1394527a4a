"""Rack layout: equipment placed under limits of watts, heat, rack units and kilograms, with a position for a drawing.

Nodes fill rack after rack from the floor up; the heaviest are placed first, so they are lowest. Switches and management go into
the top of the racks that have room, one per rack in turn, then into racks of their own. Items of one kind are identical, so a rack
that refused one never takes another: the layout takes time in proportion to items + racks.

The floor carries ``rack + equipment`` on the area of one rack with its share of the aisles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from pydantic import Field

from aigc_bench.catalog.records import CoolingMethod
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.site.bill import BillLine

Limit = Literal["power", "cooling", "height", "weight", "floor", "racks"]
TOLERANCE = 1e-9
MOST_PIECES = 10_000
"""Maximum pieces of one thing in a layout: larger rooms do not exist, and would need a fourth level of switches."""
OWN_RACK_U = 42
"""Equipment of this height or more is a rack itself (a GB200 NVL72 is delivered as one)."""


class RackLimits(Record):
    """Limits of one rack: power, heat, height and weight; ``None`` where there is no limit.

    ``reserved_u`` is left free for patch panels. ``floor_kg`` is the allowed load under one rack. ``own_rack_cooling_w`` is for
    equipment that is a rack itself and comes with its manifolds.
    """

    height_u: int = Field(default=48, gt=0)
    reserved_u: int = Field(default=2, ge=0)
    power_w: float | None = Field(default=None, gt=0)
    cooling_w: float | None = Field(default=None, gt=0)
    own_rack_cooling_w: float | None = Field(default=None, gt=0)
    load_kg: float | None = Field(default=None, gt=0)
    floor_kg: float | None = Field(default=None, gt=0)
    empty_kg: float = Field(default=0.0, ge=0)
    max_racks: int | None = Field(default=None, ge=0)


class Position(Record):
    """One piece of equipment: ``bottom_u`` is the lowest rack unit it fills, counted from 1."""

    key: str
    name: Sentence
    bottom_u: int
    height_u: int


class Rack(Record):
    """One rack with all its equipment; ``weight_kg`` contains the empty rack. ``cooling`` is of its nodes."""

    index: int
    cooling: CoolingMethod
    positions: tuple[Position, ...]
    height_u: int
    used_u: int
    peak_w: float
    heat_w: float
    weight_kg: float


class Unplaced(Record):
    """Equipment that could not be placed, and the limit that forbids it; ``None`` where its height is not known."""

    key: str
    name: Sentence
    count: int
    limit: Limit | None
    reason: Sentence


class Layout(Record):
    """All racks, and the unplaced equipment."""

    racks: tuple[Rack, ...]
    unplaced: tuple[Unplaced, ...] = ()
    notes: tuple[Sentence, ...] = ()


class _Space:
    """A rack while it is filled."""

    def __init__(self, *, limits: RackLimits, cooling: CoolingMethod, is_own: bool = False) -> None:
        self.limits, self.cooling = limits, cooling
        self.height_u = limits.height_u
        self.free_u = limits.height_u - (0 if is_own else limits.reserved_u)
        # Switches fill from the top down, servers from the floor up.
        self.top_u = self.free_u
        self.bottom_u = 1
        self.peak_w = self.heat_w = 0.0
        self.load_kg = 0.0
        self.empty_kg = 0.0 if is_own else limits.empty_kg
        self.positions: list[Position] = []
        self.most_w, self.most_heat_w = _most(limits.power_w), _most(limits.cooling_w)
        self.most_kg, self.most_floor_kg = _most(limits.load_kg), _most(limits.floor_kg)

    def refuses(self, line: BillLine) -> Limit | None:
        """Return the first limit that one more of ``line`` would break."""
        weight = self.load_kg + (line.weight_kg or 0.0)
        # The order decides which limit a refusal names. Asked a million times for a hall of a thousand servers, so no tuples.
        if _units(line) > self.free_u:
            return "height"
        if self.peak_w + (line.peak_w or 0.0) > self.most_w:
            return "power"
        if self.heat_w + (line.heat_w or 0.0) > self.most_heat_w:
            return "cooling"
        if weight > self.most_kg:
            return "weight"
        return "floor" if weight + self.empty_kg > self.most_floor_kg else None

    def add(self, line: BillLine, *, at_top: bool = False) -> None:
        """Place one of ``line`` at the lowest free unit, or at the highest."""
        units = _units(line)
        bottom = self.top_u - units + 1 if at_top else self.bottom_u
        if at_top:
            self.top_u -= units
        else:
            self.bottom_u += units
        self.positions.append(_position(line.key, line.name, bottom, units))
        self.free_u -= units
        self.peak_w += line.peak_w or 0.0
        self.heat_w += line.heat_w or 0.0
        self.load_kg += line.weight_kg or 0.0

    def done(self, index: int) -> Rack:
        """Return the rack as a record, numbered from 1."""
        return Rack(
            index=index,
            cooling=self.cooling,
            positions=tuple(sorted(self.positions, key=lambda position: position.bottom_u)),
            height_u=self.height_u,
            used_u=sum(position.height_u for position in self.positions),
            peak_w=self.peak_w,
            heat_w=self.heat_w,
            weight_kg=self.load_kg + self.empty_kg,
        )


def _most(limit: float | None) -> float:
    """Return a limit with its tolerance; infinite where there is none."""
    return math.inf if limit is None else limit * (1 + TOLERANCE)


@lru_cache(maxsize=4096)
def _position(key: str, name: str, bottom_u: int, height_u: int) -> Position:
    """Return a place in a rack; the racks of a hall repeat a few of them."""
    return Position(key=key, name=name, bottom_u=bottom_u, height_u=height_u)


def lay_out(lines: Sequence[BillLine], *, limits: RackLimits) -> Layout:
    """Return racks for every line that has a height; lines of cables, NICs and spares take no rack space and are skipped.

    Nodes and storage of different cooling methods never share a rack. Equipment that fits no empty rack, or no further rack of the
    site, is reported with the limit that forbids it.
    """
    placeable = [line for line in lines if line.category in ("node", "storage", "switch") and line.count]
    # Heaviest first, so that they stand lowest.
    nodes = sorted((line for line in placeable if line.category != "switch"), key=lambda line: (-(line.weight_kg or 0), line.key))
    switches = [line for line in placeable if line.category == "switch"]
    spaces: list[_Space] = []
    unplaced: list[Unplaced] = []
    for line in nodes:
        left, limit = _fill(line, spaces=spaces, limits=limits)
        unplaced += _report(line, left=left, limit=limit, limits=limits)
    for line in switches:
        left = _spread(line, spaces=spaces, limits=limits)
        left, limit = _fill(line, spaces=spaces, limits=limits, count=left)
        unplaced += _report(line, left=left, limit=limit, limits=limits)
    racks = tuple(space.done(index) for index, space in enumerate(spaces, start=1))
    return Layout(racks=racks, unplaced=tuple(unplaced), notes=_notes(placeable))


def _fill(line: BillLine, *, spaces: list[_Space], limits: RackLimits, count: int | None = None) -> tuple[int, Limit | None]:
    """Place all of a line into racks of its cooling method, opening new ones; return the rest and what stopped it."""
    left = line.count if count is None else count
    if left > MOST_PIECES:
        return left, "racks"
    if not left or line.rack_units is None:
        return left, None
    for space in [space for space in spaces if space.cooling == line.cooling and space.height_u == limits.height_u]:
        left = _packed(line, left, space)
    while left:
        if limits.max_racks is not None and len(spaces) >= limits.max_racks:
            return left, "racks"
        space = _new_space(line, limits=limits)
        refusal = space.refuses(line)
        # What does not fit an empty rack fits none.
        if refusal is not None:
            return left, refusal
        left = _packed(line, left, space)
        spaces.append(space)
    return 0, None


def _packed(line: BillLine, left: int, space: _Space) -> int:
    """Put as many pieces of a line into a rack as it takes; return the rest."""
    # Pieces of a line are identical: the first refusal holds for all of them.
    while left and space.refuses(line) is None:
        space.add(line)
        left -= 1
    return left


def _new_space(line: BillLine, *, limits: RackLimits) -> _Space:
    """Return an empty rack, or the equipment's own where it is a rack itself."""
    if line.rack_units is not None and line.rack_units >= OWN_RACK_U:
        cooling_w = limits.own_rack_cooling_w or limits.cooling_w
        own = limits.model_copy(update={"height_u": _units(line), "reserved_u": 0, "cooling_w": cooling_w, "load_kg": None})
        return _Space(limits=own, cooling=line.cooling, is_own=True)
    return _Space(limits=limits, cooling=line.cooling)


def _spread(line: BillLine, *, spaces: list[_Space], limits: RackLimits) -> int:
    """Place one switch into the top of each rack in turn while any takes one; return the rest.

    Switches are air-cooled, so a rack of immersed nodes takes none.
    """
    left = line.count
    if left > MOST_PIECES:
        return left
    open_spaces = [space for space in spaces if space.cooling != "immersion"]
    while left and open_spaces and line.rack_units is not None:
        still_open = []
        for space in open_spaces:
            if left and space.refuses(line) is None:
                space.add(line, at_top=True)
                left -= 1
                still_open.append(space)
        open_spaces = still_open
    return left


def _report(line: BillLine, *, left: int, limit: Limit | None, limits: RackLimits) -> list[Unplaced]:
    if not left:
        return []
    if left > MOST_PIECES:
        reason = message("one room holds at most {most_pieces:,} of a kind", most_pieces=MOST_PIECES)
    elif line.rack_units is None:
        reason, limit = message("its height is not in the catalogue"), None
    elif limit == "racks":
        reason = message("the site's {max_racks} racks are full", max_racks=limits.max_racks)
    else:
        assert limit is not None, "the rest was refused by a limit"
        reason = _why(line, limit=limit, limits=_new_space(line, limits=limits).limits)
    return [Unplaced(key=line.key, name=line.name, count=left, limit=limit, reason=reason)]


def _why(line: BillLine, *, limit: Limit, limits: RackLimits) -> str:
    """Return what one of them needs against the capacity of an empty rack."""
    needed, available, unit = {
        "power": (line.peak_w, limits.power_w, "W"),
        "cooling": (line.heat_w, limits.cooling_w, message("W of heat")),
        "height": (line.rack_units, limits.height_u - limits.reserved_u, "U"),
        "weight": (line.weight_kg, limits.load_kg, "kg"),
        "floor": ((line.weight_kg or 0.0) + limits.empty_kg, limits.floor_kg, message("kg with its rack")),
    }[limit]
    return message(
        "one needs {needed:,.0f} {unit}, an empty rack offers {available:,.0f}",
        needed=needed or 0,
        unit=unit,
        available=available or 0,
    )


def _notes(lines: Sequence[BillLine]) -> tuple[str, ...]:
    unknown = [line.name for line in lines if line.weight_kg is None]
    return (
        (message("weight not in the catalogue, left out of the floor load: {unknown}", unknown=", ".join(unknown)),)
        if unknown
        else ()
    )


def _units(line: BillLine) -> int:
    assert line.rack_units is not None, "only equipment with a height is placed"
    return math.ceil(line.rack_units)

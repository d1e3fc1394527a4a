"""Draw the racks from the front, to scale from the layout; identical racks are drawn once with their number."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aigc_bench.core.messages import message, translated
from aigc_bench.plan.factors.base import TIGHT_BELOW
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.output.money_view import housed
from aigc_bench.plan.placement.site_limits import site_for
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.site.bill import Bill
from aigc_bench.plan.site.racks import Position, Rack
from aigc_bench.plan.site.room import Room
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-racks"
TITLE = message("Racks")
# 8 px a rack unit (44.45 mm): a 19-inch rack to scale would be 87 px wide, too narrow for names.
UNIT_PX, WIDTH_PX, FRAME_PX = 8, 190, 6
CLASSES = {"node": "c1", "switch": "c2", "storage": "c5"}
CHARS = 27
"""Characters of a name that fit into a rack."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Hold one drawing: the number of identical racks, their use of each limit, and their cooling."""

    svg: Markup
    count: int
    first: int
    limits: tuple[tuple[str, str, float | None], ...]
    words: str


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing is bought, or nothing could be placed."""
    view, bought = page.view, page.view.bought
    found = []
    if bought is not None:
        demand = view.plan.demand
        rooms = [(one, one.room, one.machine) for _, one in housed(bought) if one.room and one.machine]
        found = [(one, drawings(room, site_for(bought.kind, machine, demand))) for one, room, machine in rooms]
    if bought is None or not any(drawn for _, drawn in found):
        return None
    unplaced = [gap for one, _ in found if one.room for gap in one.room.layout.unplaced]
    values = {
        "found": found,
        "unplaced": unplaced,
        "what": describe(bought),
        "is_instead": bought is not view.best,
        "tight_from": 100 * (1 - TIGHT_BELOW),
    }
    return template("plan_racks.html.j2", values)


def drawings(room: Room, site: Site) -> list[Drawn]:
    """Return one drawing for every kind of rack, in order."""
    groups: dict[tuple[tuple[int, str], ...], list[Rack]] = {}
    for rack in room.layout.racks:
        # Racks are alike where the same pieces stand at the same heights; names and numbers may differ.
        groups.setdefault(tuple((one.bottom_u, one.key) for one in rack.positions), []).append(rack)
    return [_drawn(racks, room.bill, site) for racks in groups.values()]


def _drawn(racks: Sequence[Rack], bill: Bill, site: Site) -> Drawn:
    rack = racks[0]
    limits = tuple(limits_of(rack, bill, site))
    return Drawn(svg=elevation(rack, bill), count=len(racks), first=rack.index, limits=limits, words=rack.cooling.replace("_", " "))


def limits_of(rack: Rack, bill: Bill, site: Site) -> Iterator[tuple[str, str, float | None]]:
    """Yield the use of each limit of the rack: name, words, and per cent. Equipment of unknown weight is left out."""
    feed, heat = site.amount("rack_power_w"), site.amount("rack_cooling_w")
    unknown = {line.key for line in bill.lines if line.weight_kg is None}
    least = message("at least ") if any(one.key in unknown for one in rack.positions) else ""
    yield message("Power"), *_of(rack.peak_w, feed.value if feed else None)
    yield message("Design heat"), *_of(rack.heat_w, heat.value if heat else None)
    yield (
        message("Height"),
        message("{used} of {height} U", used=rack.used_u, height=rack.height_u),
        round(100 * rack.used_u / rack.height_u, 1),
    )
    yield message("Weight"), message("{least}{weight:,.0f} kg", least=least, weight=rack.weight_kg), None


def _of(watts: float, limit: float | None) -> tuple[str, float | None]:
    if limit is None:
        return f"{watts / 1000:,.1f} kW", None
    words = message("{used:,.1f} of {limit:,.1f} kW", used=watts / 1000, limit=limit / 1000)
    return words, round(min(100.0, 100 * watts / limit), 1)


def elevation(rack: Rack, bill: Bill) -> Markup:
    """Return the rack from the front as SVG, unit 1 at the bottom."""
    height = rack.height_u * UNIT_PX + 2 * FRAME_PX
    width = WIDTH_PX + 2 * FRAME_PX + 22
    kinds = {line.key: line.category for line in bill.lines}
    parts = [_piece(one, rack=rack, color=CLASSES.get(kinds.get(one.key, ""), "c8")) for one in rack.positions]
    ticks = [
        f'<text x="18" y="{FRAME_PX + (rack.height_u - unit + 1) * UNIT_PX - 1}" class="tick" text-anchor="end">{unit}</text>'
        for unit in range(1, rack.height_u + 1)
        # Every sixth unit is labelled, as racks have 42 or 48.
        if unit == 1 or unit % 6 == 0
    ]
    frame = f'<rect x="22" y="0" width="{WIDTH_PX + 2 * FRAME_PX}" height="{height}" rx="4" class="frame-of-rack"/>'
    title = html.escape(
        translated(
            message(
                "Rack with {pieces} pieces, {used} of {height} rack units used",
                pieces=len(rack.positions),
                used=rack.used_u,
                height=rack.height_u,
            )
        )
    )
    return Markup(
        f'<svg class="rack" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{title}">'
        f"{frame}{''.join(ticks)}{''.join(parts)}</svg>"
    )


def _piece(one: Position, *, rack: Rack, color: str) -> str:
    # SVG counts from the top, racks from the bottom; 22 px on the left are for the numbers.
    x, y = 22 + FRAME_PX, FRAME_PX + (rack.height_u - one.bottom_u - one.height_u + 1) * UNIT_PX
    tall = one.height_u * UNIT_PX
    name = one.name if len(one.name) <= CHARS else f"{one.name[: CHARS - 1]}…"
    title = message("{name}, {height} U at unit {unit}", name=one.name, height=one.height_u, unit=one.bottom_u)
    # A font that fits one unit of 8 px.
    size = 7 if one.height_u == 1 else 11
    # 0.36 of the size below the middle puts capitals in the centre: SVG places text by its baseline.
    place = f'x="{x + WIDTH_PX / 2}" y="{y + tall / 2 + size * 0.36:.1f}" font-size="{size}" text-anchor="middle"'
    label = f"<text {place}>{html.escape(name)}</text>"
    return (
        f'<g class="piece {color}"><title>{html.escape(translated(title))}</title>'
        f'<rect x="{x}" y="{y + 0.5}" width="{WIDTH_PX}" height="{tall - 1}" rx="1.5"/>{label}</g>'
    )

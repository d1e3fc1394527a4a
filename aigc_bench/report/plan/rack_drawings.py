"""Draw the racks from the front, to scale from the layout; identical racks are drawn once with their number."""

from __future__ import annotations

import html

from markupsafe import Markup

from aigc_bench.core.messages import message, translated
from aigc_bench.plan.output.racks_view import TIGHT_FROM, PieceRow, RackRow
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-racks"
TITLE = message("Racks")
# 8 px a rack unit (44.45 mm): a 19-inch rack to scale would be 87 px wide, too narrow for names.
UNIT_PX, WIDTH_PX, FRAME_PX = 8, 190, 6
CLASSES = {"node": "c1", "switch": "c2", "storage": "c5"}
CHARS = 27
"""Characters of a name that fit into a rack."""


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing is bought, or nothing could be placed."""
    view, racks = page.view, page.view.racks
    if racks is None:
        return None
    values = {
        "rooms": [[(one, elevation(one)) for one in room] for room in racks.rooms],
        "unplaced": racks.unplaced,
        "what": view.bought_what,
        "is_instead": view.bought is not view.best,
        "tight_from": TIGHT_FROM,
    }
    return template("plan_racks.html.j2", values)


def elevation(rack: RackRow) -> Markup:
    """Return the rack from the front as SVG, unit 1 at the bottom."""
    height = rack.height_u * UNIT_PX + 2 * FRAME_PX
    width = WIDTH_PX + 2 * FRAME_PX + 22
    parts = [_piece(one, rack=rack, color=CLASSES.get(one.category, "c8")) for one in rack.pieces]
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
                pieces=len(rack.pieces),
                used=rack.used_u,
                height=rack.height_u,
            )
        )
    )
    return Markup(
        f'<svg class="rack" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{title}">'
        f"{frame}{''.join(ticks)}{''.join(parts)}</svg>"
    )


def _piece(one: PieceRow, *, rack: RackRow, color: str) -> str:
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

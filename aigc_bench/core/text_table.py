"""Rows as aligned columns of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core.messages import looked_up, translated
from aigc_bench.core.text_wrap import cells, wrap
from aigc_bench.core.visible import visible

LEAST_COLUMN = 24
"""Narrowest last column that is wrapped; below it, a line that is too long reads better."""


def aligned(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = (), most: int | None = None) -> list[str]:
    """Return a heading and the rows, of equal keys, as lines; the columns named in ``right`` are aligned to the right.

    Columns are two spaces apart. If lines are wider than ``most``, the last column is wrapped where that leaves it room.
    """
    if not rows:
        return []
    columns = list(rows[0])
    heads = {name: looked_up(name).upper() for name in columns}
    table = (heads, *({name: visible(translated(row[name])) for name in columns} for row in rows))
    widths = {name: max(cells(row[name]) for row in table) for name in columns}
    *before, last = columns
    room = None if most is None else most - sum(widths[name] + 2 for name in before)
    lines = []
    for row in table:
        start = "".join(f"{_padded(row[name], widths[name], is_right=name in right)}  " for name in before)
        end = _padded(row[last], widths[last], is_right=last in right).rstrip()
        lines += _wrapped(start, end, room=room)
    return lines


def _wrapped(start: str, end: str, *, room: int | None) -> list[str]:
    """Return a line, its end continued below itself if it is wider than ``room``."""
    if room is None or room < LEAST_COLUMN or cells(end) <= room:
        return [f"{start}{end}".rstrip()]
    first, *others = wrap(end, room)
    return [f"{start}{first}", *(" " * cells(start) + other for other in others)]


def _padded(text: str, width: int, *, is_right: bool) -> str:
    space = " " * (width - cells(text))
    return f"{space}{text}" if is_right else f"{text}{space}"

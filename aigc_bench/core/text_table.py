"""Rows as aligned columns of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core.visible import visible


def aligned(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> list[str]:
    """Return a heading and the rows, of equal keys, as lines; the columns named in ``right`` are aligned to the right."""
    if not rows:
        return []
    columns = list(rows[0])
    shown = [{name: visible(row[name]) for name in columns} for row in rows]
    widths = {name: max(len(name), *(len(row[name]) for row in shown)) for name in columns}
    table = ({name: name.upper() for name in columns}, *shown)
    cells = (
        [row[name].rjust(widths[name]) if name in right else row[name].ljust(widths[name]) for name in columns] for row in table
    )
    return ["  ".join(row).rstrip() for row in cells]

"""Print several plans next to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.cli.output import print_table, wrapped
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message, translated

if TYPE_CHECKING:
    from aigc_bench.plan.output.side_by_side_view import SideBySideView


def print_plans(view: SideBySideView) -> None:
    """Print what each plan recommends, then a table of their numbers with ratios to the first plan."""
    for name, what in zip(view.names, view.recommended, strict=True):
        words = message("no option is accepted") if what is None else translated(what)
        say(*wrapped(f"{name}: {words}", indent=0))
    say()
    table = []
    for row in view.rows:
        cells = [row.cells[0]]
        for cell, ratio in zip(row.cells[1:], row.ratios[1:], strict=True):
            cells.append(cell if ratio is None else message("{cell} ({ratio:.2f}x)", cell=cell, ratio=ratio))
        table.append({"": translated(row.title), **dict(zip(view.names, cells, strict=True))})
    print_table(table, right=view.names)

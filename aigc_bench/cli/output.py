"""How results are printed: aligned text for people, JSON for programs."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.streams import is_utf8
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.visible import visible

if TYPE_CHECKING:
    from aigc_bench.analyze.rows import CaseSummary
    from aigc_bench.core.records import MetricRow

USUAL_WIDTH = 108
LEAST_WIDTH = 60
LEAST_COLUMN = 24
"""Characters of a last column below which wrapping it is worse than a line that is too long."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON; a number that JSON cannot write (infinity) is an error.

    Where stdout is not UTF-8, what it could not write is escaped as JSON escapes it, so that nothing is lost.
    """
    from aigc_bench.core.json_text import json_text

    say_document(json_text(value, is_ascii=sys.stdout is not None and not is_utf8(sys.stdout)))


def width(usual: int = USUAL_WIDTH) -> int:
    """Characters of a line: as many as the terminal has, at most ``usual``; ``usual`` where the output goes elsewhere."""
    return max(LEAST_WIDTH, min(usual, _columns() or usual))


def _columns() -> int | None:
    """Columns of the terminal, or as many as ``COLUMNS`` says; ``None`` where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if "COLUMNS" in os.environ or sys.stdout.isatty() else None


def wrapped(text: str, *, indent: int, hang: int | None = None) -> list[str]:
    """Lines of a text behind ``indent`` spaces, those after the first behind ``hang``, two more where it is not given."""
    first, rest = " " * indent, " " * (indent + 2 if hang is None else hang)
    shown = visible(text)
    return textwrap.wrap(shown, width=width(), initial_indent=first, subsequent_indent=rest, break_long_words=False) or [first]


def print_table(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> None:
    """Rows of equal keys as aligned columns with a heading; the columns named in ``right`` are aligned to the right.

    In a terminal that is too narrow the last column is wrapped below itself.
    """
    if not rows:
        return
    columns = list(rows[0])
    shown = [{name: visible(row[name]) for name in columns} for row in rows]
    widths = {name: max(len(name), *(len(row[name]) for row in shown)) for name in columns}
    for row in ({name: name.upper() for name in columns}, *shown):
        cells = [row[name].rjust(widths[name]) if name in right else row[name].ljust(widths[name]) for name in columns]
        at = sum(widths[name] + 2 for name in columns[:-1])
        say(*_fitted("  ".join(cells).rstrip(), at=at))


def _fitted(line: str, *, at: int) -> list[str]:
    """The line, its last column wrapped from ``at`` on where the terminal is narrower and leaves it room."""
    room = (_columns() or 0) - at
    if len(line) <= at + room or room < LEAST_COLUMN:
        return [line]
    head, *others = textwrap.wrap(line[at:], width=room, break_long_words=False) or [""]
    return [line[:at] + head, *(" " * at + other for other in others)]


def number_cells(row: MetricRow, *, told: Collection[str]) -> dict[str, str]:
    """A measured or predicted number as cells, without the reasons that were ``told`` of all numbers."""
    from aigc_bench.core.units import quantity

    return {
        "metric": row.metric,
        "value": quantity(row.value, row.unit),
        "low": quantity(row.low, row.unit),
        "high": quantity(row.high, row.unit),
        "n": str(row.n),
        "basis": row.basis,
        "verdict": row.verdict,
        "further reasons": ", ".join(code for code in row.reasons if code not in told),
    }


def headline(summary: CaseSummary) -> str:
    """How a case fared in a few words: ``ok, 3 of 3 trials, valid`` or ``oom: the kernel killed the worker ...``."""
    told = [f"{summary.status}, {summary.num_finished} of {summary.num_asked} trials"]
    if summary.verdict is not None:
        told.append(summary.verdict)
    if summary.reasons:
        told.append(f"({', '.join(summary.reasons)})")
    return "  ".join(told) if summary.error is None else f"{'  '.join(told)}: {summary.error.message}"

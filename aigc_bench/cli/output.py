"""Print results: aligned text for people, JSON for programs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.streams import is_utf8
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.messages import joined, message, translated
from aigc_bench.core.text_table import aligned
from aigc_bench.core.text_wrap import wrap
from aigc_bench.core.visible import visible

if TYPE_CHECKING:
    from aigc_bench.analyze.rows import CaseSummary
    from aigc_bench.core.records import MetricRow

USUAL_WIDTH = 108
LEAST_WIDTH = 60
json_option = click.option("--json", "as_json", is_flag=True, help=message("Print JSON instead of a table."))


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON; a number that JSON cannot write (infinity) is an error.

    Where stdout is not UTF-8, characters that it cannot write are escaped as JSON escapes them, so that nothing is lost.
    """
    from aigc_bench.core.json_text import json_text

    say_document(json_text(value, is_ascii=sys.stdout is not None and not is_utf8(sys.stdout)))


def width(usual: int = USUAL_WIDTH) -> int:
    """Return the characters of a line: those of the terminal, at most ``usual``; ``usual`` if the output is not a terminal."""
    # Not the whole of a wide terminal: long lines are hard to read.
    return max(LEAST_WIDTH, min(usual, _columns() or usual))


def _columns() -> int | None:
    """Return the columns of the terminal, or of ``COLUMNS``; ``None`` if the output is not a terminal."""
    # get_terminal_size invents 80 where there is no terminal; a file or pipe gets the usual width instead.
    return shutil.get_terminal_size().columns if "COLUMNS" in os.environ or sys.stdout.isatty() else None


def wrapped(text: str, *, indent: int, hang: int | None = None) -> list[str]:
    """Return a text as lines indented by ``indent`` spaces, those after the first by ``hang`` (default: two more)."""
    first, rest = " " * indent, " " * (indent + 2 if hang is None else hang)
    # Escaped before wrapping: an escape is longer than the character that it stands for.
    shown = visible(translated(text))
    return wrap(shown, width(), initial_indent=first, subsequent_indent=rest) or [first]


def print_table(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> None:
    """Print rows of equal keys as aligned columns with a heading; the columns named in ``right`` are aligned to the right.

    In a terminal that is too narrow, the last column is wrapped.
    """
    if rows:
        say(*aligned(rows, right=right, most=_columns()))


def number_cells(row: MetricRow, *, shared: Collection[str]) -> dict[str, str]:
    """Return a measured or predicted number as cells, without the reasons that all numbers ``shared``."""
    from aigc_bench.core.units import quantity

    return {
        message("metric"): row.metric,
        message("value"): quantity(row.value, row.unit),
        message("low"): quantity(row.low, row.unit),
        message("high"): quantity(row.high, row.unit),
        message("n"): str(row.n),
        message("basis"): row.basis,
        message("verdict"): row.verdict,
        message("further reasons"): ", ".join(code for code in row.reasons if code not in shared),
    }


def headline(summary: CaseSummary) -> str:
    """Return the outcome of a case in a few words: ``ok, 3 of 3 trials, valid`` or ``oom: the kernel killed the worker ...``."""
    words = [
        message(
            "{status}, {num_finished} of {num_asked} trials",
            status=summary.status,
            num_finished=summary.num_finished,
            num_asked=summary.num_asked,
        )
    ]
    if summary.verdict is not None:
        words.append(summary.verdict)
    if summary.reasons:
        words.append(f"({', '.join(summary.reasons)})")
    outcome = joined("  ", words)
    return outcome if summary.error is None else message("{outcome}: {problem}", outcome=outcome, problem=summary.error.message)

"""How results are printed: aligned text for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.system_errors import is_utf8

if TYPE_CHECKING:
    from aigc_bench.analyze.rows import CaseSummary

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def print_json(value: Any) -> None:
    """``value`` as indented JSON on stdout; a number that JSON cannot write (infinity) is an error.

    Where stdout is not UTF-8, what it could not write is escaped as JSON escapes it, so that nothing is lost.
    """
    click.echo(json.dumps(value, indent=2, ensure_ascii=sys.stdout is not None and not is_utf8(sys.stdout), allow_nan=False))


def print_table(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> None:
    """Rows of equal keys as aligned columns with a heading; the columns named in ``right`` are aligned to the right."""
    if not rows:
        return
    columns = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    for row in ({name: name.upper() for name in columns}, *rows):
        cells = (row[name].rjust(widths[name]) if name in right else row[name].ljust(widths[name]) for name in columns)
        click.echo("  ".join(cells).rstrip())


def headline(summary: CaseSummary) -> str:
    """How a case fared in a few words: ``ok, 3 of 3 trials, valid`` or ``oom: the kernel killed the worker ...``."""
    told = [f"{summary.status}, {summary.num_finished} of {summary.num_asked} trials"]
    if summary.verdict is not None:
        told.append(summary.verdict)
    if summary.reasons:
        told.append(f"({', '.join(summary.reasons)})")
    return "  ".join(told) if summary.error is None else f"{'  '.join(told)}: {summary.error.message}"

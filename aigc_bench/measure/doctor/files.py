"""Checks of the user's own files: rows of the catalogue that no command can use, or only some."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.catalog.overrides import REMEDY, usable_overrides, user_files
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import Check
from aigc_bench.measure.doctor.finding import absent, failure, ok

NAME = message("own catalogue")


def checks() -> Sequence[Check]:
    """One failure for each file of the catalogue folder that holds a mistake, and how many rows the others give."""
    files = user_files()
    if not files:
        return [absent(NAME, message("no files of your own"))]
    rows, broken = usable_overrides(files)
    found = [
        failure(NAME, _mistakes(lines), remedy=message("{remedy}; plan, predict, validate and list do not.", remedy=REMEDY))
        for lines in broken.values()
    ]
    if len(broken) < len(files):
        num_rows = sum(len(table) for table in rows.values())
        found.append(ok(NAME, f"{_counted(len(files) - len(broken), 'file')}, {_counted(num_rows, 'row')}"))
    return found


def _mistakes(lines: Sequence[str]) -> str:
    return (
        lines[0]
        if len(lines) == 1
        else message("{lines}, and {num_more} more", lines=lines[0].rstrip("."), num_more=len(lines) - 1)
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

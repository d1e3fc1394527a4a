"""Read a trace of arrivals that a demand file names: a table with the column ``arrival_s``, one request per row."""

from __future__ import annotations

from pathlib import Path

from aigc_bench.core.errors import UsageError
from aigc_bench.core.numbers import parse_number
from aigc_bench.core.table_file import read_table

COLUMN = "arrival_s"


def read_arrivals(file: Path) -> list[float]:
    """Return the arrival times of a trace in rising order, in seconds from the first.

    Raises ``UsageError`` with the line of a cell that is not a time, or if there are fewer than two distinct times.
    """
    table = read_table(file, required=(COLUMN,), hint="Write one request per row, in seconds from any start.")
    found: list[float] = []
    for row in table.rows:
        try:
            if row.problem is not None:
                raise ValueError(f"row {row.problem}")
            found.append(parse_number(row.cells[COLUMN], commas=table.commas, suffix=False))
        except ValueError as problem:
            said = str(problem) if row.problem else f"{COLUMN} {row.cells[COLUMN][:40]!r} {problem}"
            raise UsageError(f"{file}: line {row.line}: {said}.", "Write one request per row, in seconds from any start.") from None
    found.sort()
    if len(found) < 2 or found[-1] <= found[0]:
        raise UsageError(f"{file}: needs requests at two different times at least.")
    return [moment - found[0] for moment in found]

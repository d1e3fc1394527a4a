"""The table of docs/reliability.md: fault, expected, seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- faults -->\n", "<!-- /faults -->"
_HEAD = "| fault | expected | seen |\n|---|---|---|\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault."""

    fault: str
    expected: str
    seen: str


def write_rows(rows: Sequence[Row]) -> None:
    """Replace the table between its marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    lines = "".join(f"| {row.fault} | {row.expected} | {row.seen} |\n" for row in rows)
    PAGE.write_text(f"{before}{_BEGIN}{_HEAD}{lines}{_END}{after}", encoding="utf-8")


def read_rows() -> list[Row]:
    """The rows of the table as they stand."""
    table = PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [Row(fault=fault, expected=expected, seen=seen) for fault, expected, seen in cells]

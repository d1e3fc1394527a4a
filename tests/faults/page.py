"""The table of docs/reliability.md: fault, expected, seen."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

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
    """Put these rows into the table; faults that were not tried keep theirs, and those that no test declares any more go."""
    new, old = ({row.fault: row for row in some} for some in (rows, read_rows()))
    blank = [Row(fault=fault, expected=expected, seen="") for fault, expected in declared()]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    found = [new.get(row.fault) or old.get(row.fault) or row for row in blank]
    lines = "".join(f"| {row.fault} | {row.expected} | {row.seen} |\n" for row in found)
    PAGE.write_text(f"{before}{_BEGIN}{_HEAD}{lines}{_END}{after}", encoding="utf-8")


def declared() -> list[tuple[str, str]]:
    """Fault and expectation of every test, in the order of files and lines."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("test_*.py"))
    return [one for name in names for one in _declared(importlib.import_module(f"tests.faults.{name}"))]


def _declared(module: ModuleType) -> Iterator[tuple[str, str]]:
    tests = [test for name, test in vars(module).items() if name.startswith("test_") and inspect.isfunction(test)]
    for test in sorted(tests, key=lambda test: test.__code__.co_firstlineno):
        for mark in test.__dict__["pytestmark"]:
            cases = mark.args[1] if mark.name == "parametrize" else ()
            for found in (mark, *(inner for case in cases for inner in getattr(case, "marks", ()))):
                if found.name == "fault":
                    yield found.args[0], found.kwargs["expected"]


def read_rows() -> list[Row]:
    """The rows of the table as they stand."""
    table = PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [Row(fault=fault, expected=expected, seen=seen) for fault, expected, seen in cells]

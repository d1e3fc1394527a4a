"""Turns the cells of a data file into typed records. The one place where units of columns become SI fields."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.catalog.tables import Column, Table
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record

DATA = Path(__file__).parent / "data"
Cells = Mapping[str, str]
"""One row as text, by column; an empty cell is missing."""
Mistake = tuple[str, str]
"""A column and what is wrong with its cell."""


def read_cells(table: Table) -> dict[str, Cells]:
    """The shipped rows of a table as text, by id, in the order of the file."""
    rows = parse_csv((DATA / f"{table.name}.csv").read_text(encoding="utf-8"))
    cells = {key_of(row, table=table): row for row in rows}
    # Two rows of one id would be silent: the later one wins in a dict.
    assert len(cells) == len(rows), f"{table.name}.csv has two rows of one id"
    return cells


def parse_csv(text: str) -> list[Cells]:
    """The rows of a CSV text, cells stripped. Cells beyond the header are dropped."""
    reader = csv.DictReader(io.StringIO(text))
    # DictReader keeps cells beyond the header under None, and missing cells as None.
    return [{key: (value or "").strip() for key, value in row.items() if key is not None} for row in reader]


def columns(table: Table) -> tuple[str, ...]:
    """The columns that a row of this table may have."""
    # A record's field is no column where the file has it in another unit or name.
    renamed = {column.field.split(".")[0] for column in table.columns.values()}
    joined = {"ranges"} if table.record is AcceleratorSpec else set()
    return (*(name for name in table.record.model_fields if name not in renamed | joined), *table.columns)


def to_record(cells: Cells, *, table: Table) -> tuple[Record | None, list[Mistake]]:
    """The typed record of a row, or ``None`` and every mistake in it."""
    values, mistakes = _values(cells, table=table)
    try:
        record = table.record.model_validate(values)
    except ValidationError as error:
        known = {column for column, _ in mistakes}
        found = [(_column_of(table, problem["loc"]), _sentence(problem)) for problem in error.errors()]
        return None, mistakes + [mistake for mistake in found if mistake[0] not in known]
    return (None if mistakes else record), mistakes


def read_table(table: Table, rows: Iterable[Cells]) -> dict[str, Record]:
    """The records of shipped or already checked rows, by id. A mistake here is the programmer's."""
    records: dict[str, Record] = {}
    for cells in rows:
        record, mistakes = to_record(cells, table=table)
        assert record is not None, f"{table.name}.csv, {cells.get('id')}: {mistakes}"
        records[key_of(cells, table=table)] = record
    return records


def is_unverified(source: str) -> bool:
    """Return whether a source states that it is not a document."""
    return "unverified" in source


def key_of(cells: Cells, *, table: Table) -> str:
    """The id of a row; of a range, which is one of several of an accelerator, with its column."""
    return f"{cells['id']}.{cells['column']}" if table.name == "accelerator_ranges" else cells["id"]


def _values(cells: Cells, *, table: Table) -> tuple[dict[str, Any], list[Mistake]]:
    """The nested field values of a row in SI units, and the cells that are no numbers."""
    values: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for name, text in cells.items():
        # An empty cell is missing, which the record's default says.
        if text == "":
            continue
        column = table.columns.get(name, Column(field=name))
        value = _number(text, column=column) if column.is_number else text
        if value is None:
            mistakes.append((name, message("must be a number, not {text!r}", text=text)))
            continue
        outer, _, inner = column.field.partition(".")
        if inner:
            values.setdefault(outer, {})[inner] = value
        else:
            values[outer] = value
    _complete_price(values)
    return values, mistakes


def _number(text: str, *, column: Column) -> float | int | None:
    try:
        number = float(text) * column.scale
    except ValueError:
        return None
    # float() reads nan and inf, which are no facts.
    if not math.isfinite(number):
        return None
    return round(number) if column.is_whole else number


def _complete_price(values: dict[str, Any]) -> None:
    """A price without a source or date of its own has the row's; one that rests on general knowledge is marked ``assumed``."""
    price = values.pop("price", None)
    # A source or date without a figure makes no price.
    if price is None or not {"low", "mid", "high"} & set(price):
        return
    price.setdefault("source", values.get("source", ""))
    price.setdefault("as_of", values.get("as_of", ""))
    # A price may have another source than the row, so its basis is its own.
    price["basis"] = "assumed" if is_unverified(price["source"]) else "datasheet"
    values["price"] = price


def _column_of(table: Table, location: tuple[int | str, ...]) -> str:
    """The column of the file that a record's field came from."""
    path = ".".join(str(part) for part in location)
    for name, column in table.columns.items():
        if column.field == path:
            return name
    # A mistake of a nested record as a whole (low above high) concerns all its columns.
    starts = [name for name, column in table.columns.items() if path and column.field.startswith(f"{path}.")]
    return "/".join(starts) or path


def _sentence(problem: Mapping[str, Any]) -> str:
    """What pydantic found, as half a sentence that ends with the cell as given."""
    if problem["type"] == "missing":
        return message("is required")
    words = str(problem["msg"]).removeprefix("Value error, ")
    given = problem.get("input")
    shown = message(", not {given!r}", given=given) if isinstance(given, str | int | float) else ""
    return f"{words[0].lower()}{words[1:]}{shown}".replace("input should be", "must be")

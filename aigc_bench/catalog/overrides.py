"""Rows of the user's own: files that add to the catalogue or change rows of it, with all mistakes reported together.

TOML, one table per row, keys as the columns of ``data/*.csv``::

    [accelerators.my_card]            # a new row, here from an existing one
    like = "l40s"
    name = "My card"
    memory_gib = 64
    source = "quote 4711"
    as_of = "2026-11"

    [constants.pue_default]           # changes an existing row; what is not named stays
    value = 1.2
    low = 1.15
    high = 1.25
    source = "our meters"
    as_of = "2026-10"

CSV: the file is named after the table (``accelerators.csv``), with the same columns and an ``id``, saved by any spreadsheet. Every
row says where it comes from: ``source`` and ``as_of`` are required, also where only one figure is changed.

A file with a mistake is not used in part: a command that needs the catalogue reports all mistakes, any other goes on without the
file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from aigc_bench.catalog.override_rules import (
    cell_text,
    constant_mistakes,
    date_mistakes,
    id_mistakes,
    kind_of,
    nearest,
    reference_mistakes,
)
from aigc_bench.catalog.table_reader import Cells, Mistake, columns, is_unverified, key_of, read_cells, to_record
from aigc_bench.catalog.tables import TABLES, Table
from aigc_bench.core.document import cut, read_toml
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import Commas
from aigc_bench.core.table_file import read_table
from aigc_bench.core.user_folders import config_home

Overrides = Mapping[str, Mapping[str, Cells]]
"""Complete rows by table and key."""
REMEDY = message("Correct the file or move it away; measuring and showing runs go on without it")

# Columns without a figure: changing them alone leaves the source of the figures as it is.
_LABELS = {"id", "name", "vendor", "kind", "unit", "source", "second_source", "as_of", "basis", "confidence", "note", "status"}
_PRICE = ("price_low_usd", "price_mid_usd", "price_high_usd")


@dataclass(frozen=True, kw_only=True)
class _Given:
    """A row as a file gives it; ``where`` is its file, line and name."""

    file: Path
    where: str
    table: Table
    row_id: str
    cells: Mapping[str, Any]
    commas: Commas = "thousands"


@dataclass(kw_only=True)
class _Merged:
    """Rows of all files so far, which of them is each row's, and what is wrong, by file."""

    rows: dict[str, dict[str, Cells]] = field(default_factory=lambda: defaultdict(dict))
    origin: dict[tuple[str, str], _Given] = field(default_factory=dict)
    mistakes: dict[Path, list[str]] = field(default_factory=lambda: defaultdict(list))


def user_files() -> tuple[Path, ...]:
    """The user's own catalogue files, ``$XDG_CONFIG_HOME/aigc-bench/catalog/*.toml`` and ``.csv``, sorted by name; gzip or not."""
    home = config_home()
    folder = None if home is None else home / "aigc-bench" / "catalog"
    if folder is None or not folder.is_dir():
        return ()
    # Sorted by name, so that which file wins does not depend on the file system.
    return tuple(sorted(path for path in folder.glob("*") if _kind(path) in (".toml", ".csv") and not path.name.startswith(".")))


def read_overrides(files: Sequence[Path], *, own: Collection[Path] = ()) -> Overrides:
    """The rows of all files, completed from the shipped rows; later files win.

    Raises ``UsageError`` with every mistake; ``AigcBenchError`` where all of them are in the user's ``own`` files, which no command
    named.
    """
    merged = _merge(files)
    said = [line for lines in merged.mistakes.values() for line in lines]
    if not said:
        return merged.rows
    if not all(file in own for file in merged.mistakes):
        raise UsageError(said[0], details=said[1:])
    if len(said) == 1:
        raise AigcBenchError(f"{said[0].rstrip('.')}{'' if said[0].endswith('?') else '.'}", message("{remedy}.", remedy=REMEDY))
    raise AigcBenchError(
        message("{num_mistakes:,} mistakes in your files of the catalogue.", num_mistakes=len(said)),
        message("{remedy}.", remedy=REMEDY),
        details=[f"  {one}" for one in said],
    )


def usable_overrides(files: Sequence[Path]) -> tuple[Overrides, Mapping[Path, Sequence[str]]]:
    """The rows of the files that hold no mistake, and the mistakes of the others; a row may name rows of any usable file."""
    broken: dict[Path, list[str]] = {}
    # Rows may rest on rows of a broken file, so what is left is checked again until nothing breaks.
    while True:
        merged = _merge([file for file in files if file not in broken])
        if not merged.mistakes:
            return merged.rows, broken
        broken |= merged.mistakes


def checked_files(files: Sequence[Path]) -> Mapping[Path, tuple[int, Sequence[str]]]:
    """How many rows each file holds, and its mistakes; a row may name rows of any of them."""
    merged = _merge(files)
    counts: dict[Path, int] = dict.fromkeys(files, 0)
    for row in merged.origin.values():
        counts[row.file] += 1
    return {file: (count, merged.mistakes.get(file, [])) for file, count in counts.items()}


def _merge(files: Sequence[Path]) -> _Merged:
    merged = _Merged()
    for file in files:
        seen: set[tuple[str, str]] = set()
        try:
            for row in _rows(file, problems=merged.mistakes[file]):
                _add(row, merged=merged, seen=seen)
        # A file that cannot be read at all is one more mistake, and the others are still checked.
        except AigcBenchError as problem:
            merged.mistakes[file] += problem.lines
    # After all files: a row may name one of a later file.
    _check_references(merged)
    merged.mistakes = {file: lines for file, lines in merged.mistakes.items() if lines}
    return merged


def _add(row: _Given, *, merged: _Merged, seen: set[tuple[str, str]]) -> None:
    rows = merged.rows[row.table.name]
    cells, found = _complete(row, earlier=rows)
    # The key of a range needs its column, which only a row without mistakes has for certain.
    key = key_of(cells, table=row.table) if not found else row.row_id
    if not found and (row.table.name, key) in seen:
        found = [("id", message("appears twice in this file; keep one row"))]
    _note(row, found, merged=merged)
    if not found:
        seen.add((row.table.name, key))
        rows[key] = cells
        merged.origin[row.table.name, key] = row


def _note(row: _Given, found: Sequence[Mistake], *, merged: _Merged) -> None:
    if found:
        merged.mistakes[row.file] += [
            f"{row.where}.{column}: {what}" if column else f"{row.where}: {what}" for column, what in found
        ]


def _check_references(merged: _Merged) -> None:
    if not merged.origin:
        return
    # The tables that other rows refer to.
    ids = {name: {*_shipped(name), *merged.rows.get(name, {})} for name in ("accelerators", "power", "carbon")}
    for (table, key), row in merged.origin.items():
        _note(row, reference_mistakes(merged.rows[table][key], table=row.table, ids=ids), merged=merged)


def _kind(path: Path) -> str:
    """``.csv`` of ``Servers.CSV.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else suffixes[-1] if suffixes else ""


def _rows(file: Path, *, problems: list[str]) -> Iterator[_Given]:
    """Every row of one file, and what is wrong with others; raises ``AigcBenchError`` where none can be read."""
    if file.exists() and not file.is_file():
        raise UsageError(message("{file}: not a file.", file=file))  # a pipe would be waited for
    if _kind(file) == ".csv":
        yield from _rows_of_csv(file, problems=problems)
    elif _kind(file) == ".toml":
        yield from _rows_of_toml(file, problems=problems)
    else:
        raise UsageError(message("{file}: must be a .toml or .csv file.", file=file))


def _rows_of_csv(file: Path, *, problems: list[str]) -> Iterator[_Given]:
    name = file.name.split(".", maxsplit=1)[0].lower()
    if name not in TABLES:
        raise UsageError(
            message("{file}: unknown table {name!r}{nearest}", file=file, name=cut(name), nearest=nearest(name, TABLES))
        )
    read = read_table(file, required=("id",))
    for row in read.rows:
        row_id = row.cells["id"]
        cells = {key: value for key, value in row.cells.items() if key != "id" and value != ""}
        if row.problem is not None or not row_id:
            problems.append(
                message(
                    "{file}: line {line}: {problem}", file=file, line=row.line, problem=row.problem or message("id: is required")
                )
            )
        else:
            where = f"{file}: line {row.line}: {name}.{cut(row_id)}"
            yield _Given(file=file, where=where, table=TABLES[name], row_id=row_id, cells=cells, commas=read.commas)


def _rows_of_toml(file: Path, *, problems: list[str]) -> Iterator[_Given]:
    for name, rows in read_toml(file).items():
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            problems.append(message("{file}: {name}: must hold tables, one per row: [{name}.ID]", file=file, name=cut(name)))
        elif name not in TABLES:
            problems.append(
                message("{file}: unknown table {name!r}{nearest}", file=file, name=cut(name), nearest=nearest(name, TABLES))
            )
        else:
            for row_id, row in rows.items():
                where = f"{file}: {name}.{cut(row_id)}"
                yield _Given(file=file, where=where, table=TABLES[name], row_id=row_id, cells=row)


def _unsourced(row: _Given, own: Cells, *, known: Collection[str]) -> list[Mistake]:
    """What is missing of a row's source and date, where its table has them and no other mistake of these cells is ``known``."""
    required = ("source", "as_of") if "source" in row.table.record.model_fields else ()
    words = message("is required: state the source of the figures and its date")
    return [(column, words) for column in required if not own.get(column) and column not in known]


def _complete(row: _Given, *, earlier: Mapping[str, Cells]) -> tuple[Cells, list[Mistake]]:
    """The whole row: the given cells over those of the row it changes or is ``like``, and what is wrong with them."""
    table, row_id, shipped = row.table, row.row_id, _shipped(row.table.name)
    own, mistakes = _own_cells(row)
    known = {**shipped, **earlier}
    if any(column == "id" for column, _ in mistakes):
        return {}, mistakes
    start = str(row.cells.get("like", row_id))
    if "like" in row.cells and start not in known:
        mistakes.append(
            ("like", message("unknown {noun} {name!r}{nearest}", noun=table.noun, name=cut(start), nearest=nearest(start, known)))
        )
    mistakes += _unsourced(row, own, known={column for column, _ in mistakes})
    base = dict(known.get(start, {}))
    if mistakes:
        # The rest of the row is still checked, so that one run reports all mistakes.
        named = {column for column, _ in mistakes}
        more = to_record({**base, **own, "id": row_id}, table=table)[1] if "like" not in named else []
        return {}, mistakes + [(column, what) for column, what in more if column and column not in named]
    cells = {**base, **_provenance(own, base=base), "id": row_id}
    mistakes = to_record(cells, table=table)[1]
    return cells, mistakes or date_mistakes(own, today=date.today()) + constant_mistakes(cells, table=table, shipped=shipped)


@cache
def _shipped(name: str) -> Mapping[str, Cells]:
    return read_cells(TABLES[name])


def _own_cells(row: _Given) -> tuple[dict[str, str], list[Mistake]]:
    """The given cells as text, and those that are no column, or not of the column's kind."""
    allowed = {"like", *columns(row.table)} - {"id"}
    own: dict[str, str] = {}
    mistakes: list[Mistake] = id_mistakes(row.row_id, table=row.table, shipped=_shipped(row.table.name))
    for column, value in row.cells.items():
        if column not in allowed:
            mistakes.append(
                (cut(column), message("is not a column of {name}{nearest}", name=row.table.name, nearest=nearest(column, allowed)))
            )
        elif column != "like":
            try:
                own[column] = cell_text(value, kind=kind_of(row.table, column), commas=row.commas)
            except ValueError as problem:
                mistakes.append((column, str(problem)))
    return own, mistakes


def _provenance(own: Mapping[str, str], *, base: Cells) -> dict[str, str]:
    """The given cells with source, date, basis and price source that do not claim the old figures for the new source.

    A price of the user's own is the market price of a new device, unless its row says otherwise.
    """
    cells = dict(own)
    if any(column in own for column in _PRICE):
        # A quote is one figure: ends of a range that the row does not give belong to the old price.
        cells |= {column: "" for column in _PRICE if column not in own}
        # Else the old price's source would stand next to the new price.
        cells.setdefault("price_source", own["source"])
        cells.setdefault("price_as_of", own["as_of"])
        cells.setdefault("price_kind", "new")
    if "source" not in own:
        return cells
    figures = [column for column in own if column not in _LABELS]
    # Where some figures are still the shipped ones, both sources are named.
    if not {column for column, text in base.items() if text} - _LABELS <= set(figures):
        cells["source"] = message(
            "{own} ({figures}); the rest: {base}", own=own["source"], figures=", ".join(figures) or "labels", base=base["source"]
        )
    is_sure = not is_unverified(cells["source"])
    cells.setdefault("basis", "datasheet" if is_sure else "assumed")
    cells.setdefault("confidence", "medium" if is_sure else "low")
    if "status" in base:
        cells.setdefault("status", cells["basis"])
    return cells

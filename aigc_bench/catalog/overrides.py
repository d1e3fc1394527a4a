"""Rows of the user's own: files that add to the catalogue or change rows of it, checked strictly and all at once.

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

CSV: the file is named after the table (``accelerators.csv``), with the same columns and an ``id``. Every row says where
it comes from: ``source`` and ``as_of`` are required, also where only one figure is changed.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aigc_bench.catalog.reader import Cells, columns, is_unverified, parse_csv, read_cells, to_record
from aigc_bench.catalog.tables import TABLES, Table
from aigc_bench.core.errors import UsageError
from aigc_bench.core.user_folders import config_home

Overrides = Mapping[str, Mapping[str, Cells]]
"""Complete rows by table and id."""

_LABELS = {"id", "name", "vendor", "kind", "unit", "source", "second_source", "as_of", "basis", "confidence", "note", "status"}
_PRICE = ("price_low_usd", "price_mid_usd", "price_high_usd")


def user_files() -> tuple[Path, ...]:
    """The user's own catalogue files, ``$XDG_CONFIG_HOME/aigc-bench/catalog/*.toml`` and ``.csv``, sorted by name."""
    home = config_home()
    folder = None if home is None else home / "aigc-bench" / "catalog"
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.glob("*") if path.suffix in (".toml", ".csv")))


def read_overrides(files: Sequence[Path]) -> Overrides:
    """The rows of all files, completed from the shipped rows; later files win. Raises ``UsageError`` with every mistake."""
    merged: dict[str, dict[str, Cells]] = {}
    mistakes: list[str] = []
    for path in files:
        for table_name, row_id, given in _rows(path, mistakes=mistakes):
            where = f"{path}: {table_name}.{row_id}"
            table = TABLES.get(table_name)
            if table is None:
                mistakes.append(f"{where}: unknown table {table_name!r}{_nearest(table_name, TABLES)}")
                continue
            rows = merged.setdefault(table_name, {})
            cells, found = _complete(given, table=table, row_id=row_id, earlier=rows)
            mistakes += [f"{where}.{column}: {what}" if column else f"{where}: {what}" for column, what in found]
            if not found:
                rows[row_id] = cells
    if mistakes:
        raise UsageError(mistakes[0], details=mistakes[1:])
    return merged


def _rows(path: Path, *, mistakes: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(table, id, given cells) of every row of one file; what cannot be read is added to the mistakes."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        mistakes.append(f"{path}: cannot be read ({reason}).")
        return
    if path.suffix == ".csv":
        for number, row in enumerate(parse_csv(text), start=2):
            row_id = row.get("id", "")
            if row_id:
                yield path.stem, row_id, {key: value for key, value in row.items() if key != "id" and value != ""}
            else:
                mistakes.append(f"{path}: line {number}: id: is required")
        return
    if path.suffix != ".toml":
        mistakes.append(f"{path}: must be a .toml or .csv file.")
        return
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        mistakes.append(f"{path}: is not valid TOML: {error}.")
        return
    for table_name, rows in document.items():
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            mistakes.append(f"{path}: {table_name}: must hold tables, one per row: [{table_name}.ID]")
            continue
        for row_id, row in rows.items():
            yield table_name, row_id, row


def _complete(
    given: Mapping[str, Any], *, table: Table, row_id: str, earlier: Mapping[str, Cells]
) -> tuple[Cells, list[tuple[str, str]]]:
    """The whole row: the given cells over those of the row it changes or is ``like``, and what is wrong with them."""
    mistakes = _unknown_columns(given, table=table)
    own = {key: _text(value) for key, value in given.items() if key != "like"}
    known = {**read_cells(table), **earlier}
    start = str(given.get("like", row_id))
    if "like" in given and start not in known:
        mistakes.append(("like", f"unknown {table.noun} {start!r}{_nearest(start, known)}"))
    for required in ("source", "as_of") if "source" in table.record.model_fields else ():
        if not own.get(required):
            mistakes.append((required, "is required: say where the figures come from and from when"))
    if mistakes:
        return {}, mistakes
    base = dict(known.get(start, {}))
    cells = {**base, **_provenance(own, base=base), "id": row_id}
    return cells, to_record(cells, table=table)[1]


def _provenance(own: Mapping[str, str], *, base: Cells) -> dict[str, str]:
    """The given cells with source, date, basis and price source that do not claim the old figures for the new source.

    A price of the user's own is what is asked for the thing new, unless its row says otherwise.
    """
    cells = dict(own)
    if any(column in own for column in _PRICE):
        cells.setdefault("price_source", own["source"])
        cells.setdefault("price_as_of", own["as_of"])
        cells.setdefault("price_kind", "new")
    if "source" not in own:
        return cells
    figures = [column for column in own if column not in _LABELS]
    if not {column for column, text in base.items() if text} - _LABELS <= set(figures):
        cells["source"] = f"{own['source']} ({', '.join(figures) or 'labels'}); the rest: {base['source']}"
    is_sure = not is_unverified(cells["source"])
    cells.setdefault("basis", "datasheet" if is_sure else "assumed")
    cells.setdefault("confidence", "medium" if is_sure else "low")
    if "status" in base:
        cells.setdefault("status", cells["basis"])
    return cells


def _unknown_columns(given: Mapping[str, Any], *, table: Table) -> list[tuple[str, str]]:
    allowed = {"like", *columns(table)} - {"id"}
    return [(key, f"is not a column of {table.name}{_nearest(key, allowed)}") for key in given if key not in allowed]


def _nearest(name: str, known: Any) -> str:
    """The nearest names as the end of a sentence, all of them where they are few."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(sorted(known)[:40])}."


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

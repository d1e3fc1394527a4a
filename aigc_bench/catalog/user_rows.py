"""Keep the user's own rows of the catalogue: import a price list, add a row, check the files, and tell what they change.

Everything lies in ``user_folder()`` as the files that ``overrides`` reads, so each can be opened, mended and removed by hand.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.catalog.overrides import checked_files, read_overrides, user_files
from aigc_bench.catalog.price_lists import ROW_COLUMNS, PriceList, read_price_list
from aigc_bench.catalog.table_reader import read_cells
from aigc_bench.catalog.tables import TABLES
from aigc_bench.core.csv_file import csv_text
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Record
from aigc_bench.core.user_folders import config_home

ADDED = "added.toml"
"""The file of single rows; rows in other files go before or after it by name, as those of all files do."""


class Imported(Record):
    """What an import wrote: the file, its rows, and the lines of the list that became none, by reason."""

    file: Path
    format: str
    as_of: str
    num_rows: int
    num_accelerators: int
    num_replaced: int
    refused: Mapping[str, tuple[int, ...]]


class FileCheck(Record):
    """One of the user's files: how many rows it holds, or what is wrong with it. A file with a mistake is used for nothing."""

    file: Path
    num_rows: int
    mistakes: tuple[str, ...] = ()


class ChangedCell(Record):
    """A cell that the user's files add (``shipped`` is ``None``) or change."""

    table: str
    id: str
    column: str
    shipped: str | None
    own: str
    source: str
    as_of: str


def user_folder() -> Path:
    """Return the folder of the user's catalogue files; raises ``AigcBenchError`` where there is no home to hold one."""
    home = config_home()
    if home is None:
        raise AigcBenchError(
            message("There is no folder for your rows of the catalogue."), message("Set HOME or XDG_CONFIG_HOME to a folder.")
        )
    return home / "aigc-bench" / "catalog"


def import_prices(
    file: Path,
    *,
    provider: str | None = None,
    as_of: str | None = None,
    kind: str | None = None,
    names: Mapping[str, str] | None = None,
    out: Path | None = None,
) -> Imported:
    """Write a price list of others as rows of ``cloud_prices`` of the user's own, and return what became of its lines.

    ``as_of`` is by default the day on which the file was written. An earlier import of the same list is replaced. Raises
    ``UsageError`` for a table of unknown form, one without a usable row, and an id in ``names`` that is not there.
    """
    catalogue = load_catalogue()
    for name in (names or {}).values():
        catalogue.accelerator(name)  # raises with the nearest id
    day = as_of or _day_of(file)
    known = {label: catalogue.accelerator(name).id for label, name in (names or {}).items()}
    found = read_price_list(
        file,
        specs=catalogue.accelerators,
        find=catalogue.published_accelerator,
        as_of=day,
        provider=provider,
        kind=kind,
        names=known,
    )
    if not found.rows:
        worst = sorted(found.refused.items(), key=lambda pair: -len(pair[1]))[:3]
        reasons = "; ".join(f"{reason} ({len(lines)})" for reason, lines in worst)
        raise AigcBenchError(message("{file}: no line is a rent of a known accelerator: {reasons}.", file=file, reasons=reasons))
    target = out or user_folder() / f"cloud_prices.{_name_of(found, file=file)}.csv"
    if target.name.split(".")[0] != "cloud_prices" or target.suffix != ".csv":
        raise UsageError(message("{file}: a file of prices is named cloud_prices.NAME.csv", file=target))
    replaced = _num_lines(target)
    _write_checked(target, csv_text([ROW_COLUMNS, *([row.get(column, "") for column in ROW_COLUMNS] for row in found.rows)]))
    return Imported(
        file=target,
        format=found.format,
        as_of=day,
        num_rows=len(found.rows),
        num_accelerators=len({row["gpu_id"] for row in found.rows}),
        num_replaced=replaced,
        refused={reason: tuple(lines) for reason, lines in sorted(found.refused.items(), key=lambda pair: -len(pair[1]))},
    )


def add_row(table: str, row_id: str, cells: Mapping[str, str]) -> Path:
    """Write one row into the user's ``added.toml``, over an earlier one of that id, and return the file.

    Raises ``UsageError`` with every mistake of the row; the file is then as it was.
    """
    if table not in TABLES:
        raise UnknownNameError("table", table, known=TABLES)
    file = user_folder() / ADDED
    rows: dict[str, dict[str, dict[str, object]]] = {}
    if file.exists():
        read_overrides([file])  # what cannot be read must not be written over
        rows = tomllib.loads(file.read_text(encoding="utf-8"))
    rows.setdefault(table, {})[row_id] = dict(cells)
    _write_checked(file, _toml(rows))
    return file


def remove_row(table: str, row_id: str) -> Path:
    """Take one row out of the user's ``added.toml`` and return the file; raises ``UsageError`` where it is not there."""
    file = user_folder() / ADDED
    rows = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if row_id not in rows.get(table, {}):
        raise UsageError(message("{file} has no row {table}.{row_id}", file=file, table=table, row_id=row_id))
    del rows[table][row_id]
    _write_checked(file, _toml(rows))
    return file


def check_files(files: Sequence[Path] = ()) -> tuple[FileCheck, ...]:
    """Return how many rows each file holds, or its mistakes; by default of the files in the user's folder."""
    found = checked_files(files or user_files())
    return tuple(FileCheck(file=file, num_rows=count, mistakes=tuple(lines)) for file, (count, lines) in found.items())


def changed_cells(table: str | None = None) -> tuple[ChangedCell, ...]:
    """Return every cell in which the user's files differ from the shipped catalogue; raises as ``load_catalogue`` does."""
    if table is not None and table not in TABLES:
        raise UnknownNameError("table", table, known=TABLES)
    files = user_files()
    own = read_overrides(files, own=files) if files else {}
    found: list[ChangedCell] = []
    for name in sorted(own) if table is None else [table]:
        shipped = read_cells(TABLES[name])
        for row_id, cells in own.get(name, {}).items():
            before = shipped.get(row_id)
            changed = {column: text for column, text in cells.items() if text != (before or {}).get(column, "") and column != "id"}
            found += [
                ChangedCell(
                    table=name,
                    id=row_id,
                    column=column,
                    shipped=None if before is None else before.get(column, ""),
                    own=text,
                    source=cells.get("source", ""),
                    as_of=cells.get("as_of", ""),
                )
                for column, text in changed.items()
                if before is None or column not in ("source", "as_of", "basis", "confidence")
            ]
    return tuple(found)


def _day_of(file: Path) -> str:
    try:
        return date.fromtimestamp(file.stat().st_mtime).isoformat()
    except OSError as problem:
        raise UsageError(message("{file}: {problem}", file=file, problem=problem.strerror or "")) from None


def _name_of(found: PriceList, *, file: Path) -> str:
    """Return the middle of the file's name: the list and its provider, of a list of one's own its name."""
    providers = sorted({row["provider"] for row in found.rows})
    who = file.name.split(".")[0] if found.format == "own" else providers[0] if len(providers) == 1 else ""
    return "-".join(part for part in (found.format, re.sub(r"[^a-z0-9]+", "_", who.lower()).strip("_")) if part)


def _num_lines(target: Path) -> int:
    return max(0, len(target.read_text(encoding="utf-8").splitlines()) - 1) if target.is_file() else 0


def _write_checked(target: Path, text: str) -> None:
    """Write a file of the user's once the catalogue can be read with it; else raise ``UsageError`` and leave the earlier one."""
    with tempfile.TemporaryDirectory() as folder:
        # Under its own name: the name of a CSV is the name of its table.
        draft = Path(folder) / target.name
        draft.write_text(text, encoding="utf-8", newline="")
        others = [file for file in user_files() if file != target]
        try:
            Catalogue(read_overrides([*others, draft]))
        except AigcBenchError as problem:
            said = [line.replace(str(draft), str(target)) for line in problem.lines]
            raise UsageError(said[0], details=said[1:]) from None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(target)
    except OSError as problem:
        raise AigcBenchError(
            message("{file}: cannot be written: {problem}.", file=target, problem=problem.strerror or "")
        ) from None


def _toml(rows: Mapping[str, Mapping[str, Mapping[str, object]]]) -> str:
    """Return rows of plain cells as TOML."""
    lines = [message("# Rows of your own, written by `aigc-bench catalog add`; edit them as you like.")]
    for table, every in sorted(rows.items()):
        for row_id, cells in every.items():
            lines += ["", f"[{table}.{_quoted(row_id)}]", *(f"{name} = {_value(cell)}" for name, cell in cells.items())]
    return "\n".join([*lines, ""])


def _value(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return repr(cell) if isinstance(cell, int | float) else _quoted(str(cell))


def _quoted(text: str) -> str:
    """Return a TOML basic string."""
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(
            one, one if one.isprintable() else f"\\u{ord(one):04x}"
        )
        for one in text
    )
    return f'"{escaped}"'

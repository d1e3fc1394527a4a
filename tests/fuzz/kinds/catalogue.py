"""The user's own rows of the catalogue, prices among them: TOML tables and CSV files."""

from __future__ import annotations

import csv
import functools
import io
import json
import random
from pathlib import Path
from typing import Any

from tests.fuzz import cells, raw, trees, written
from tests.fuzz.kinds import ROOT, Kind
from tests.fuzz.outcome import Files
from tests.fuzz.values import Pairs

DATA = ROOT / "aigc_bench" / "catalog" / "data"
FILE = "mine.toml"
_ROWS_EACH = 3


@functools.cache
def tables() -> dict[str, cells.Table]:
    """The shipped tables as cells."""
    return {file.stem: cells.table_of(file.read_bytes()) for file in sorted(DATA.glob("*.csv"))}


@functools.cache
def examples() -> tuple[Any, ...]:
    """Trees of override files: rows of each table given anew, changed in part, and made like another."""
    found: list[Any] = []
    for name, (header, *rows) in tables().items():
        for start in range(0, min(len(rows), 9), _ROWS_EACH):
            chosen = rows[start : start + _ROWS_EACH]
            found.append(
                Pairs([(name, Pairs((row[header.index("id")] if "id" in header else row[0], _row(header, row)) for row in chosen))])
            )
    part = {
        "accelerators": {
            "my_card": {"like": "l40s", "name": "My card", "memory_gib": 64, "source": "quote 4711", "as_of": "2026-11"}
        }
    }
    price = {
        "servers": {
            "dgx_h100": {
                "price_low_usd": 2.5e5,
                "price_mid_usd": 2.8e5,
                "price_high_usd": 2.9e5,
                "source": "offer",
                "as_of": "2026-11",
            }
        }
    }
    figure = {"constants": {"pue_default": {"value": 1.2, "low": 1.15, "high": 1.25, "source": "our meters", "as_of": "2026-10"}}}
    return (*found, *(trees.tree_of(one) for one in (part, price, figure) for _ in range(4)))


def _row(header: list[str], row: list[str]) -> Pairs:
    return Pairs((name, _value(cell)) for name, cell in zip(header, row, strict=False) if cell and name != "id")


def _value(cell: str) -> Any:
    try:
        return int(cell) if cell.isdigit() else float(cell)
    except ValueError:
        return cell


def make_toml(draw: random.Random) -> Files:
    """Rows of the user's own with changes."""
    kind = draw.random()
    tree = draw.choice(examples())
    if draw.random() < 0.3:
        tree = Pairs([*tree, *draw.choice(examples())])
    if kind < 0.92:
        tree = trees.changed(tree, others=examples(), draw=draw, dialect="toml")
    content = written.as_toml(tree)
    if kind > 0.85:
        content = raw.broken(content, draw=draw, other=written.as_toml(draw.choice(examples())))
    return {FILE: content}


def make_csv(draw: random.Random) -> Files:
    """A changed part of a shipped table, in a file of its name."""
    name = draw.choice(list(tables()))
    content = cells.as_csv(cells.changed_table(tables()[name], draw=draw, max_rows=6), draw=draw)
    if draw.random() < 0.15:
        content = raw.broken(content, draw=draw, other=_as_text(tables()[draw.choice(list(tables()))][:5]))
    return {f"{name if draw.random() < 0.97 else 'prices'}.csv": content}


def _as_text(table: cells.Table) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(table)
    return buffer.getvalue().encode()


def read(folder: Path) -> None:
    """Read the tables that have rows of the user's in them, and all that is listed and shown."""
    from aigc_bench.catalog import descriptions
    from aigc_bench.catalog.loader import KINDS as TABLES
    from aigc_bench.catalog.loader import load_catalogue

    files = sorted(folder.iterdir())
    catalogue = load_catalogue(files, with_user_files=False)
    named = [table for table in TABLES if any(file.stem == table or table.encode() in file.read_bytes() for file in files)]
    for table in named:
        catalogue.rows(table)
    listed = [descriptions.accelerator_rows(catalogue), descriptions.server_rows(catalogue), descriptions.price_rows(catalogue)]
    json.dumps(listed, allow_nan=False)
    for name in list(catalogue.accelerators)[-3:]:
        descriptions.describe_accelerator(catalogue, name)
        catalogue.servers_with(name), catalogue.rents(name), catalogue.usable_memory(catalogue.accelerators[name])
    catalogue.electricity_price(None), catalogue.grid_intensity("germany"), catalogue.pue("air"), catalogue.recognise("NVIDIA H100")
    for constant in list(catalogue.constants)[-20:]:
        catalogue.constant(constant)


KINDS = (
    Kind(name="catalogue", title="catalogue rows of one's own, TOML", make=make_toml, read=read),
    Kind(name="catalogue-csv", title="catalogue rows of one's own, CSV", make=make_csv, read=read),
)

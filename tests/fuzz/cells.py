"""Changes of a table of cells, and the ways in which programs write one: delimiters, quotes, encodings, gzip."""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
from collections.abc import Callable

from tests.fuzz.raw import ENCODINGS
from tests.fuzz.values import NUMBERS, ODD_NUMBERS, TEXTS

Table = list[list[str]]
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]+)?")


def table_of(content: bytes) -> Table:
    """The rows of a CSV text, its header first."""
    return list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))


def changed_table(table: Table, *, draw: random.Random, max_rows: int = 40) -> Table:
    """Some of the rows, with one to a few changes of cells, rows and columns."""
    header, *rows = table
    start = draw.randint(0, max(0, len(rows) - 1))
    made = [list(header), *(list(row) for row in rows[start : start + draw.randint(1, max_rows)])]
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 5))):
        draw.choices(_CHANGES, weights=_WEIGHTS)[0](made, draw)
    return made


def as_csv(table: Table, *, draw: random.Random) -> bytes:
    """The table as some program writes it; half of the time plainly."""
    buffer = io.StringIO(newline="")
    is_plain = draw.random() < 0.5
    delimiter = "," if is_plain else draw.choice(",,;;\t|")
    ending = "\n" if is_plain else draw.choice(("\n", "\r\n", "\r"))
    quoting = csv.QUOTE_ALL if draw.random() < 0.1 else csv.QUOTE_MINIMAL
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=ending, quoting=quoting, escapechar="\\")
    writer.writerows(table)
    text = buffer.getvalue()
    encoding = "utf-8" if is_plain else draw.choice(("utf-8", "utf-8", *ENCODINGS))
    return text.encode(encoding, errors="surrogatepass" if encoding.startswith("utf") and encoding != "utf-7" else "replace")


def packed(content: bytes, *, draw: random.Random) -> bytes:
    """The bytes in gzip, sometimes cut short, sometimes not packed at all, sometimes twice or with something behind."""
    whole = gzip.compress(content, mtime=0)
    kind = draw.random()
    if kind < 0.5:
        return whole
    choices: tuple[bytes, ...] = (
        whole[: draw.randint(0, len(whole))],
        content,
        gzip.compress(whole, mtime=0),
        whole + b"trailing",
        whole[:-8] + bytes(8),
        whole + whole,
        whole[:10] + bytes([whole[10] ^ 255]) + whole[11:],
    )
    return draw.choice(choices)


def _cell(table: Table, draw: random.Random) -> None:
    row = table[draw.randrange(1, len(table))] if len(table) > 1 and draw.random() < 0.95 else table[0]
    if row:
        row[draw.randrange(len(row))] = odd_cell(draw)


def odd_cell(draw: random.Random) -> str:
    """A number at the edge of what numbers are, or a text."""
    kind = draw.random()
    if kind < 0.4:
        return str(draw.choice(NUMBERS))
    if kind < 0.5:
        return str(draw.choice(ODD_NUMBERS))
    return draw.choice(TEXTS) if kind < 0.99 else "z" * 200_000


def _same_column(table: Table, draw: random.Random) -> None:
    """A cell that stands in another row of its column, so that rows stay sound and combine anew."""
    at = draw.randrange(len(table[0])) if table[0] else 0
    rows = [row for row in table[1:] if len(row) > at]
    if rows:
        draw.choice(rows)[at] = draw.choice(rows)[at]


def _number(table: Table, draw: random.Random) -> None:
    row = draw.choice(table)
    numeric = [at for at, cell in enumerate(row) if _NUMBER.fullmatch(cell)]
    if numeric:
        at = draw.choice(numeric)
        value = float(row[at]) * draw.choice((10.0 ** draw.randint(-20, 20), -1.0, 0.0))
        row[at] = draw.choice(
            (repr(value), f"{value:.0f}"[:400], f"{value:,.2f}"[:400], f"{value / 1000:g}k", f" {value:g} ", f"{value:g}%")
        )


def _drop_cell(table: Table, draw: random.Random) -> None:
    row = draw.choice(table)
    if row:
        row.pop(draw.randrange(len(row)))


def _drop_column(table: Table, draw: random.Random) -> None:
    at = draw.randrange(max(1, len(table[0])))
    for row in table:
        del row[at : at + 1]


def _double_column(table: Table, draw: random.Random) -> None:
    at = draw.randrange(max(1, len(table[0])))
    for row in table:
        row[at:at] = row[at : at + 1]


def _swap_columns(table: Table, draw: random.Random) -> None:
    width = max(1, len(table[0]))
    first, second = draw.randrange(width), draw.randrange(width)
    for row in table[draw.choice((0, 1)) :]:
        if max(first, second) < len(row):
            row[first], row[second] = row[second], row[first]


def _drop_row(table: Table, draw: random.Random) -> None:
    if len(table) > 1:
        table.pop(draw.randrange(len(table)))


def _double_row(table: Table, draw: random.Random) -> None:
    row = draw.choice(table)
    for _ in range(1 if draw.random() < 0.97 else 300):
        table.insert(draw.randint(0, len(table)), list(row))


def _blank(table: Table, draw: random.Random) -> None:
    table.insert(draw.randint(0, len(table)), draw.choice(([], [""], [""] * len(table[0]), ["#"], ["x"] * 100)))


def _rename(table: Table, draw: random.Random) -> None:
    if table[0]:
        at = draw.randrange(len(table[0]))
        table[0][at] = draw.choice(
            (table[0][at].upper(), f" {table[0][at]} ", table[0][at] + "s", odd_cell(draw)[:500], draw.choice(table[0]))
        )


_CHANGES: tuple[Callable[[Table, random.Random], None], ...] = (
    _cell,
    _same_column,
    _number,
    _drop_cell,
    _drop_column,
    _double_column,
    _swap_columns,
    _drop_row,
    _double_row,
    _blank,
    _rename,
)
_WEIGHTS = (30, 14, 16, 5, 3, 2, 4, 4, 3, 3, 4)

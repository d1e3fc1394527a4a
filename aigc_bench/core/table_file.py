"""Tables that a user passes in: CSV as spreadsheets save it, each row with the line at which it starts.

Delimiters are the comma, the semicolon and the tab, taken from the header; ``sep=;``, which Excel puts first, is read. Cells may be
quoted and of any length, lines may end in CR, LF or both, and any encoding of ``core.text_file`` will do.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aigc_bench.core.csv_file import original
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import Commas, has_decimal_comma
from aigc_bench.core.text_file import read_text

DELIMITERS = (",", ";", "\t")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
MAX_COLUMNS = 10_000


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: its cells by column, stripped of outer blanks, ``""`` where they are missing; ``line`` counts from 1.

    ``problem`` says why the row cannot be taken as it stands: it has more cells than the header has columns.
    """

    line: int
    cells: Mapping[str, str]
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A table in the order of the file. Rows are made as they are read, since a trace may have millions."""

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    text: str
    first_line: int
    """The line of the file at which ``text`` begins."""
    header_line: int

    @property
    def rows(self) -> Iterator[Row]:
        """Yield each row below the header, anew at every use; raises ``UsageError`` for a quote that is never closed."""
        records = _records(self.text, delimiter=self.delimiter, file=self.path, first=self.first_line)
        next(records, None)
        # The text is parsed anew at every use; keeping rows would take several times its size.
        return (_row(line, record, columns=self.columns) for line, record in records)

    @cached_property
    def commas(self) -> Commas:
        """Return what a comma in a number means here: decimal where a cell of the table cannot be read otherwise."""
        if self.delimiter == "," and '"' not in self.text:
            return "thousands"  # no cell can hold a comma
        if any("," in cell and has_decimal_comma(cell) for row in self.rows for cell in row.cells.values()):
            return "decimal"
        return "thousands" if self.delimiter == "," else "unclear"


def read_table(file: Path, *, required: Sequence[str] = (), hint: str | None = None, text: str | None = None) -> TableFile:
    """Read a table's text, unless it is given, and its header; empty lines are passed over.

    Raises ``UsageError`` with the file, and the line where there is one: unreadable, no header, a column that is missing or there
    twice.
    """
    text = read_text(file) if text is None else text
    delimiter, skipped = _delimiter(text)
    if skipped:
        text = "".join(re.split(r"\r\n|\r|\n", text, maxsplit=1)[1:])
    lines = _records(text, delimiter=delimiter, file=file, first=1 + skipped)
    header_line, header = next(lines, (1, []))
    columns = tuple(name.strip() for name in header)
    _check_header(columns, file=file, line=header_line, required=required, delimiter=delimiter, hint=hint)
    return TableFile(path=file, columns=columns, delimiter=delimiter, text=text, first_line=1 + skipped, header_line=header_line)


def _delimiter(text: str) -> tuple[str, int]:
    """The delimiter, and how many lines in front of the header only say what it is."""
    # newline=None reads CR, LF and both as ends; 64 KiB hold the header of any table.
    lines = io.StringIO(text[:65536], newline=None)
    first = next(lines, "").strip("\n")
    # Excel reads this line to split the file alike in every locale.
    if first.lower().startswith("sep=") and len(first) == 5 and first[4] in DELIMITERS:
        return first[4], 1
    header = first if first.strip() else next((line for line in lines if line.strip()), "")
    # Quoted names may hold a delimiter; every second part of a split at the quotes is outside of them.
    outside = "".join(header.split('"')[::2])
    found = Counter(character for character in outside if character in DELIMITERS)
    return max(DELIMITERS, key=lambda character: found[character]), 0


def _records(text: str, *, delimiter: str, file: Path, first: int) -> Iterator[tuple[int, list[str]]]:
    """The line at which each record starts, and its cells; records without any text are left out."""
    csv.field_size_limit(sys.maxsize)  # the default of 128 KiB refuses a long configuration in a cell
    # newline="": a quoted cell may hold line ends, which csv takes as they are. strict: an open quote is an error.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = first
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            said = (
                message("a quote is never closed")
                # csv.Error has no codes, so its words have to tell the two apart.
                if "unexpected end" in str(problem)
                else message("text follows the closing quote of a cell")
            )
            raise UsageError(
                message("{file}: line {line}: {said}.", file=file, line=line, said=said),
                message('Write a quote inside a quoted cell twice: "".'),
            ) from None
        if any(cell.strip() for cell in record):
            yield line, record
        # line_num counts lines, not records: quoted cells may span several.
        line = first + reader.line_num


def _check_header(
    columns: tuple[str, ...], *, file: Path, line: int, required: Sequence[str], delimiter: str, hint: str | None
) -> None:
    if not columns:
        raise UsageError(message("{file}: empty: there is no line with the names of columns.", file=file), hint)
    if len(columns) > MAX_COLUMNS:
        raise UsageError(
            message(
                "{file}: line {line}: {num_columns:,} columns; at most {max_columns:,} are read.",
                file=file,
                line=line,
                num_columns=len(columns),
                max_columns=MAX_COLUMNS,
            )
        )
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        raise UsageError(
            message(
                "{file}: line {line}: column {twice!r} appears {count} times.",
                file=file,
                line=line,
                twice=twice[0],
                count=columns.count(twice[0]),
            ),
            message("Keep one of them."),
        )
    missing = [name for name in required if name not in columns]
    if missing:
        raise UsageError(
            message("{file}: line {line}: column {missing!r} is missing.", file=file, line=line, missing=missing[0]),
            message(
                "Required: {required}. Found, with a {delimiter} as delimiter: {columns}.",
                required=", ".join(required),
                delimiter=_NAMES[delimiter],
                columns=_listed(columns),
            ),
        )


def _listed(columns: Sequence[str]) -> str:
    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in columns[:20]]
    return ", ".join(shown) + (message(" and {num_more} more", num_more=len(columns) - 20) if len(columns) > 20 else "")


def _row(line: int, record: Sequence[str], *, columns: Sequence[str]) -> Row:
    cells = [original(cell.strip()) for cell in record]
    # Spreadsheets leave empty cells beyond the header; only filled ones are a mistake.
    extra = [cell for cell in cells[len(columns) :] if cell]
    problem = (
        message("has {num_cells} cells where the header has {num_columns}", num_cells=len(cells), num_columns=len(columns))
        if extra
        else None
    )
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    # Columns without a name are left out, such as that of a trailing delimiter.
    return Row(line=line, cells={name: cell for name, cell in zip(columns, padded, strict=False) if name}, problem=problem)

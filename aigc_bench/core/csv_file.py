"""The one writer of CSV: no cell of it is a formula to a spreadsheet, and hidden characters are escapes (``core.visible``).

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-`` or ``@``, and a formula can fetch an address or start a program.
Text that would be one gets an apostrophe in front, the spreadsheets' own sign of text; ``original`` takes it off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from numbers import Number
from pathlib import Path

from aigc_bench.core.visible import visible

_FORMULA = re.compile(r"['\s]*[=+\-@＝＋－＠]")
"""Full-width signs are formulas, too, where the spreadsheet is Chinese or Japanese; blanks and apostrophes may stand before."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def cell(value: object) -> object:
    """Return what is written for a value: a number or ``None`` as it is, text without a formula and hidden characters."""
    if value is None or isinstance(value, Number):
        return value
    text = visible(str(value))
    # A negative number begins with a sign of formulae and is none.
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def original(text: str) -> str:
    """Return the text of a cell as it was before it was written by ``cell``; other people's cells lose such an apostrophe, too."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def csv_text(rows: Iterable[Iterable[object]], *, line_end: str = "\n") -> str:
    """Return rows, the header first, as the text of a table."""
    file = io.StringIO()
    csv.writer(file, lineterminator=line_end).writerows([cell(value) for value in row] for row in rows)
    return file.getvalue()


# RFC 4180 ends lines in CRLF, and so does Excel; text for a terminal has LF.
def write_csv(file: Path, rows: Iterable[Iterable[object]], *, line_end: str = "\r\n") -> None:
    """Write rows, the header first, as a file in UTF-8; one of the same name is replaced."""
    file.write_text(csv_text(rows, line_end=line_end), encoding="utf-8", newline="")

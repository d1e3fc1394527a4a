"""Tables that we write: nothing in them is a formula, nothing is hidden, and what is read back is what was written."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aigc_bench.core.csv_file import cell, csv_text, original, write_csv
from aigc_bench.core.table_file import read_table
from aigc_bench.core.visible import HIDDEN, visible
from tests.hostile import patient, texts

FORMULAS = ("=1+1", "@SUM(A1)", "+1+cmd|' /C calc'!A0", "-2+3", "＝1", "＠x", " =1", "'=1", "=", "-", "-inf", "+ 1", "--1", "-1-2")


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert original(f"'{text}") == text


def test_a_tab_or_carriage_return_in_front_is_an_escape() -> None:
    assert cells(csv_text([["\t=1", "\r=1", "\n=1", "a\tb\nc"]])) == [["\\t=1", "\\r=1", "\\n=1", "a\\tb\\nc"]]


def test_numbers_stay_numbers() -> None:
    numbers = [-1, -2.5, 1e-9, -1e300, None, True, 0.1, "-1", "+2.5", "-1.5e-3", "-0.123"]
    assert cells(csv_text([numbers])) == [
        ["-1", "-2.5", "1e-09", "-1e+300", "", "True", "0.1", "-1", "+2.5", "-1.5e-3", "-0.123"],
    ]


@patient
@given(st.lists(st.lists(texts | st.floats() | st.integers() | st.none(), min_size=1, max_size=4), min_size=1, max_size=3))
def test_no_cell_is_a_formula_or_hides_anything(rows: list[list[object]]) -> None:
    text = csv_text(rows)
    assert not HIDDEN.search(text.replace("\n", ""))
    text.encode("utf-8")
    for read, row in zip(cells(text), rows, strict=True):
        for found, value in zip(read, row, strict=True):
            if isinstance(value, str):
                assert original(found) == visible(value)
                assert not found.lstrip(" '").startswith(("=", "@")) or found.startswith("'")
            elif value is not None:
                assert found == str(value)


@patient
@given(texts)
def test_text_without_hidden_characters_reads_back_as_it_was(text: str) -> None:
    assume(not HIDDEN.search(text))
    assert original(str(cell(text))) == text


@patient
@given(st.lists(texts.map(str.strip).filter(bool), min_size=1, max_size=4))
def test_our_reader_reads_what_our_writer_writes(values: list[str]) -> None:
    names = [f"c{number}" for number in range(len(values))]
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder) / "a.csv", [names, values])
        (row,) = read_table(Path(folder) / "a.csv").rows
    assert list(row.cells.values()) == [visible(value).strip() for value in values]


def test_a_file_is_utf8_with_line_ends_for_spreadsheets(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [["name"], ["千问\udcff"]])
    assert (tmp_path / "a.csv").read_bytes() == "name\r\n千问\\udcff\r\n".encode()

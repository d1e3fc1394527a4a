"""Texts and tables as spreadsheets save them: what is read is what was written, or one line says why not."""

from __future__ import annotations

import gzip
import warnings
from functools import partial
from pathlib import Path

import pytest

from aigc_bench.core.errors import FileWarning, UsageError
from aigc_bench.core.table_file import read_table
from aigc_bench.core.text_file import read_text

PACKED = partial(gzip.compress, mtime=0)
TEXT = "name,price\n显卡 甲,12\n服务器,34\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, PACKED])
def test_marked_encodings_are_read_without_a_word(tmp_path: Path, encoding: str, pack: object) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(pack(TEXT.encode(encoding)))  # type: ignore[operator]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_text(file) == TEXT


@pytest.mark.parametrize(
    ("encoding", "name"), [("gbk", "GB18030"), ("gb18030", "GB18030"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16")]
)
def test_assumed_encodings_are_stated(tmp_path: Path, encoding: str, name: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(TEXT.encode(encoding))
    with pytest.warns(FileWarning, match=rf"t\.csv: read as {name}"):
        assert read_text(file) == TEXT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Rénovation évaluée à Orléans\n".encode("latin-1"), "line 1: neither UTF-8 nor UTF-16 nor GB18030"),
        (b"a,b\n1,2\n\xff\xfe\xfd\n", "line 3: neither UTF-8"),
        (gzip.compress(b"a,b\n" * 999, mtime=0)[:-12], "the gzip file is cut short"),
        (gzip.compress(b"a,b\n" * 999, mtime=0)[:15] + b"\0" * 30, "the gzip file is damaged"),
        ("ab".encode("utf-16")[:-1], "line 1: not valid UTF-16"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=rf"t\.csv: {words}"):
        read_text(file)


def test_a_folder_and_a_missing_file_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a folder"):
        read_text(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        read_text(tmp_path / "nowhere")


def test_a_small_file_cannot_unpack_to_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_bench.core.text_file.MAX_TEXT_BYTES", 2**20)
    file = tmp_path / "bomb.csv.gz"
    file.write_bytes(gzip.compress(b"0" * 2**21, mtime=0))
    with pytest.raises(UsageError, match="over 1 MiB"):
        read_text(file)


def table(tmp_path: Path, text: str, **more: object) -> object:
    file = tmp_path / "t.csv"
    file.write_bytes(text.encode())
    return read_table(file, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("prefix", ["", "sep"])
def test_delimiters_and_line_ends_do_not_change_the_rows(tmp_path: Path, delimiter: str, end: str, prefix: str) -> None:
    lines = ["a,b", '1,"x ""y"""', "", "2,"]
    text = (f"sep={delimiter}{end}" if prefix else "") + end.join(line.replace(",", delimiter) for line in lines)
    found = table(tmp_path, text)
    shift = 1 if prefix else 0
    assert [(row.line, dict(row.cells)) for row in found.rows] == [  # type: ignore[attr-defined]
        (2 + shift, {"a": "1", "b": 'x "y"'}),
        (4 + shift, {"a": "2", "b": ""}),
    ]


def test_quoted_cells_may_be_long_and_hold_lines(tmp_path: Path) -> None:
    long = "x" * 300_000
    found = table(tmp_path, f'a,b\n"{long}","two\nlines"\n1,2\n')
    assert [row.line for row in found.rows] == [2, 4]  # type: ignore[attr-defined]
    assert next(iter(found.rows)).cells == {"a": long, "b": "two\nlines"}  # type: ignore[attr-defined]


def test_a_row_with_more_cells_than_columns_says_so(tmp_path: Path) -> None:
    found = table(tmp_path, "a,b\n1,2,500\n1,2,,\n")
    assert [row.problem for row in found.rows] == ["has 3 cells where the header has 2", None]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "line 1: column 'c' is missing"),
        ("a,c,a\n1,2,3\n", "line 1: column 'a' appears 2 times"),
        ('a,c\n1,2\n"3,4\n5,6\n', "line 3: a quote is never closed"),
        ('a,c\n"1"2,3\n', "line 2: text follows the closing quote of a cell"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        list(table(tmp_path, text, required=("c",)).rows)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "commas"),
    [
        ("a,b\n1,2\n", "thousands"),
        ('a,b\n"2,500",x\n', "thousands"),
        ('a,b\n"2,5",x\n', "decimal"),
        ("a;b\n2,500;x\n", "unclear"),
        ("a\tb\n2,500\tx\n", "unclear"),
        ("a;b\n2,5;x, y\n", "decimal"),
        ("a;b\nx, y;2.5\n", "unclear"),
    ],
)
def test_what_a_comma_means_follows_from_the_delimiter_and_the_cells(tmp_path: Path, text: str, commas: str) -> None:
    assert table(tmp_path, text).commas == commas  # type: ignore[attr-defined]

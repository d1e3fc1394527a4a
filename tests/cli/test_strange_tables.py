"""``validate`` on tables as people and spreadsheets write them: each row is scored like the clean one, or refused by its line."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import aigc_bench.api as api
from aigc_bench.cli import main
from aigc_bench.core.errors import AigcBenchError

COLUMNS = (
    "family", "task", "model", "gpu", "gpu_count", "precision", "software", "batch", "concurrency", "input_len", "output_len",
    "resolution", "steps", "metric", "value", "unit", "power_w", "config_json", "notes",
)  # fmt: skip
TPOT = {
    "family": "llm", "task": "infer-online", "model": "Llama-3.1-8B", "gpu": "NVIDIA H100 80GB HBM3", "gpu_count": "1",
    "precision": "fp8", "software": "vllm 0.19.0", "concurrency": "32", "input_len": "1024", "output_len": "256", "metric": "tpot",
    "value": "9.0", "unit": "ms", "notes": "a note",
}  # fmt: skip
RATE = {**TPOT, "metric": "throughput", "value": "2500", "unit": "tokens/s"}
STEPS = {
    "family": "diffusion-image", "task": "infer", "model": "SDXL", "gpu": "A100-SXM-80GB", "gpu_count": "1", "precision": "fp16",
    "software": "diffusers", "batch": "1", "resolution": "1024x1024", "steps": "30", "metric": "denoise_iterations", "value": "8",
    "unit": "it/s",
}  # fmt: skip
Row = dict[str, str]


def text(*rows: Row, delimiter: str = ",", end: str = "\n") -> str:
    """A table whose cells are quoted where they hold its delimiter."""
    lines = [delimiter.join(COLUMNS)]
    for row in rows:
        cells = [row.get(name, "") for name in COLUMNS]
        lines.append(delimiter.join(quoted(cell) if {delimiter, '"', "\n"} & set(cell) else cell for cell in cells))
    return end.join(lines) + end


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def validated(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object], str]:
    """Exit code, printed JSON and stderr of the real command."""
    code = main(["validate", str(file), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {}, printed.err


def error_of(row: Row, tmp_path: Path) -> float:
    """The absolute error of the row in a clean table."""
    clean = tmp_path / "clean.csv"
    clean.write_text(text(row), encoding="utf-8")
    (group,) = api.validate(clean).groups
    assert group.median_ape is not None
    return group.median_ape


AS_UNITS = (
    (TPOT, "9", "msec"), (TPOT, "9000", "us"), (TPOT, "9000", "µs"), (TPOT, "9e6", "ns"), (TPOT, "0.009", "s"),
    (TPOT, "0.009", "sec"),
    (TPOT, "0.00015", "min"), (TPOT, "2.5e-6", "hours"), (TPOT, "9", "ms/token"), (TPOT, "９．０", "ms"),
    (RATE, "2500", "tok/s"), (RATE, "150000", "tokens/min"), (RATE, "2.5", "k tokens/s"), (RATE, "0.4", "ms/token"),
    (RATE, "2,500", "tokens/s"), (RATE, "2 500", "tokens/s"), (RATE, "2.5k", "tokens/s"), (RATE, "2.5e3", "tokens/s"),
    (RATE, "２５００", "tokens/s"), (RATE, "2'500", "tokens/s"),
    (STEPS, "0.125", "s/it"), (STEPS, "125", "ms/step"), (STEPS, "480", "it/min"),
)  # fmt: skip


@pytest.mark.parametrize(("row", "value", "unit"), AS_UNITS)
def test_a_value_in_any_of_its_units_has_the_error_of_the_clean_row(
    row: Row, value: str, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text({**row, "value": value, "unit": unit}), encoding="utf-8")
    code, printed, _ = validated(file, capsys)
    assert code == 0
    assert printed["refused"] == []
    assert printed["groups"][0]["median_ape"] == pytest.approx(error_of(row, tmp_path), rel=1e-9)  # type: ignore[index]


def plain(content: str) -> bytes:
    return content.encode("utf-8")


AS_FILES: tuple[tuple[str, str, Callable[[str], bytes], str, str], ...] = (
    ("with a byte order mark", "t.csv", lambda content: content.encode("utf-8-sig"), ",", "\n"),
    ("in UTF-16", "t.csv", lambda content: content.encode("utf-16"), ",", "\n"),
    ("in UTF-16 without a mark", "t.csv", lambda content: content.encode("utf-16-le"), ",", "\r\n"),
    ("in GBK", "t.csv", lambda content: content.encode("gbk"), ",", "\r\n"),
    ("with semicolons", "t.csv", plain, ";", "\n"),
    ("with tabs", "t.tsv", plain, "\t", "\n"),
    ("with CRLF", "t.csv", plain, ",", "\r\n"),
    ("with CR", "t.csv", plain, ",", "\r"),
    ("compressed", "t.csv.gz", lambda content: gzip.compress(content.encode(), mtime=0), ",", "\n"),
    ("compressed under another name", "t.csv", lambda content: gzip.compress(content.encode("utf-16"), mtime=0), ";", "\r\n"),
)


@pytest.mark.parametrize(("how", "name", "encode", "delimiter", "end"), AS_FILES, ids=[case[0] for case in AS_FILES])
def test_a_table_as_a_spreadsheet_saves_it_has_the_error_of_the_clean_one(
    how: str,
    name: str,
    encode: Callable[[str], bytes],
    delimiter: str,
    end: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / name
    file.write_bytes(encode(text({**TPOT, "notes": "吞吐量很好"}, delimiter=delimiter, end=end)))
    code, printed, err = validated(file, capsys)
    assert code == 0, err
    assert printed["groups"][0]["median_ape"] == pytest.approx(error_of(TPOT, tmp_path), rel=1e-9)  # type: ignore[index]
    assert ("note: " in err and "GB18030" in err) == ("GBK" in how)


def test_a_quoted_cell_of_200_kilobytes_with_lines_in_it_moves_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.dumps({"tp": 1, "log": "x" * 200_000})
    noted = {**TPOT, "config_json": config, "notes": "two\nlines, one cell"}
    file = tmp_path / "t.csv"
    lines = (
        text(noted, {**TPOT, "unit": "banana"}).replace("two\nlines, one cell", '"two\nlines, one cell"').replace('""two', '"two')
    )
    file.write_text(lines.replace('one cell""', 'one cell"'), encoding="utf-8")
    code, printed, _ = validated(file, capsys)
    assert code == 0
    assert [row["line"] for row in printed["refused"]] == [4]  # type: ignore[attr-defined]
    assert printed["groups"][0]["median_ape"] == pytest.approx(error_of(TPOT, tmp_path), rel=1e-9)  # type: ignore[index]


def test_decimal_commas_are_read_between_semicolons_and_what_is_unclear_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.csv"
    rows = [{**RATE, "value": value} for value in ("2500,0", "2,500", "2.500", "2.500,0")]
    file.write_text(text(*rows, delimiter=";"), encoding="utf-8")
    code, printed, _ = validated(file, capsys)
    assert code == 0
    assert [row["line"] for row in printed["refused"]] == [3, 4]  # type: ignore[attr-defined]
    assert all("is unclear" in row["reason"] for row in printed["refused"])  # type: ignore[attr-defined]
    assert printed["groups"][0]["median_ape"] == pytest.approx(error_of(RATE, tmp_path), rel=1e-9)  # type: ignore[index]


STRANGE = (
    {"value": "-9.0"}, {"value": "0"}, {"value": "nan"}, {"value": "-0"}, {"value": "1e999"}, {"value": "9ms"}, {"value": "~9"},
    {"value": "9±1"}, {"value": "=9"}, {"value": "#DIV/0!"}, {"value": "9;0"}, {"value": "1_000"}, {"value": "9" * 5000},
    {"value": "9.0 / 8.5"}, {"value": ""}, {"value": "٩"}, {"unit": "banana"}, {"unit": ""}, {"unit": "tokens/s"}, {"unit": "m"},
    {"unit": "ms (x1000)"}, {"gpu_count": "0"}, {"gpu_count": "1.9"}, {"gpu_count": "-1"}, {"gpu_count": "eight"},
    {"gpu_count": "1e30"}, {"input_len": "-1024"}, {"input_len": "1k"}, {"output_len": "0"}, {"concurrency": "-32"},
    {"concurrency": "nan"}, {"batch": "1.5"}, {"batch": "256 and 32"}, {"resolution": "big"}, {"steps": "-30"}, {"power_w": "0"},
    {"config_json": "tp=8"}, {"config_json": '{"tp": "four"}'},
    {"config_json": '{"tp": 8}'},
    {"config_json": '{"tp": 4, "pp": 2}', "gpu_count": "4"}, {"config_json": '{"tp": 2}', "gpu_count": ""},
    {"config_json": "[" * 50_000}, {"task": "finetune"}, {"gpu": ""},
    {"model": ""}, {"family": ""}, {"metric": ""},
)  # fmt: skip


def test_every_strange_row_is_refused_by_its_line_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text(TPOT, *({**TPOT, **strange} for strange in STRANGE), TPOT), encoding="utf-8")
    code, printed, err = validated(file, capsys)
    assert code == 0, err
    assert [row["line"] for row in printed["refused"]] == list(range(3, 3 + len(STRANGE)))  # type: ignore[attr-defined]
    (group,) = printed["groups"]  # type: ignore[misc]
    assert (group["asked"], group["answered"]) == (len(STRANGE) + 2, 2)
    assert group["median_ape"] == pytest.approx(error_of(TPOT, tmp_path))
    found = api.validate(file)
    assert [row.model_dump() for row in found.refused] == printed["refused"]


def test_refused_rows_count_in_the_group_that_their_columns_name(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text(TPOT, {**TPOT, "value": "x"}, {**TPOT, "gpu": "A100"}, {**TPOT, "gpu_count": "many"}), encoding="utf-8")
    groups = {
        (one.by["gpu"], one.by["gpu_count"]): (one.asked, one.answered)
        for one in api.validate(file, by=["gpu", "gpu_count"]).groups
    }
    assert groups == {(TPOT["gpu"], "1"): (2, 1), ("A100", "1"): (1, 1), (TPOT["gpu"], "many"): (1, 0)}


def test_refused_rows_are_shown_by_reason_with_all_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.csv"
    bad, worse = {**TPOT, "unit": "banana"}, {**TPOT, "value": "-1"}
    file.write_text(text(TPOT, bad, bad, TPOT, bad, worse), encoding="utf-8")
    assert main(["validate", str(file)]) == 0
    out = capsys.readouterr().out
    assert "3 rows refused: lines 3-4, 6: unit 'banana' is not a unit of tpot: s, ms" in out
    assert "1 row refused: line 7: value '-1' is not above 0" in out


def test_thousands_of_reasons_do_not_fill_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text(TPOT, *({**TPOT, "value": f"-{number}"} for number in range(1, 2000))), encoding="utf-8")
    assert main(["validate", str(file)]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 60
    assert "1959 rows refused for 1959 further reasons" in out


@pytest.mark.parametrize("rows", [(), ({**TPOT, "unit": "banana"}, {**TPOT, "value": "x"})], ids=["empty", "refused"])
def test_a_table_without_a_usable_row_is_an_error(
    rows: tuple[Row, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "t.csv", tmp_path / "rows.csv"
    file.write_text(text(*rows), encoding="utf-8")
    code = main(["validate", str(file), "--json", "--rows", str(out)])
    printed = capsys.readouterr()
    assert code == 1
    assert printed.err.startswith(f"error: {file}: ")
    assert len(printed.err.splitlines()) == 1
    assert len(json.loads(printed.out)["refused"]) == len(rows)
    assert len(out.read_text().splitlines()) == 1 + len(rows)
    with pytest.raises(AigcBenchError):
        api.validate(file)


def test_the_written_rows_have_those_that_are_refused_in_their_place(tmp_path: Path) -> None:
    file, out = tmp_path / "t.csv", tmp_path / "rows.csv"
    file.write_text(text(TPOT, {**TPOT, "value": "x"}, TPOT), encoding="utf-8")
    api.validate(file, rows_out=out)
    with out.open(encoding="utf-8", newline="") as handle:
        written = list(csv.DictReader(handle))
    assert [row["line"] for row in written] == ["2", "3", "4"]
    assert written[1]["value"] == "x"
    assert written[1]["reason"].startswith("refused: value 'x' is not a number")


def test_the_written_rows_never_replace_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text(TPOT), encoding="utf-8")
    assert main(["validate", str(file), "--rows", str(file)]) == 2
    assert file.read_text() == text(TPOT)
    assert "this is the table itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(text(TPOT).encode(), mtime=0)[:-20], "the gzip file is cut short"),
        (b"\x1f\x8b" + b"x" * 50, "the gzip file is damaged"),
        (b"PK\x03\x04" + b"x" * 50, "an Excel workbook or a zip archive"),
        (b"", "empty"),
        (text(TPOT).replace("family,", "fam,").encode(), "line 1: column 'family' is missing"),
        (text(TPOT).encode() + b'"never closed', "a quote is never closed"),
        (text({**TPOT, "notes": "caf\u00e9 \u00e0 la cr\u00e8me"}).encode("latin-1"), "neither UTF-8 nor UTF-16 nor GB18030"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "t.csv: "),
    ],
)
def test_a_file_that_is_no_table_is_one_line_with_the_place(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    code, printed, err = validated(file, capsys)
    assert code == 2
    assert printed == {}
    assert words in err
    assert len([line for line in err.splitlines() if not line.startswith("note: ")]) == 1

"""The documented schema of published results: what is read, and what is refused by line."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.predict.published.row import COLUMNS, resolution_pixels
from aigc_bench.predict.published.table import parse_row, read_published

ROW = {
    "family": "llm",
    "task": "infer-online",
    "model": "meta-llama/Llama-3.1-8B",
    "gpu": "H100-SXM-80GB",
    "gpu_count": "8",
    "precision": "fp8",
    "software": "vllm 0.19.0",
    "concurrency": "64",
    "input_len": "1024",
    "output_len": "256",
    "metric": "tpot",
    "value": "12.5",
    "unit": "ms",
}


def table(tmp_path: Path, *rows: dict[str, str]) -> Path:
    file = tmp_path / "t.csv"
    lines = [",".join(f'"{row.get(name, "")}"' for name in COLUMNS) for row in rows]
    file.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return file


def test_times_are_kept_in_seconds_and_rates_as_they_are() -> None:
    assert parse_row(ROW).value == pytest.approx(0.0125)
    assert parse_row({**ROW, "metric": "time_to_train", "value": "2", "unit": "hours"}).value == pytest.approx(7200)
    assert parse_row({**ROW, "metric": "throughput", "value": "900", "unit": "output tokens/s"}).value == 900


def test_an_empty_cell_is_missing_and_not_zero() -> None:
    query = parse_row({**ROW, "input_len": "", "batch": None}).query
    assert query.input_len is None
    assert query.batch is None
    assert query.concurrency == 64


def test_infinite_concurrency_is_offline() -> None:
    assert parse_row({**ROW, "concurrency": "inf"}).query.concurrency == float("inf")


def test_the_parallel_layout_is_read_from_the_configuration() -> None:
    query = parse_row({**ROW, "config_json": '{"mode": "disagg", "decode_tp_size": "8", "parallel": "FSDP2 TP4,PP2"}'}).query
    assert query.layout == {"decode_tp": 8.0, "tp": 4.0, "pp": 2.0}
    assert query.words["mode"] == "disagg"


def test_dimensions_that_are_not_used_or_not_known_are_missing() -> None:
    config = '{"tp": 0, "EP": "n/a", "pp": null, "cfg": "guidance on", "avg_bs": 12.5, "note": "2,5"}'
    assert parse_row({**ROW, "config_json": config}).query.layout == {"in_flight": 12.5}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("tp=8", "not JSON"),
        ("[1]", "no object"),
        ('{"tp": NaN}', "tp = NaN: must be a finite number"),
        ('{"tp": 2, "tp": 4}', "2 times"),
        ('{"tp": "1 (2)"}', "TP|tp"),
        ('{"tp": -1}', "whole number"),
        ('{"tp": 1.5}', "whole number"),
        ('{"tp": true}', "not a number"),
        ('{"tp": [4]}', "not a number"),
        ('{"power_limit_w": -300}', "positive"),
        ('{"parallel": "TP99999999999"}', "parallel"),
        ("[" * 100_000, "config_json"),
        ('{"tp": ' + "9" * 5000 + "}", "config_json"),
    ],
)
def test_a_configuration_that_cannot_be_read_refuses_the_row(config: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_row({**ROW, "config_json": config})


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("value", "", "value is empty"),
        ("value", "-9.0", "value '-9.0' is not above 0"),
        ("value", "0", "value '0' is not above 0"),
        ("value", "nan", "value 'nan' must be a finite number"),
        ("value", "1e29", None),
        ("value", "~9", "value '~9' is a bound"),
        ("value", "2,5", "value '2,5' has a comma that separates no thousands"),
        ("unit", "", "unit is empty; those of tpot are s, ms"),
        ("unit", "banana", "unit 'banana' is not a unit of tpot: s, ms"),
        ("unit", "tokens/s", "unit 'tokens/s' is not a unit of tpot"),
        ("gpu", "", "gpu is empty"),
        ("gpu_count", "0", "gpu_count '0' is not a whole number from 1"),
        ("gpu_count", "1.9", "gpu_count '1.9' is not a whole number from 1"),
        ("gpu_count", "-8", "gpu_count '-8' is not a whole number from 1"),
        ("gpu_count", "1e30", "gpu_count '1e30' is above 1,000,000"),
        ("nodes", "0.5", "nodes '0.5' is not a whole number from 1"),
        ("batch", "256 and 32", "batch '256 and 32' is not a number; leave it empty where it is not known"),
        ("batch", "0", "batch '0' is not a whole number from 1"),
        ("concurrency", "-inf", "concurrency '-inf' must be a finite number"),
        ("concurrency", "0.5", "concurrency '0.5' is not a whole number from 1"),
        ("input_len", "-1024", "input_len '-1024' is below 1"),
        ("input_len", "4k", "input_len '4k' may mean a power of 1,000 or of 1,024"),
        ("output_len", "n/a", "output_len 'n/a' is not a number; leave it empty"),
        ("steps", "30.5", "steps '30.5' is not a whole number from 1"),
        ("resolution", "1080p", "resolution '1080p' is not width x height"),
        ("resolution", "1024", "resolution '1024' is not width x height"),
        ("resolution", "0x1024", "resolution '0x1024' is not width x height"),
        ("power_w", "-5", "power_w '-5' is not above 0"),
        ("power_w", "700W", "power_w '700W' carries a unit"),
        ("task", "finetune", "task 'finetune' is none of infer, infer-online, train"),
        ("primary", "maybe", "primary 'maybe' is neither 1 nor 0"),
    ],
)
def test_a_cell_that_cannot_be_read_refuses_its_row_and_is_never_ignored(column: str, cell: str, words: str | None) -> None:
    if words is None:
        assert parse_row({**ROW, column: cell}).query.metric == "tpot"
        return
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_row({**ROW, column: cell})


def test_a_row_is_refused_with_every_reason() -> None:
    with pytest.raises(ValueError, match=r"gpu_count '0'.*; input_len '-1'.*; value 'x'"):
        parse_row({**ROW, "gpu_count": "0", "input_len": "-1", "value": "x"})


def test_a_share_above_one_is_refused() -> None:
    mfu = {**ROW, "family": "llm-train", "task": "train", "metric": "mfu"}
    assert parse_row({**mfu, "value": "45", "unit": "%"}).value == pytest.approx(0.45)
    with pytest.raises(ValueError, match="above 100 %"):
        parse_row({**mfu, "value": "45", "unit": "fraction"})


@pytest.mark.parametrize("written", ["1024x1024", "1024X1024", "1024 x 1024", "1024×1024", "１０２４ｘ１０２４", "1024*1024"])
def test_a_resolution_is_one_however_it_is_written(written: str) -> None:
    assert parse_row({**ROW, "resolution": written}).query.resolution == "1024x1024"


@pytest.mark.parametrize("written", ["480x832x81f", "16 frames"])
def test_a_video_has_frames(written: str) -> None:
    assert parse_row({**ROW, "resolution": written}).query.resolution == written


def test_refused_rows_are_kept_with_line_reason_and_what_can_be_read(tmp_path: Path) -> None:
    found = read_published(table(tmp_path, ROW, {**ROW, "gpu_count": "8.0", "unit": "banana"}, ROW))
    assert [row.line for row in found.rows] == [2, 4]
    (refused,) = found.refused
    assert refused.line == 3
    assert refused.columns["gpu_count"] == "8"
    assert refused.columns["unit"] == "banana"


def test_a_row_with_more_cells_than_columns_is_refused_with_that_reason(tmp_path: Path) -> None:
    file = table(tmp_path, ROW)
    file.write_text(file.read_text().rstrip("\n") + ",1,2\n")
    assert "has 19 cells where the header has 17" in read_published(file).refused[0].reason


def test_tables_are_read_plain_and_compressed(tmp_path: Path) -> None:
    plain = table(tmp_path, ROW)
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_published(plain) == read_published(packed)
    assert len(read_published(plain).rows) == 1


def test_a_table_without_a_column_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("family,model,gpu,metric,value\n")
    with pytest.raises(UsageError, match="column 'unit' is missing"):
        read_published(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_published(tmp_path / "t.csv")


def test_pixels_of_a_resolution() -> None:
    assert resolution_pixels("1024x512") == 1024 * 512
    assert resolution_pixels("") is None
    assert resolution_pixels(None) is None
    assert resolution_pixels("480x832x81f") is None

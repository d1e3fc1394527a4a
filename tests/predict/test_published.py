"""The documented schema of published results."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.predict.published import COLUMNS, parse_row, read_rows, resolution_pixels

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


def test_times_are_kept_in_seconds_and_rates_as_they_are() -> None:
    assert parse_row(ROW).value == pytest.approx(0.0125)
    assert parse_row({**ROW, "value": "2", "unit": "hours"}).value == pytest.approx(7200)
    assert parse_row({**ROW, "value": "900", "unit": "output tokens/s"}).value == 900


def test_an_empty_cell_is_missing_and_not_zero() -> None:
    query = parse_row({**ROW, "input_len": "", "batch": None}).query
    assert query.input_len is None
    assert query.batch is None
    assert query.concurrency == 64


def test_infinite_concurrency_is_offline() -> None:
    assert parse_row({**ROW, "concurrency": "inf"}).query.concurrency == float("inf")


def test_the_parallel_layout_is_read_from_the_configuration() -> None:
    query = parse_row({**ROW, "config_json": '{"mode": "disagg", "decode_tp_size": "8", "parallel": "TP4,PP2"}'}).query
    assert query.layout == {"decode_tp": 8.0, "tp": 4.0, "pp": 2.0}
    assert query.words["mode"] == "disagg"


def test_a_configuration_that_is_not_json_is_ignored() -> None:
    assert parse_row({**ROW, "config_json": "tp=8"}).query.layout == {}


def test_tables_are_read_plain_and_compressed(tmp_path: Path) -> None:
    text = ",".join(COLUMNS) + "\n" + ",".join(ROW.get(name, "") for name in COLUMNS) + "\n"
    plain, packed = tmp_path / "t.csv", tmp_path / "t.csv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_rows(plain) == read_rows(packed)
    assert len(read_rows(plain)) == 1


def test_a_table_without_a_column_is_refused_in_one_line(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("family,model,gpu,metric,value\n")
    with pytest.raises(UsageError, match="column 'unit' is missing"):
        read_rows(table)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_rows(tmp_path / "t.csv")


def test_pixels_of_a_resolution() -> None:
    assert resolution_pixels("1024x512") == 1024 * 512
    assert resolution_pixels("") is None
    assert resolution_pixels(None) is None

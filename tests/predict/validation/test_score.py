"""Scoring against published results, and the gate that holds the accuracy."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import aigc_bench.api as api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.cli import main
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Estimate
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.left_out import errors_by_family
from aigc_bench.predict.fitting.predictions import RowPrediction, predict_rows
from aigc_bench.predict.published.table import parse_row, read_published
from aigc_bench.predict.validation.score import score, validation

FROZEN = Path(__file__).parents[1] / "data" / "frozen_rows.csv"
ACCEPTED = Path(__file__).parents[1] / "data" / "accepted_errors.csv"
RISE = 1.10
"""The median error may not rise by more than a tenth."""
NUM_FOLDS = 8
"""That of ``benchmarks/freeze_rows.py``."""


@pytest.fixture(scope="module")
def answers() -> list[RowPrediction]:
    return predict_rows(
        read_published(FROZEN).rows, catalogue=load_catalogue(with_user_files=False), calibration=shipped_calibration()
    )


def accepted(column: str) -> dict[str, float]:
    """What ``benchmarks/freeze_rows.py --accept`` wrote."""
    with ACCEPTED.open(encoding="utf-8", newline="") as file:
        return {row["family"]: float(row[column]) for row in csv.DictReader(file)}


def risen(found: Mapping[str, float | None], limits: Mapping[str, float]) -> dict[str, tuple[float | None, float]]:
    return {family: (found[family], limit) for family, limit in limits.items() if (found[family] or 9.0) > limit * RISE}


def test_the_median_error_on_frozen_rows_has_not_risen_by_a_tenth(answers: list[RowPrediction]) -> None:
    found = {group.by["family"]: group.median_ape for group in validation(answers, by=["family"]).groups}
    assert not risen(found, accepted("shipped")), "median error of the shipped calibration, and what was accepted"


def test_the_median_error_on_accelerators_left_out_has_not_risen_by_a_tenth() -> None:
    errors = errors_by_family(read_published(FROZEN).rows, catalogue=load_catalogue(with_user_files=False), num_folds=NUM_FOLDS)
    found = {family: error for family, (error, _) in errors.items()}
    assert not risen(found, accepted("left_out")), "median error on accelerators left out of the sample, and what was accepted"


def test_nearly_every_frozen_row_is_answered_inside_a_sane_interval(answers: list[RowPrediction]) -> None:
    known = [answer.estimate for answer in answers if answer.estimate is not None]
    assert len(known) >= 0.98 * len(answers)
    assert all(0 < estimate.low <= estimate.value <= estimate.high for estimate in known)


def answer(truth: float, predicted: float) -> RowPrediction:
    cells = {"family": "llm", "model": "m", "gpu": "g", "metric": "tpot", "value": str(truth), "unit": "s"}
    estimate = Estimate(value=predicted, low=predicted * 0.8, high=predicted * 1.25, unit="s", basis="modelled")
    return RowPrediction(row=parse_row(cells), estimate=estimate)


def test_scores_are_fractions_of_the_measured_value() -> None:
    found = score([answer(1.0, 1.1), answer(2.0, 1.0), answer(1.0, 1.0)], by={})
    assert found.median_ape == pytest.approx(0.1)
    assert found.mean_ape == pytest.approx(0.2)
    assert found.bias == pytest.approx(0.0)
    assert (found.within_10, found.within_20) == (pytest.approx(2 / 3, abs=0.34), pytest.approx(2 / 3))
    assert found.coverage_80 == pytest.approx(2 / 3)


def test_what_is_not_answered_is_counted_with_its_reason(answers: list[RowPrediction]) -> None:
    refused = answers[0].model_copy(update={"estimate": None, "reason": "accelerator is not in the catalogue"})
    found = validation([refused, *answers[1:3]])
    assert found.unanswered == {"accelerator is not in the catalogue": 1}
    assert (found.groups[0].asked, found.groups[0].answered) == (3, 2)


def test_groups_add_up_to_all_rows(answers: list[RowPrediction]) -> None:
    grouped = validation(answers, by=["gpu", "family"]).groups
    assert sum(group.asked for group in grouped) == len(answers)


def test_an_unknown_column_is_reported_with_the_nearest(answers: list[RowPrediction]) -> None:
    with pytest.raises(UnknownNameError, match="family"):
        validation(answers, by=["famly"])


def test_the_command_prints_the_documented_json_and_writes_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.csv"
    assert main(["validate", str(FROZEN), "--by", "family", "--json", "--rows", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"groups", "unanswered", "refused"}
    assert set(printed["groups"][0]) == {
        "by", "asked", "answered", "median_ape", "mean_ape", "p90_ape", "bias", "within_10", "within_20", "within_30",
        "coverage_80",
    }  # fmt: skip
    with out.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == sum(group["asked"] for group in printed["groups"])


def test_rows_of_the_documented_columns_alone_are_answered(tmp_path: Path) -> None:
    table = tmp_path / "bare.csv"
    table.write_text(
        "family,task,model,gpu,gpu_count,precision,software,batch,concurrency,input_len,output_len,resolution,steps,metric,value,unit,power_w\n"
        "llm,infer-online,Llama-3.1-8B,NVIDIA H100 80GB HBM3,1,fp8,vllm 0.19.0,,32,1024,256,,,tpot,9.0,ms,\n"
        "diffusion-image,infer,SDXL,A100-SXM-80GB,1,fp16,diffusers,1,,,,1024x1024,30,latency,4.2,s,\n"
    )
    found = api.validate(table)
    assert found.groups[0].answered == 2
    assert np.isfinite(found.groups[0].median_ape or np.nan)

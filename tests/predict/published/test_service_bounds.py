"""Scenarios with a bound: the latency lies close below it, whatever the hardware."""

from __future__ import annotations

from typing import Any

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.step_rows import ASPECTS
from aigc_bench.predict.fitting.predictions import model_row
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.published.service_bounds import bound_of

CATALOGUE = load_catalogue(with_user_files=False)


def query(**changes: Any) -> PublishedQuery:
    plain: dict[str, Any] = {
        "family": "llm", "task": "infer-online", "model": "Llama-2-70B-chat (99.9%)", "gpu": "h100_sxm_80gb", "gpu_count": 8,
        "precision": "fp8", "software": "TensorRT 10.2", "metric": "tpot_p99", "unit": "s", "words": {"scenario": "Server"},
    }  # fmt: skip
    return PublishedQuery(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 0.2),
        ({"metric": "ttft_mean"}, 2.0),
        ({"words": {"scenario": "Interactive"}}, 0.04),
        ({"words": {}}, None),
        ({"words": {"scenario": "Offline"}}, None),
        ({"metric": "throughput_server"}, None),
        ({"family": "bert", "model": "BERT-Large SQuAD1.1", "metric": "latency_p99"}, 0.13),
        ({"family": "vision-cnn", "model": "ResNet50-v1.5", "metric": "latency_p99"}, 0.015),
        ({"model": "unheard-of"}, None),
    ],
)
def test_a_scenario_bounds_what_its_rules_name(changes: dict[str, Any], seconds: float | None) -> None:
    assert bound_of(query(**changes)) == seconds


def test_a_bounded_latency_is_the_bound_on_every_device_before_any_measurement() -> None:
    rows = [model_row(query(gpu=name), CATALOGUE.accelerator(name)) for name in ("h100_sxm_80gb", "b200_sxm_180gb")]
    assert {row.columns["bound_s"] for row in rows} == {0.2}
    assert {ASPECTS[int(row.columns["aspect"])] for row in rows} == {"bound"}
    assert not any(row.shapes_constants for row in rows) and rows[0].track == "llm.infer.bound"
    assert rows[0].groups["work"].endswith("|tpot_p99|server"), "how near a scenario comes is its own"

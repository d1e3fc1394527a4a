"""A user's own model on serving engines: its configuration decides, not the name of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.records import MetricRow
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.workloads._language_presets import language_presets
from tests.own_models import write_model
from tests.predict.language.published_sizes import SIZES
from tests.published_models import DECODERS, ENCODERS

_LLAMA = {**language_presets()["llama-3.1-8b"].config, "architectures": ["LlamaForCausalLM"]}
_NAMES = ("my-llama", "llama-3.1-8b-x", "snapshots/0123abc")


def predicted(what: Path | str, **fields: Any) -> dict[str, MetricRow]:
    own = {"model": str(what)} if isinstance(what, Path) else {"what": what}
    fields = {"engine": "vllm", "batch_size": 8, **fields}
    rows = predict_one(Query(**own, **fields), accelerators=["h100"]).rows
    return {row.metric: row for _, row in rows}


def figures(rows: dict[str, MetricRow]) -> dict[str, tuple[float | None, ...]]:
    return {name: (row.value, row.low, row.high) for name, row in rows.items()}


@pytest.mark.parametrize("name", [*SIZES, *DECODERS, *ENCODERS])
def test_a_copy_under_another_name_has_the_same_answer_to_the_bit(tmp_path: Path, name: str) -> None:
    """On enough devices for the largest; what does not fit has parameters and cache all the same."""
    config = SIZES[name].config if name in SIZES else {**DECODERS, **ENCODERS}[name].config
    folders = [write_model(tmp_path / folder, config) for folder in _NAMES]
    first, *others = (predicted(folder, devices=8) for folder in folders)
    assert all(figures(other) == figures(first) for other in others)
    if name in SIZES:
        size = SIZES[name]
        assert first["num_params"].value == pytest.approx(size.num_params, rel=1e-3)
        assert first["kv_bytes_per_token"].value in (size.kv_bytes, size.kv_bytes / 2)


def test_a_copy_of_a_preset_is_answered_as_the_preset(tmp_path: Path) -> None:
    """The large model keeps its numbers in a folder that is called after the small one."""
    large = {**language_presets()["qwen3-235b-a22b"].config, "architectures": ["Qwen3MoeForCausalLM"]}
    folder = write_model(tmp_path / "llama-3.1-8b-x", large)
    own, preset = predicted(folder, devices=8), predicted("gpt/qwen3-235b-a22b", devices=8)
    assert figures(own) == figures(preset)
    assert own["num_params"].value == 235_093_634_560 and own["num_active_params"].value == pytest.approx(21.57e9, rel=1e-3)


@pytest.mark.parametrize(("cache", "bytes_per_token"), [(None, 131072), ("FP8", 65536)])
def test_the_cache_has_the_format_that_the_file_states(tmp_path: Path, cache: str | None, bytes_per_token: int) -> None:
    """vLLM caches a checkpoint of eight bits in sixteen unless the file or an option says otherwise; published runs are of both."""
    table = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": cache}
    found = predicted(write_model(tmp_path / "some", {**_LLAMA, "quantization_config": table}))
    assert found["kv_bytes_per_token"].value == bytes_per_token
    assert found["tpot"].grade == "calibrated"  # type: ignore[attr-defined]


def test_a_change_of_a_key_changes_the_answer(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "my-llama", _LLAMA)
    whole, half = predicted(folder), predicted(folder, changes={"num_hidden_layers": 16})
    assert half["tpot"].value < 0.7 * whole["tpot"].value  # type: ignore[operator]
    assert half["kv_bytes_per_token"].value == whole["kv_bytes_per_token"].value / 2 == 65536  # type: ignore[operator]


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm", "llama.cpp", "transformers"])
def test_every_serving_engine_answers(tmp_path: Path, engine: str) -> None:
    rows = predicted(write_model(tmp_path / "x", _LLAMA), engine=engine)
    assert {"throughput", "ttft", "tpot", "num_params"} <= rows.keys()
    assert all(row.value is not None and row.value > 0 for row in rows.values())


def test_a_load_is_answered_for_an_own_model_too(tmp_path: Path) -> None:
    load = {"rate_per_s": 2.0, "lengths": "256/32", "num_requests": 60}
    folders = [write_model(tmp_path / name, _LLAMA) for name in _NAMES]
    first, *others = (predicted(folder, load=load, devices=2, parallel="tp=2") for folder in folders)
    assert {"ttft", "tpot", "num_params", "kv_bytes_per_token"} <= first.keys()
    assert all(figures(other) == figures(first) for other in others)


def test_traced_and_served_tell_the_same_of_the_model(tmp_path: Path) -> None:
    small = {**_LLAMA, "num_hidden_layers": 2, "vocab_size": 1000}
    folder = write_model(tmp_path / "x", small)
    served, traced = predicted(folder), predicted(folder, engine="torch-eager")
    for metric in ("num_params", "num_active_params", "kv_bytes_per_token"):
        assert served[metric].value == traced[metric].value


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm"])
@pytest.mark.parametrize("name", ["google-bert/bert-base-uncased", "FacebookAI/xlm-roberta-base"])
def test_an_encoder_has_a_latency_and_no_tokens_after_the_first(tmp_path: Path, name: str, engine: str) -> None:
    folder = write_model(tmp_path / "x", SIZES[name].config)
    rows = predicted(folder, engine=engine, batch_size=32)
    assert {"throughput", "latency_mean", "num_params"} <= rows.keys() and "tpot" not in rows
    assert rows["kv_bytes_per_token"].value == 0 and rows["throughput"].unit == "sequences/s"
    more = predicted(folder, engine=engine, batch_size=32, devices=2)
    assert rows["throughput"].value < more["throughput"].value <= 2 * rows["throughput"].value * 1.001  # type: ignore[operator]


def test_an_encoder_under_a_load_answers_whole_batches() -> None:
    rows = predicted("bert/base", batch_size=None, load={"rate_per_s": 50.0, "num_requests": 200})
    assert {"latency_p99", "request_throughput", "num_params"} <= rows.keys() and "tpot" not in rows


def test_an_encoder_is_not_cut_into_stages() -> None:
    with pytest.raises(AigcBenchError, match="stages of a pipeline"):
        predicted("bert/base", devices=2, parallel="pp=2")

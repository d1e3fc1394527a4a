"""A model that is named is served as its checkpoint was published: sizes of the preset, format of the name or the publication."""

from __future__ import annotations

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.published.name_resolution import is_typical
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query


def rows(what: str, **keys: object) -> dict[str, PredictedRow]:
    found = predict_one(Query(what, **{"engine": "vllm", "devices": 8, **keys}), accelerators=["h200"])  # type: ignore[arg-type]
    return {row.metric: row for _, row in found.rows}


def test_a_name_that_states_a_format_is_served_in_it() -> None:
    wide, narrow = (rows(f"nvidia/Llama-3.3-70B-Instruct{ending}", parallel="tp=8") for ending in ("", "-FP8"))
    assert narrow["memory_allocated_peak"].value < wide["memory_allocated_peak"].value
    assert narrow["throughput"].precision == "fp8"
    assert "the name states fp8" in narrow["throughput"].reasons
    assert rows("nvidia/Llama-3.3-70B-Instruct-FP8", precision="bf16")["throughput"].precision == "bf16"


def test_a_model_that_is_published_in_eight_bits_is_served_in_them() -> None:
    found = rows("deepseek-ai/DeepSeek-R1")
    assert found["throughput"].verdict == "modelled", "eight H200 hold it in fp8 and not in bf16"
    assert "published in fp8" in found["throughput"].reasons


def test_of_a_preset_that_sees_the_language_model_is_served() -> None:
    found = rows("Qwen/Qwen2.5-VL-7B-Instruct")
    assert found["num_params"].value == pytest.approx(7.616e9, rel=1e-3)
    assert "images_not_counted" in found["throughput"].reasons
    assert "images_not_counted" in rows("Qwen/Qwen3-VL-8B-Instruct")["ttft"].reasons


def test_a_table_means_a_preset_by_its_name_and_not_a_typical_model_of_its_size() -> None:
    found = language_named("Qwen/Qwen3-Next-80B-A3B-Instruct")
    assert found is not None and found.total_params == pytest.approx(79.67e9, rel=1e-3)
    other = language_named("acme/Rocket-8B")
    assert other is not None and is_typical(other)
    published = language_named("DeepSeek-R1-Distill-Llama-70B")
    assert published is not None and published.name == "llama-3.1-70b"


def test_a_request_that_is_alone_is_not_stalled_by_the_prompts_of_others() -> None:
    """At 128k tokens a token takes the time of weights and cache, about 8 ms, and not that of reading prompts meanwhile."""
    short, long = (rows("llama-3.1-8b", devices=1, settings={"prompt_len": tokens}) for tokens in (1024, 128_000))
    assert long["tpot"].value is not None and short["tpot"].value is not None
    assert short["tpot"].value < long["tpot"].value < 2 * short["tpot"].value


def test_a_serving_engine_that_is_to_train_says_so() -> None:
    with pytest.raises(UsageError, match="vllm serves, and does not train"):
        rows("llama-3.1-8b", mode="train")

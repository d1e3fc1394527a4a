"""Spellings of models, engines and number formats."""

from __future__ import annotations

import pytest

from aigc_bench.predict.published.name_resolution import (
    language_models,
    resolve_engine,
    resolve_format,
    resolve_language_model,
    typical_language_model,
)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("LLaMA v3.1 70B", "llama-3.1-70b"),
        ("Llama 3.3 70B", "llama-3.1-70b"),
        ("LLAMA3.1_405B", "llama-3.1-405b"),
        ("Llama-2-70B-chat (99.9%)", "llama-2-70b"),
        ("nvidia/DeepSeek-R1-NVFP4", "deepseek-v3"),
        ("Qwen3_235B_a22B (tokendrop)", "qwen3-235b-a22b"),
        ("GPT-J-6B (99.9%)", "gpt-j-6b"),
        ("Mixtral-8x7B-instruct", "mixtral-8x7b"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("GPT-3 175B", "gpt-175b"),
        ("lmsys/vicuna-13B", "llama-13b"),
    ],
)
def test_one_model_has_many_spellings(spelling: str, name: str) -> None:
    found = resolve_language_model(spelling)
    assert found is not None
    assert found.name == name


def test_an_unknown_name_with_a_size_becomes_a_typical_decoder_of_that_size() -> None:
    found = resolve_language_model("acme/Rocket-13B")
    assert found is not None
    assert found.source.startswith("assumed")
    assert found.total_params == pytest.approx(13e9, rel=0.15)


def test_an_unknown_name_without_a_size_is_not_guessed() -> None:
    assert resolve_language_model("acme/Rocket") is None


@pytest.mark.parametrize("billions", [1, 3, 8, 34, 70, 400])
def test_a_typical_decoder_has_about_the_parameters_it_was_requested_with(billions: int) -> None:
    assert typical_language_model(billions * 1e9).active_params == pytest.approx(billions * 1e9, rel=0.02)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fp16 (recalled)", "fp16"),
        ("MXFP8", "fp8"),
        ("NVFP4", "fp4"),
        ("mxfp4", "mxfp4"),
        ("Q4_K_M", "int4"),
        ("amp-fp16", "amp"),
        ("amp_bf16", "bf16"),
        ("fp32/tf32", "tf32"),
        ("fp32", "fp32"),
        ("bfloat16", "bf16"),
    ],
)
def test_number_formats_are_found_in_the_text(text: str, name: str) -> None:
    found = resolve_format(text)
    assert found is not None
    assert found.name == name


def test_a_missing_format_stays_missing() -> None:
    assert resolve_format(None) is None
    assert resolve_format("as submitted") is None


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("trtllm 1.0.0rc3", "tensorrt-llm", "1.0"),
        ("TensorRT-LLM 0.14.0", "tensorrt-llm", "0.14"),
        ("TensorRT 10.11, CUDA 12.9", "tensorrt", "10.11"),
        ("vllm 0.19.0", "vllm", "0.19"),
        ("vLLM (ML.ENERGY Benchmark v3)", "vllm", ""),
        ("sglang 0.5.9", "sglang", "0.5"),
        ("llama.cpp", "llama.cpp", ""),
        ("diffusers torch nightly - compile", "torch-compile", ""),
        ("", "unknown", ""),
        ("Fancy Engine", "other", ""),
    ],
)
def test_engines_are_found_in_the_text(text: str, name: str, version: str) -> None:
    found = resolve_engine(text)
    assert (found.name, found.version) == (name, version)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("trtllm 1.2.0rc6.post2", "1.2.0rc6.post2"),
        ("sglang 0.5.10.post1", "0.5.10.post1"),
        ("vllm 0.19.0", "0.19.0"),
        ("TensorRT 10.11, CUDA 12.9", "10.11"),
        ("vllm", ""),
    ],
)
def test_months_of_an_engine_are_told_apart_by_the_whole_release(text: str, release: str) -> None:
    assert resolve_engine(text).release == release


PUBLISHED_SIZES = {
    "llama-3.1-8b": (8.03e9, 8.03e9),
    "llama-3.1-70b": (70.6e9, 70.6e9),
    "llama-3.1-405b": (405.9e9, 405.9e9),
    "mixtral-8x7b": (46.7e9, 12.9e9),
    "deepseek-v3": (671e9, 37e9),
    "qwen3-235b-a22b": (235e9, 22e9),
    "gpt-oss-120b": (116.8e9, 5.1e9),
    "kimi-k2": (1.03e12, 32e9),
    "gpt-175b": (175e9, 175e9),
}


@pytest.mark.parametrize("name", PUBLISHED_SIZES)
def test_counted_parameters_are_the_published_ones(name: str) -> None:
    total, active = PUBLISHED_SIZES[name]
    model = language_models()[name]
    assert model.total_params == pytest.approx(total, rel=0.01)
    assert model.active_params == pytest.approx(active, rel=0.08)


def test_every_model_says_where_its_figures_are_from() -> None:
    assert all(model.source for model in language_models().values())


def test_kv_bytes_are_exact_for_grouped_heads_and_for_latent_attention() -> None:
    llama, deepseek = language_models()["llama-3.1-70b"], language_models()["deepseek-v3"]
    assert llama.kv_elements_per_token * 2 == 2 * 80 * 8 * 128 * 2
    assert deepseek.kv_elements_per_token == 61 * (512 + 64)


def test_a_step_over_more_tokens_reads_more_experts_but_never_more_than_all() -> None:
    model = language_models()["mixtral-8x7b"]
    read = [model.read_params(tokens) for tokens in (1, 2, 8, 64, 10_000)]
    assert read == sorted(read)
    assert read[0] == pytest.approx(model.active_params)
    assert read[-1] == pytest.approx(model.dense_params + model.routed_params)

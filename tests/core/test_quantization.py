"""What a checkpoint's weights are kept in is read from the tables that quantising tools write, as published models hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.core.own_model import read_model
from tests.own_models import QWEN, write_model

_FP8_GROUPS = {
    "group_0": {
        "targets": ["Linear"],
        "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False, "group_size": None},
        "input_activations": {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": True},
    }
}
_W4A16_GROUPS = {
    "group_0": {
        "targets": ["Linear"],
        "weights": {"num_bits": 4, "type": "int", "strategy": "group", "symmetric": True, "group_size": 128},
        "input_activations": None,
    }
}
_NVFP4_GROUPS = {
    "group_0": {
        "weights": {"num_bits": 4, "type": "float", "group_size": 16, "dynamic": False},
        "input_activations": {"num_bits": 4, "type": "float", "group_size": 16, "dynamic": False},
        "targets": ["Linear"],
    }
}
CASES: dict[str, tuple[dict[str, Any], tuple[str, float, str, str | None]]] = {
    "deepseek-ai/DeepSeek-V3": (
        {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]},
        ("fp8", 8.002, "fp8", None),
    ),
    "openai/gpt-oss-120b": (
        {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
        ("mxfp4", 4.25, "bf16", None),
    ),
    "Qwen/Qwen2.5-7B-Instruct-AWQ": (
        {"bits": 4, "group_size": 128, "quant_method": "awq", "version": "gemm", "zero_point": True},
        ("int4", 4.156, "bf16", None),
    ),
    "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8": (
        {"bits": 8, "group_size": 128, "quant_method": "gptq", "sym": True, "desc_act": False},
        ("int8", 8.125, "bf16", None),
    ),
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic": (
        {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": _FP8_GROUPS, "kv_cache_scheme": None},
        ("fp8", 8.0, "fp8", None),
    ),
    "moonshotai/Kimi-K2-Thinking": (
        {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": _W4A16_GROUPS, "ignore": ["lm_head"]},
        ("int4", 4.125, "bf16", None),
    ),
    "nvidia/Llama-3.1-8B-Instruct-FP4": (
        {
            "quant_method": "modelopt", "quant_algo": "NVFP4", "config_groups": _NVFP4_GROUPS,
            "kv_cache_scheme": {"num_bits": 8, "type": "float", "dynamic": False},
        },
        ("fp4", 4.5, "fp4", "fp8"),
    ),
    "unsloth/llama-3-8b-bnb-4bit": (
        {
            "load_in_4bit": True, "_load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": "bfloat16", "quant_method": "bitsandbytes",
        },
        ("int4", 4.127, "bf16", None),
    ),
    "a model in LLM.int8()": ({"load_in_8bit": True, "llm_int8_threshold": 6.0}, ("int8", 8.0, "int8", None)),
    "pytorch/Phi-4-mini-instruct-INT4": (
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 128}}}},
        ("int4", 4.25, "bf16", None),
    ),
    "amd/Llama-3.1-8B-Instruct-FP8-KV": (
        {
            "quant_method": "quark", "kv_cache_scheme": {"num_bits": 8, "type": "float"},
            "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}, "input_tensors": {"dtype": "fp8_e4m3"}},
        },
        ("fp8", 8.0, "fp8", "fp8"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_of_a_published_checkpoint_are_read(tmp_path: Path, name: str) -> None:
    table, (weights, bits, activations, cache) = CASES[name]
    found = read_model(write_model(tmp_path, QWEN, quantization_config=table)).quantization
    assert found is not None
    assert (found.weights, found.activations, found.kv_cache) == (weights, activations, cache)
    assert found.weight_bits == pytest.approx(bits, abs=1e-3)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}, ("fp8", "fp8", "fp8")),
        ({"quant_algo": "NVFP4", "kv_cache_quant_algo": None, "group_size": 16}, ("fp4", "fp4", None)),
        ({"quant_algo": "W4A16_AWQ", "group_size": 128}, ("int4", "bf16", None)),
        (
            {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP8"}, "b": {"quant_algo": "FP8"}}},
            ("fp8", "fp8", None),
        ),
    ],
)
def test_modelopts_own_file_is_read(tmp_path: Path, table: dict[str, Any], expected: tuple[str, str, str | None]) -> None:
    folder = write_model(tmp_path, QWEN)
    bare = read_model(folder).sha256
    written = {"producer": {"name": "modelopt", "version": "0.23.0"}, "quantization": table}
    (folder / "hf_quant_config.json").write_text(json.dumps(written))
    found = read_model(folder)
    assert found.quantization is not None
    assert (found.quantization.weights, found.quantization.activations, found.quantization.kv_cache) == expected
    assert found.sha256 != bare


def test_a_file_of_modelopt_that_quantises_nothing_is_no_quantisation(tmp_path: Path) -> None:
    folder = write_model(tmp_path, QWEN)
    (folder / "hf_quant_config.json").write_text('{"quantization": {"quant_algo": null}}')
    assert read_model(folder).quantization is None


@pytest.mark.parametrize(
    "table",
    [
        {"quant_method": "compressed-tensors"},
        {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": "int4"}}},
        {"quant_method": ["fp8"]},
        {"quant_method": "gptq", "bits": 7},
        {"quant_method": "modelopt", "quant_algo": "FP3"},
        {"quant_method": "torchao", "quant_type": 3},
    ],
)
def test_a_format_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path, table: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is no format of weights") as caught:
        read_model(write_model(tmp_path, QWEN, quantization_config=table))
    assert "awq" in caught.value.hint
    assert "\n" not in str(caught.value)

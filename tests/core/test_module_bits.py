"""Bits of a weight by module: names, wildcards, expressions, targets and formats layer by layer, as tools write them."""

from __future__ import annotations

from typing import Any

import pytest

from aigc_bench.core.module_bits import WIDE, module_bits

_QUERY, _EXPERTS, _SHARED = "layers.3.self_attn.q_proj", "layers.3.mlp.experts", "layers.3.mlp.shared_experts.up_proj"
_DENSE = "layers.0.mlp.gate_proj"


def wide_ones(table: dict[str, Any]) -> set[str]:
    found = module_bits(table, packed=4.5)
    return {name for name in (_QUERY, _EXPERTS, _SHARED, _DENSE) if found.of((name,)) == WIDE}


@pytest.mark.parametrize(
    ("table", "wide"),
    [
        # Meta's Llama 3.1 405B FP8: every layer by its full name.
        ({"modules_to_not_convert": ["lm_head", "model.layers.3.self_attn.q_proj"]}, {_QUERY}),
        # gpt-oss: wildcards that name a whole module; nothing but experts is packed in this format.
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]}, {_QUERY, _SHARED, _DENSE}),
        # ModelOpt, as NVIDIA's checkpoints of DeepSeek have it.
        ({"exclude_modules": ["lm_head", "model.layers.*.self_attn*", "model.layers.61*"]}, {_QUERY}),
        # compressed-tensors, Kimi K2 Thinking.
        (
            {
                "ignore": ["re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*", "lm_head"],
                "config_groups": {"group_0": {"targets": ["Linear"]}},
            },
            {_QUERY, _SHARED, _DENSE},
        ),
        ({"config_groups": {"group_0": {"targets": ["re:.*experts.*"]}}}, {_QUERY, _DENSE}),
        # A vision-language model, whose language model stands deeper.
        ({"ignored_layers": ["visual", "model.language_model.layers.3.self_attn.q_proj"]}, {_QUERY}),
        ({"llm_int8_skip_modules": ["lm_head", "self_attn"]}, {_QUERY}),
        # A router is no gate of a feed-forward part.
        ({"modules_to_not_convert": ["gate", "model.layers.0.mlp.gate", "lm_head"]}, set()),
        ({"dynamic": {"-:.*self_attn.*": {}, "+:.*experts.*": {"bits": 4}}}, {_QUERY}),
        (
            {"extra_config": {"model.layers.3.self_attn.q_proj": {"bits": 16}, "model.layers.0.mlp.gate_proj": {"bits": 8}}},
            {_QUERY},
        ),
        ({"modules_to_not_convert": None}, set()),
        ({"ignore": {"lm_head": True}, "exclude_modules": [1, None, ""]}, set()),
    ],
)
def test_what_a_file_leaves_out_has_sixteen_bits(table: dict[str, Any], wide: set[str]) -> None:
    assert wide_ones(table) == wide


def test_formats_listed_by_layer_are_those_of_the_layers_and_nothing_else_is_packed() -> None:
    """As ModelOpt writes mixed precision: each expert by its own name."""
    layers = {f"model.layers.3.mlp.experts.{expert}.up_proj": {"quant_algo": "NVFP4"} for expert in range(256)}
    layers["model.layers.3.self_attn.q_proj"] = {"quant_algo": "FP8"}
    bits = {"NVFP4": 4.5, "FP8": 8.0}
    found = module_bits({"quantized_layers": layers}, packed=4.5, formats=lambda own: bits[own["quant_algo"]])
    assert found.of((_EXPERTS, f"{_EXPERTS}.up_proj")) == 4.5
    assert found.of((_QUERY,)) == 8.0 and found.of((_DENSE,)) == WIDE
    assert len(found.names) == 2


@pytest.mark.parametrize("pattern", ["re:(a+)+$", "re:(.*)*x", "re:.*.*.*.*.*x", "re:[", "re:(?=a).*", "*" * 90, "x" * 1000])
def test_an_expression_that_could_search_for_hours_is_counted_and_not_used(pattern: str) -> None:
    found = module_bits({"ignore": [pattern, "lm_head"]}, packed=8.0)
    assert found.num_unread == 1
    assert found.of(("layers.0." + "a" * 200,)) == 8.0


def test_the_output_head_is_packed_only_where_a_switch_says_so() -> None:
    assert module_bits({"lm_head": True}, packed=4.0).packs_head
    assert not module_bits({"lm_head": False}, packed=4.0).packs_head

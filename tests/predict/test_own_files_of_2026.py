"""Files that broke predictions: configurations as published in 2024 to 2026, and mistakes in them that have to be named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.predict.queries import parse_parallel, predict_one
from aigc_bench.predict.query import Query
from aigc_bench.workloads._language_presets import language_presets

_LLAMA = {**language_presets()["llama-3.1-8b"].config, "architectures": ["LlamaForCausalLM"]}
_DBRX = {
    "architectures": ["DbrxForCausalLM"], "model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40,
    "vocab_size": 100352, "max_seq_len": 32768, "attn_config": {"kv_n_heads": 8, "clip_qkv": 8, "rope_theta": 500000},
    "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
}  # fmt: skip
_LARGE_3 = {
    "dim": 7168, "n_layers": 61, "head_dim": 128, "hidden_dim": 16384, "n_heads": 128, "n_kv_heads": 128, "norm_eps": 1e-6,
    "vocab_size": 131072, "rope_theta": 1e4, "max_position_embeddings": 294912, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128, "kv_lora_rank": 512, "v_head_dim": 128, "tied_embeddings": False,
    "moe": {
        "first_k_dense_replace": 3, "num_experts": 128, "num_experts_per_tok": 4, "num_expert_groups": 1, "routed_scale": 1.0,
        "num_expert_groups_per_tok": 1, "expert_hidden_dim": 4096, "num_shared_experts": 1, "route_every_n": 1,
    },
    "quantization": {"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"},
}  # fmt: skip


def written(folder: Path, config: Any, *, name: str = "config.json") -> Path:
    folder.mkdir()
    (folder / name).write_text(json.dumps(config), encoding="utf-8")
    return folder


def rows_of(folder: Path, **fields: Any) -> dict[str, Any]:
    query = Query(model=str(folder), **{"engine": "vllm", "batch_size": 4, "devices": 8, **fields})
    return {row.metric: row for _, row in predict_one(query, accelerators=["b300"]).rows}


def test_experts_in_a_table_of_their_own_are_counted(tmp_path: Path) -> None:
    """databricks/dbrx-base: 132 B in all, 36 B active (its card)."""
    rows = rows_of(written(tmp_path / "x", _DBRX))
    assert rows["num_params"].value == pytest.approx(132e9, rel=0.005)
    assert rows["num_active_params"].value == pytest.approx(36e9, rel=0.015)
    assert rows["kv_bytes_per_token"].value == 40 * 2 * 8 * 128 * 2


def test_params_of_a_model_with_latent_attention_and_experts_are_read(tmp_path: Path) -> None:
    """mistralai/Mistral-Large-3-675B-Instruct-2512: 673 B in the language model, 39 B active, published in fp8 (its card)."""
    rows = rows_of(written(tmp_path / "x", _LARGE_3, name="params.json"))
    assert rows["num_params"].value == pytest.approx(673e9, rel=0.005)
    assert rows["num_active_params"].value == pytest.approx(39e9, rel=0.02)
    assert rows["kv_bytes_per_token"].value == 61 * (512 + 64) * 2
    assert any("fp8 weights" in reason for reason in rows["throughput"].reasons)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"num_attention_heads": 0}, "0 attention heads do not share 8 key-value heads"),
        ({"num_key_value_heads": 64}, "32 attention heads do not share 64 key-value heads"),
        ({"num_key_value_heads": 0}, "32 attention heads do not share 0 key-value heads"),
    ],
)
def test_heads_that_make_no_groups_are_refused(tmp_path: Path, changes: dict[str, int], phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase):
        rows_of(written(tmp_path / "x", {**_LLAMA, **changes}))


def test_ranks_are_read_with_spaces_and_given_once() -> None:
    assert parse_parallel(" tp = 4 , pp=2", devices=8) == {"tp": 4, "pp": 2}
    with pytest.raises(UsageError, match="tp is given twice"):
        parse_parallel("tp=8,tp=4", devices=8)


def test_a_board_that_the_catalogue_has_as_a_variant_is_answered_with_a_caution(tmp_path: Path) -> None:
    query = Query(model=str(written(tmp_path / "x", _LLAMA)), engine="vllm")
    name = "RTX PRO 6000 Blackwell"
    ((found, row), *_) = predict_one(query, accelerators=[name]).rows
    assert found.startswith("rtx_pro_6000") and f"variant_assumed:{name}" in row.reasons
    ((_, row), *_) = predict_one(query, accelerators=["TPU v6e"]).rows
    assert not any("variant_assumed" in reason for reason in row.reasons)


def test_llama_cpp_runs_packed_weights_on_a_part_without_narrow_units(tmp_path: Path) -> None:
    """A Tesla P40, of 2016, is known for it; an engine that multiplies in 16 bits does not run there."""
    query = Query(model=str(written(tmp_path / "x", _LLAMA)), engine="llama.cpp", precision="int4")
    rows = {row.metric: row for _, row in predict_one(query, accelerators=["p40"]).rows}
    assert rows["throughput"].verdict == "modelled" and "multiplied_in:fp32" in rows["throughput"].reasons
    with pytest.raises(UsageError, match="compute capability 7"):
        predict_one(query.model_copy(update={"engine": "vllm"}), accelerators=["p40"])


def test_requests_longer_than_the_context_are_refused_under_a_load_too(tmp_path: Path) -> None:
    query = Query(model=str(written(tmp_path / "x", _LLAMA)), engine="vllm", load={"rate_per_s": 1.0, "lengths": "200000/100"})
    with pytest.raises(UsageError, match=r"requests of 200100 tokens exceed the model's 131072 positions"):
        predict_one(query, accelerators=["h100"])


def test_weights_given_instead_of_a_configuration_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x08" + b"\0" * 7 + b"{}      ")
    with pytest.raises(UsageError, match="weights, which say nothing of the architecture"):
        predict_one(Query(model=str(tmp_path / "model.safetensors")), accelerators=["h100"])


@pytest.mark.parametrize(
    ("name", "precision"),
    [("nvidia/DeepSeek-R1-0528-NVFP4-v2", "fp4"), ("moonshotai/Kimi-K2-Thinking", "int4"), ("mistralai/Mixtral-8x7B-v0.1", "bf16")],
)
def test_a_checkpoints_name_states_its_format_before_its_version_too(name: str, precision: str) -> None:
    ((_, row), *_) = predict_one(Query(name, engine="vllm", devices=8), accelerators=["b300"]).rows
    assert row.precision == precision


def test_a_served_encoder_states_its_memory() -> None:
    rows = {row.metric: row.value for _, row in predict_one(Query("bert/large", engine="vllm"), accelerators=["t4"]).rows}
    assert 2 * 335e6 < rows["memory_allocated_peak"] < 2 * 335e6 + 2e9

"""A description of a language model is exact, comes from the keys of its configuration alone, and follows every change of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.decoders import count_decoder
from aigc_bench.predict.language.describe import describe
from aigc_bench.predict.language.encoders import ENCODERS, count_encoder
from aigc_bench.predict.language.of_case import described
from aigc_bench.predict.language.traits import TRAITS
from aigc_bench.predict.published.name_resolution import is_typical, resolve_language_model
from aigc_bench.workloads._language_presets import language_presets
from tests.predict.language.published_sizes import SIZES

_SMALL: dict[str, Any] = {"num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 96}
_LAYERS = {"num_hidden_layers": 4}
# What a type needs besides its defaults, or what makes a switch of it matter.
_VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "llama": (
        {**_SMALL, "num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True},
        {**_SMALL, "tie_word_embeddings": True},
    ),
    "falcon": (
        {**_SMALL, "new_decoder_architecture": True, "num_kv_heads": 2},
        {**_SMALL, "parallel_attn": False, "bias": True, "multi_query": False},
    ),
    "opt": ({**_SMALL, "ffn_dim": 96, "word_embed_proj_dim": 32, "do_layer_norm_before": False},),
    "stablelm": ({**_SMALL, "num_key_value_heads": 2, "use_parallel_residual": True, "use_qkv_bias": True},),
    "gpt_neox": ({**_SMALL, "attention_bias": False},),
    "gpt_bigcode": ({"n_layer": 3, "n_embd": 64, "n_head": 4, "multi_query": False, "n_inner": 96},),
    "glm4_moe": ({**_LAYERS, "use_qk_norm": True, "attention_bias": True, "first_k_dense_replace": 2},),
    "deepseek_v2": ({**_LAYERS, "q_lora_rank": None, "first_k_dense_replace": 2, "num_experts_per_tok": 2},),
    "deepseek_v3": ({**_LAYERS, "attention_bias": True},),
    "dots1": ({**_LAYERS, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1},),
    "qwen3_moe": ({**_LAYERS, "mlp_only_layers": [1], "decoder_sparse_step": 2},),
    "llama4_text": ({**_LAYERS, "interleave_moe_layer_step": 2},),
    "jamba": ({"num_hidden_layers": 8, "attn_layer_period": 4, "attn_layer_offset": 1, "num_experts": 1},),
    "granitemoehybrid": ({**_LAYERS, "layer_types": ["mamba", "attention", "mamba", "mamba"], "num_local_experts": 0},),
    "bamba": ({**_LAYERS, "attn_layer_indices": [1, 3]},),
    "falcon_h1": ({**_LAYERS, "mamba_rms_norm": True, "mamba_d_ssm": 1024},),
    "nemotron_h": ({"hybrid_override_pattern": "M-M*E", "num_hidden_layers": 5},),
    "nemotron": ({**_SMALL, "head_dim": 16, "num_key_value_heads": 2, "attention_bias": True},),
    "hunyuan_v1_dense": ({**_SMALL, "head_dim": 16},),
    "ministral": ({**_SMALL, "head_dim": 16, "num_key_value_heads": 2},),
    "lfm2": ({**_LAYERS, "full_attn_idxs": [1], "conv_bias": True},),
    "lfm2_moe": ({**_LAYERS, "num_dense_layers": 2, "layer_types": ["conv", "full_attention", "conv", "conv"]},),
    "cohere": ({**_SMALL, "use_qk_norm": True},),
    "mamba": ({"num_hidden_layers": 3, "hidden_size": 64, "use_bias": True, "use_conv_bias": False, "state_size": 8},),
    "recurrent_gemma": ({**_LAYERS, "num_key_value_heads": 1, "lru_width": 1280},),
    "phimoe": ({**_LAYERS, "attention_bias": True, "lm_head_bias": True},),
    "kimi_linear": (
        {
            **_LAYERS,
            "first_k_dense_replace": 2,
            "linear_attn_config": {
                "full_attn_layers": [4], "kda_layers": [1, 2, 3], "head_dim": 64, "num_heads": 8, "short_conv_kernel_size": 3,
            },
        },
    ),
    "eurobert": ({**_SMALL, "num_key_value_heads": 2, "pad_token_id": 0},),
    "electra": ({"embedding_size": 64, "hidden_size": 64, "num_attention_heads": 4},),
    "deberta-v2": (
        {"relative_attention": True, "position_buckets": 32, "norm_rel_ebd": "layer_norm", "share_att_key": True},
        {"relative_attention": True, "max_relative_positions": 64, "pos_att_type": ["c2p", "p2c"], "conv_kernel_size": 3},
    ),
}  # fmt: skip
# Without a size that their defaults lack, transformers cannot build these.
_NEEDS_SIZES = ("nemotron", "hunyuan_v1_dense", "ministral", "dots1", "lfm2_moe", "nemotron_h")
_CASES = [
    (name, keys) for name in (*TRAITS, *ENCODERS) for keys in (*(() if name in _NEEDS_SIZES else ({},)), *_VARIANTS.get(name, ()))
]


@pytest.mark.parametrize(("name", "keys"), _CASES, ids=[f"{name}-{index}" for index, (name, _) in enumerate(_CASES)])
def test_parameters_are_those_of_the_library_s_own_module(name: str, keys: dict[str, Any]) -> None:
    """Code against code: every type that is counted in closed form is built on the meta device and counted."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    made = AutoConfig.for_model(name, **keys)
    with torch.device("meta"), no_init_weights():
        model: Any = (AutoModelForCausalLM if name in TRAITS else AutoModel).from_config(made)
    model.tie_weights()
    own = Configuration({"model_type": name, **keys})
    found = count_decoder(own) if name in TRAITS else count_encoder(own)
    assert found.total == sum(each.numel() for each in model.parameters())
    routed = sum(each.numel() for part, each in model.named_parameters() if ".experts." in part)
    assert found.routed == routed


@pytest.mark.parametrize("name", SIZES)
def test_a_published_model_has_its_authors_parameters_and_cache(name: str) -> None:
    size = SIZES[name]
    found = describe(size.config)
    assert found.total_params == pytest.approx(size.num_params, rel=1e-3)
    assert found.kv_elements_per_token * 2 == size.kv_bytes
    if size.num_active is not None:
        assert found.num_active_params == pytest.approx(size.num_active, rel=5e-3)


@pytest.mark.parametrize("name", language_presets())
def test_a_preset_is_counted_as_it_states(name: str) -> None:
    preset = language_presets()[name]
    assert describe(preset.config).total_params == preset.num_params


_PUBLISHED = [name for name in language_presets() if (found := resolve_language_model(name)) and not is_typical(found)]
_LATER = ("deepseek-v3.2",)
"""A model whose layers differ from those of the one that its name is taken for in published tables: its attention is sparse."""


@pytest.mark.parametrize("name", [name for name in _PUBLISHED if name not in _LATER])
def test_a_preset_has_the_sizes_of_the_published_model_of_its_name(name: str) -> None:
    """So what was learned from published results holds for the preset, and for a user's copy under any name."""
    published = resolve_language_model(name)
    assert published is not None and described(language_presets()[name].config).name == published.name


def test_a_model_of_other_sizes_has_no_published_twin() -> None:
    config = {**language_presets()["llama-3.1-8b"].config, "num_hidden_layers": 31}
    assert described(config).name == "llama"


def test_sparse_attention_reads_no_more_than_it_chooses() -> None:
    """DeepSeek-V3.2 against V3: the same cache and an indexer's key of each token; 2,048 tokens are read of a long context."""
    sparse, dense = (describe(language_presets()[name].config) for name in ("deepseek-v3.2", "deepseek-v3"))
    assert sparse.kv_elements_per_token == dense.kv_elements_per_token == 61 * 576
    assert sparse.moved_elements(1_000_000) == 61 * (576 * 2048 + 128 * 1_000_000)
    assert sparse.moved_elements(1000) == pytest.approx(dense.moved_elements(1000) * (576 + 128) / 576)
    assert sparse.attention_flops(1_000_000) < dense.attention_flops(1_000_000) / 10
    assert sparse.prompt_attention_flops(128_000) < dense.prompt_attention_flops(128_000)


def test_compressed_attention_keeps_an_entry_for_several_tokens() -> None:
    """DeepSeek-V4: entries for 4 and for 128 tokens, a window of 128 plain ones, an indexer's keys next to the former."""
    found = describe(language_presets()["deepseek-v4-flash"].config)
    light, heavy = 21, 20
    assert found.kv_elements_per_token == light * 512 // 4 + heavy * 512 // 128
    assert found.state_elements == 43 * 128 * 512
    assert found.held_elements(0) == found.state_elements
    assert found.total_params == pytest.approx(284e9, rel=5e-3)


def test_a_type_that_is_not_counted_in_closed_form_is_built_and_counted() -> None:
    """Gemma 3n: of its four layers the last two read the cache of earlier ones."""
    config = {
        "model_type": "gemma3n_text", "num_hidden_layers": 4, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128, "vocab_size_per_layer_input": 128,
        "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2, "activation_sparsity_pattern": [0.0] * 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2, "laurel_rank": 8, "sliding_window": 16,
    }  # fmt: skip
    found = describe(config)
    assert found.kv_elements_per_token == 2 * 2 * 2 * 16
    assert found.total_params > 128 * 64


def test_a_missing_size_is_named() -> None:
    with pytest.raises(UsageError, match="vocab_size of the model's configuration is missing"):
        describe({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": None})


def test_a_window_bounds_what_a_sequence_keeps_and_a_state_does_not_grow() -> None:
    gemma, mamba = describe(language_presets()["gemma-3-12b"].config), describe(SIZES["state-spaces/mamba-130m-hf"].config)
    # 40 of 48 layers see 1024 tokens, 8 see all: 2 * 8 * 256 elements each.
    assert gemma.held_elements(10_000) == 4096 * (40 * 1024 + 8 * 10_000)
    assert gemma.held_elements(100) == gemma.kv_elements_per_token * 100
    assert mamba.held_elements(10) == mamba.held_elements(10_000) == 24 * (1536 * 16 + 1536 * 3)


def test_attention_of_a_plain_model_costs_what_the_published_form_says() -> None:
    own, table = (make("llama-3.1-8b") for make in (lambda name: describe(language_presets()[name].config), resolve_language_model))
    assert table is not None
    for length in (1.0, 1000.0, 100_000.0):
        assert own.attention_flops(length) == table.attention_flops(length)
        assert own.prompt_attention_flops(length) == table.prompt_attention_flops(length)


_SIZES = st.fixed_dictionaries(
    {
        "num_hidden_layers": st.integers(1, 12),
        "hidden_size": st.integers(1, 32).map(lambda count: 64 * count),
        "num_attention_heads": st.sampled_from([2, 4, 8, 16]),
        "num_key_value_heads": st.just(2),
        "intermediate_size": st.integers(64, 4096),
        "vocab_size": st.integers(100, 10_000),
        "num_experts": st.integers(2, 64),
        "num_local_experts": st.integers(2, 64),
        "num_experts_per_tok": st.just(2),
        "moe_intermediate_size": st.integers(16, 512),
        "head_dim": st.just(64),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["llama", "qwen3", "gemma3_text", "mixtral", "qwen3_moe", "gpt_neox", "olmo2", "starcoder2", "glm4_moe"]),
    sizes=_SIZES,
    key=st.sampled_from(
        ["num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "num_experts", "moe_intermediate_size"]
    ),
)
def test_a_larger_model_never_has_fewer_parameters(kind: str, sizes: dict[str, int], key: str) -> None:
    grown = {**sizes, key: sizes[key] + (64 if key == "hidden_size" else 1)}
    small, large = (describe({"model_type": kind, **each}) for each in (sizes, grown))
    assert large.total_params >= small.total_params and large.kv_elements_per_token >= small.kv_elements_per_token
    assert 0 < small.num_active_params <= small.total_params
    assert small.dense_params + small.routed_params <= small.total_params


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(SIZES)), contexts=st.tuples(st.floats(1, 1e5), st.floats(1, 1e5)))
def test_a_longer_context_never_costs_less(name: str, contexts: tuple[float, float]) -> None:
    short, long = sorted(contexts)
    model = describe(SIZES[name].config)
    for measure in (model.held_elements, model.moved_elements, model.attention_flops, model.prompt_attention_flops):
        assert 0 <= measure(short) <= measure(long)


def test_groups_of_layers_are_all_layers() -> None:
    for size in itertools.islice(SIZES.values(), 20):
        model = describe(size.config)
        assert sum(group.count for group in model.layers) == model.num_layers


@pytest.mark.parametrize("changed", [{"num_hidden_layers": 0}, {"vocab_size": 0}])
def test_sizes_that_no_model_has_are_refused_in_one_line(changed: dict[str, int]) -> None:
    config = next(size.config for size in SIZES.values() if size.config["model_type"] == "llama")
    with pytest.raises(UsageError, match="comes to 0, which no model has"):
        describe({**config, **changed})

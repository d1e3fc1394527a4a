"""Bytes of a checkpoint's weights, module by module: what its quantization packs, and what it leaves in 16 bits.

The names that files have for a module differ between tools and versions; a part is looked for under all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aigc_bench.core.module_bits import WIDE
from aigc_bench.core.quantization import Quantization
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.decoders import is_counted
from aigc_bench.predict.language.describe import built_model
from aigc_bench.predict.language.feed_forward import dense_size, experts_of, shared_size
from aigc_bench.predict.language.layer_kinds import BOTH, FULL, LINEAR, SLIDING, expert_layers, mixer_kinds, named_layers
from aigc_bench.predict.language.mixers import heads_of, mixer
from aigc_bench.predict.language.traits import TRAITS, Traits
from aigc_bench.predict.published.language_models import LanguageModel, Packing

_ATTENTION = ("self_attn", "attn", "attention", "self_attention", "mixer")
_STATE = ("linear_attn", "mamba", "mixer", "conv", "temporal_block", "self_attn", "attn")
_FEED_FORWARD = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "mixer", "moe")
_SHARED = ("shared_experts", "shared_expert", "shared_mlp")
_QUERIES = ("q_proj", "qkv_proj", "wq", "c_attn", "query_key_value", "Wqkv")
_OUT = ("o_proj", "out_proj", "dense", "wo", "c_proj")
_KEYS, _VALUES = ("k_proj", *_QUERIES[1:], "wk"), ("v_proj", *_QUERIES[1:], "wv")
_GATE, _UP, _DOWN = (
    ("gate_proj", "gate_up_proj", "w1"),
    ("up_proj", "gate_up_proj", "w3", "fc1", "c_fc"),
    ("down_proj", "w2", "fc2"),
)
_STATE_PARTS = ("in_proj", "in_proj_qkvz", "in_proj_qkv", "out_proj", "x_proj")


class Part(NamedTuple):
    """One module, under the names that files have for it, or several of the same format."""

    names: tuple[str, ...]
    params: float
    is_routed: bool = False


def packing_of(config: Mapping[str, Any], quantization: Quantization, *, model: LanguageModel) -> Packing | None:
    """Return the bytes of a quantized checkpoint's weights; ``None`` for encoders, whose modules are not known by name."""
    tables = model.counted_looked_up
    if quantization.modules is None:
        # The mean of all tensors of a GGUF file.
        mean = quantization.weight_bits / 8
        return _packing(quantization, model.dense_params * mean, model.routed_params * mean, tables * mean)
    if model.is_encoder:
        return None
    c = Configuration(config)
    parts = _parts(c, TRAITS[c.model_type]) if is_counted(c) else _built_parts(config)
    bits, dense, routed = quantization.modules, model.dense_params * WIDE / 8, model.routed_params * WIDE / 8
    if bits.packs_head:
        dense -= model.vocab_size * model.hidden_size * (WIDE - bits.otherwise) / 8
    for part in parts:
        saved = part.params * (WIDE - bits.of(part.names)) / 8
        dense, routed = dense - saved * (not part.is_routed), routed - saved * part.is_routed
    return _packing(quantization, dense, routed, tables * WIDE / 8)


def _packing(quantization: Quantization, dense: float, routed: float, tables: float) -> Packing:
    return Packing(
        format=quantization.precision,
        dense_bytes=dense,
        routed_bytes=routed,
        table_bytes=tables,
        is_mean=quantization.modules is None,
    )


def _built_parts(config: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the matrices of a model that only its own code can count, routers left out."""
    for name, params in built_model(json.dumps(config, sort_keys=True, default=dict), False).matrices.items():
        at = name[name.find("layers.") :].removesuffix(".weight")
        # Libraries join what files name apart.
        names = (at, *(at.replace("gate_up_proj", own) for own in ("gate_proj", "up_proj") if "gate_up_proj" in at))
        if "layers." in name and not at.endswith(_ROUTERS):
            yield Part(names, params, is_routed=".experts." in at)


_ROUTERS = (".gate", ".router", ".shared_expert_gate", ".router.proj")


def _parts(c: Configuration, traits: Traits) -> Iterator[Part]:
    """Yield the matrices of all layers. Routers, norms and biases are left out: they are small, and no tool packs them."""
    layers = zip(mixer_kinds(c), expert_layers(c), named_layers(c), strict=True)
    for index, (kind, has_experts, name) in enumerate(layers):
        at = f"layers.{index}"
        yield from _mixer_parts(c, traits, kind, at)
        if has_experts:
            yield from _expert_parts(c, traits, at)
        elif name not in ("mamba", "attention", "M", "*") or c.model_type != "nemotron_h":
            yield from _dense_parts(c, traits, at, dense_size(c, traits) if kind != LINEAR or c.model_type in _WITH_MLP else 0)


_WITH_MLP = (
    "jamba", "bamba", "granitemoehybrid", "qwen3_next", "qwen3_5_text", "olmo_hybrid", "kimi_linear", "minimax", "lfm2", "lfm2_moe",
    "recurrent_gemma",
)  # fmt: skip
"""Types whose layers with a state have a feed-forward part as well; blocks of Mamba are a mixer alone."""


def _mixer_parts(c: Configuration, traits: Traits, kind: str, at: str) -> Iterator[Part]:
    if kind in (LINEAR, BOTH):
        state = mixer(c, traits, LINEAR).params
        yield Part(_under(at, _STATE, _STATE_PARTS), state)
    if kind not in (FULL, SLIDING, BOTH):
        return
    if c.number("kv_lora_rank", 0):
        yield from _latent_parts(c, at)
        return
    hidden, (heads, kv_heads, width) = c.number("hidden_size"), heads_of(c)
    yield Part(_under(at, _ATTENTION, _QUERIES), hidden * heads * width * (2 if traits.has_query_gate else 1))
    yield Part(_under(at, _ATTENTION, _KEYS), hidden * kv_heads * width)
    yield Part(_under(at, _ATTENTION, _VALUES), hidden * kv_heads * width)
    yield Part(_under(at, _ATTENTION, _OUT), heads * width * hidden)


def _latent_parts(c: Configuration, at: str) -> Iterator[Part]:
    hidden, heads = c.number("hidden_size"), c.number("num_attention_heads")
    rank, rope, plain, value = (c.number(key) for key in ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"))
    query_rank, asked = c.number("q_lora_rank", 0), heads * (plain + rope)
    if query_rank:
        yield Part(_under(at, _ATTENTION, ("q_a_proj", "fused_qkv_a_proj")), hidden * query_rank)
        yield Part(_under(at, _ATTENTION, ("q_b_proj",)), query_rank * asked)
    else:
        yield Part(_under(at, _ATTENTION, ("q_proj",)), hidden * asked)
    yield Part(_under(at, _ATTENTION, ("kv_a_proj_with_mqa", "fused_qkv_a_proj")), hidden * (rank + rope))
    yield Part(_under(at, _ATTENTION, ("kv_b_proj",)), rank * heads * (plain + value))
    yield Part(_under(at, _ATTENTION, ("o_proj",)), heads * value * hidden)
    indexed = c.number("index_n_heads", 0) * c.number("index_head_dim", 0)
    if indexed:
        yield Part(_under(at, _ATTENTION, ("indexer.wq_b",)), query_rank * indexed)


def _expert_parts(c: Configuration, traits: Traits, at: str) -> Iterator[Part]:
    experts, shared = experts_of(c, traits), shared_size(c)
    inside = tuple(f"experts.{name}" for name in (*_GATE, *_UP, *_DOWN))
    yield Part(_under(at, _FEED_FORWARD, ("experts", *inside)), experts.num * experts.params_each, is_routed=True)
    if shared:
        yield from _matrices(c, traits, tuple(f"{at}.{box}.{own}" for box in _FEED_FORWARD for own in _SHARED), shared)


def _dense_parts(c: Configuration, traits: Traits, at: str, size: int) -> Iterator[Part]:
    if size:
        yield from _matrices(c, traits, tuple(f"{at}.{box}" for box in _FEED_FORWARD), size)


def _matrices(c: Configuration, traits: Traits, boxes: tuple[str, ...], size: int) -> Iterator[Part]:
    for names in (_GATE, _UP, _DOWN) if traits.is_gated else (_UP, _DOWN):
        yield Part(tuple(f"{box}.{name}" for box in boxes for name in names), c.number("hidden_size") * size)


def _under(at: str, boxes: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{at}.{box}.{name}" for box in boxes for name in names)

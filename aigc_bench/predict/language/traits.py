"""In what the decoders of transformers differ: norms, biases, gates, positions. One row for each model type that is counted here.

Read off the modelling files of transformers 5.23; ``tests/predict/language`` builds every type on torch's meta device and
compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from aigc_bench.core.records import Record


class Traits(Record):
    """What a decoder adds to or leaves out of the plain one (RMS norms, gated feed-forward part, no biases).

    A bias is on, off, or the name of the key that decides. ``norm_vectors`` are those of one norm (2: with a bias, 0: without any
    parameter), ``norms`` the norms of a layer. ``positions`` is the number of learned positions beyond those that the file states,
    ``None`` where positions are not learned.
    """

    norm_vectors: int = 1
    norms: int = 2
    qkv_bias: bool | str = False
    out_bias: bool | str = False
    ffn_bias: bool | str = False
    head_bias: bool | str = False
    is_gated: bool = True
    qk_norm: Literal["", "head", "all"] = ""
    qk_norm_key: str = ""
    has_query_gate: bool = False
    has_sinks: bool = False
    has_inner_norms: bool = False
    has_embedding_norm: bool = False
    positions: int | None = None
    ffn_multiple: int = 4
    router_bias: bool = False
    expert_bias: bool = False
    has_shared_gate: bool = False


_LAYER_NORM = Traits(norm_vectors=2, is_gated=False)
_ALL_BIASES = _LAYER_NORM.model_copy(update={"qkv_bias": True, "out_bias": True, "ffn_bias": True})
_LLAMA = Traits(qkv_bias="attention_bias", out_bias="attention_bias", ffn_bias="mlp_bias")
_ATTENTION_BIAS = Traits(qkv_bias="attention_bias", out_bias="attention_bias")
_QWEN3 = _ATTENTION_BIAS.model_copy(update={"qk_norm": "head"})
_PLAIN = Traits()

TRAITS: Mapping[str, Traits] = MappingProxyType(
    {
        "apertus": Traits(qkv_bias="attention_bias", out_bias="attention_bias", is_gated=False, qk_norm="head"),
        "arcee": Traits(qkv_bias="attention_bias", out_bias="attention_bias", ffn_bias="mlp_bias", is_gated=False),
        "bamba": _LLAMA,
        "bitnet": Traits(has_inner_norms=True),
        "bloom": _ALL_BIASES.model_copy(update={"has_embedding_norm": True}),
        "codegen": Traits(norm_vectors=2, norms=1, ffn_bias=True, is_gated=False, head_bias=True),
        "cohere": Traits(norms=1, qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="all", qk_norm_key="use_qk_norm"),
        "cohere2": Traits(norms=1, qkv_bias="attention_bias", out_bias="attention_bias"),
        "cwm": _LLAMA,
        "deepseek_v2": _PLAIN,
        "deepseek_v3": _PLAIN,
        "deepseek_v32": _PLAIN,
        "dots1": _QWEN3,
        "ernie4_5": Traits(qkv_bias="use_bias", out_bias="use_bias", ffn_bias="use_bias"),
        "ernie4_5_moe": Traits(qkv_bias="use_bias", out_bias="use_bias", ffn_bias="use_bias", router_bias=True),
        "exaone4": Traits(qk_norm="head"),
        "falcon": Traits(norm_vectors=2, qkv_bias="bias", out_bias="bias", ffn_bias="bias", is_gated=False),
        "falcon_h1": _ATTENTION_BIAS.model_copy(update={"ffn_bias": "mlp_bias"}),
        "falcon_mamba": _PLAIN,
        "flex_olmo": _ATTENTION_BIAS.model_copy(update={"qk_norm": "all"}),
        "gemma": _ATTENTION_BIAS,
        "gemma2": _ATTENTION_BIAS.model_copy(update={"norms": 4}),
        "gemma3_text": _QWEN3.model_copy(update={"norms": 4}),
        "glm": Traits(qkv_bias="attention_bias"),
        "glm4": Traits(qkv_bias="attention_bias", norms=4),
        "glm4_moe": Traits(qkv_bias="attention_bias", qk_norm="head", qk_norm_key="use_qk_norm"),
        "glm4_moe_lite": _PLAIN,
        "glm_moe_dsa": _PLAIN,
        "gpt2": _ALL_BIASES.model_copy(update={"positions": 0}),
        "gpt_bigcode": _ALL_BIASES.model_copy(update={"positions": 0}),
        "gpt_neo": Traits(norm_vectors=2, out_bias=True, ffn_bias=True, is_gated=False, positions=0),
        "gpt_neox": Traits(norm_vectors=2, qkv_bias="attention_bias", out_bias="attention_bias", ffn_bias=True, is_gated=False),
        "gpt_oss": Traits(qkv_bias="attention_bias", out_bias="attention_bias", has_sinks=True, router_bias=True, expert_bias=True),
        "gptj": Traits(norm_vectors=2, norms=1, ffn_bias=True, is_gated=False, head_bias=True),
        "granite": _LLAMA,
        "granitemoe": _ATTENTION_BIAS,
        "granitemoehybrid": _ATTENTION_BIAS,
        "granitemoeshared": _ATTENTION_BIAS,
        "helium": Traits(qkv_bias="attention_bias", ffn_bias="mlp_bias"),
        "hunyuan_v1_dense": _QWEN3,
        "internlm3": Traits(qkv_bias="qkv_bias", out_bias="bias", ffn_bias="bias"),
        "jamba": _PLAIN,
        "kimi_linear": _PLAIN,
        "lfm2": Traits(qk_norm="head"),
        "lfm2_moe": Traits(qk_norm="head"),
        "llama": _LLAMA,
        "llama4_text": Traits(qkv_bias="attention_bias", out_bias="attention_bias"),
        "mamba": _PLAIN.model_copy(update={"norms": 1}),
        "mamba2": _PLAIN.model_copy(update={"norms": 1}),
        "minimax": _PLAIN,
        "minimax_m2": Traits(qk_norm="all"),
        "ministral": _PLAIN,
        "ministral3": _PLAIN,
        "mistral": _PLAIN,
        "mixtral": _PLAIN,
        "mpt": Traits(is_gated=False),
        "nemotron": Traits(
            norm_vectors=2, qkv_bias="attention_bias", out_bias="attention_bias", ffn_bias="mlp_bias", is_gated=False
        ),
        "nemotron_h": Traits(norms=1, qkv_bias="attention_bias", out_bias="attention_bias", ffn_bias="mlp_bias", is_gated=False),
        "olmo": Traits(norm_vectors=0, qkv_bias="attention_bias", out_bias="attention_bias"),
        "olmo2": _ATTENTION_BIAS.model_copy(update={"qk_norm": "all"}),
        "olmo3": _ATTENTION_BIAS.model_copy(update={"qk_norm": "all"}),
        "olmo_hybrid": _ATTENTION_BIAS.model_copy(update={"qk_norm": "all"}),
        "olmoe": _ATTENTION_BIAS.model_copy(update={"qk_norm": "all"}),
        "opt": _LAYER_NORM.model_copy(
            update={"qkv_bias": "enable_bias", "out_bias": "enable_bias", "ffn_bias": "enable_bias", "positions": 2}
        ),
        "phi": _ALL_BIASES.model_copy(update={"norms": 1, "head_bias": True}),
        "phi3": _PLAIN,
        "phimoe": Traits(norm_vectors=2, qkv_bias="attention_bias", out_bias="attention_bias", head_bias="lm_head_bias"),
        "qwen2": Traits(qkv_bias=True),
        "qwen2_moe": Traits(qkv_bias="qkv_bias", has_shared_gate=True),
        "qwen3": _QWEN3,
        "qwen3_5_moe_text": _QWEN3.model_copy(update={"has_query_gate": True, "has_shared_gate": True}),
        "qwen3_5_text": _QWEN3.model_copy(update={"has_query_gate": True}),
        "qwen3_moe": _QWEN3,
        "qwen3_next": _QWEN3.model_copy(update={"has_query_gate": True, "has_shared_gate": True}),
        "recurrent_gemma": Traits(qkv_bias="attention_bias", out_bias=True, ffn_bias=True),
        "seed_oss": Traits(qkv_bias="attention_bias", out_bias="attention_out_bias", ffn_bias="mlp_bias"),
        "smollm3": _LLAMA,
        "stablelm": Traits(norm_vectors=2, qkv_bias="use_qkv_bias"),
        "starcoder2": Traits(norm_vectors=2, qkv_bias="use_bias", out_bias="use_bias", ffn_bias="use_bias", is_gated=False),
        "xglm": _ALL_BIASES,
    }
)

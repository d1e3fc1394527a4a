"""What mixes the tokens of a layer: attention, latent attention, state space and linear attention. Parameters, cache and work.

Work is in FLOPs of the attention itself, without its projections: for a decoded token and each token that it sees
(``seen_flops``), for each (query, key) pair of a prompt (``pair_flops``), for each token whatever the context (``state_flops``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.layer_kinds import BOTH, COMPRESSED, HEAVILY, LINEAR, NONE, WINDOWED
from aigc_bench.predict.language.traits import Traits
from aigc_bench.predict.published.language_models import Mixing

_STATE_FLOPS = 4.0
"""FLOPs for one element of a state and token: a multiply-add that updates it, and one that reads it."""


class Mixer(Mixing):
    """One layer's mixer with its parameters."""

    params: int = 0


def mixer(c: Configuration, traits: Traits, kind: str) -> Mixer:
    """Return the mixer of a layer of this kind."""
    if kind == NONE:
        return Mixer()
    if kind == LINEAR:
        return _state(c)
    if kind in (COMPRESSED, HEAVILY, WINDOWED):
        return compressed_attention(c, kind)
    own = latent_attention(c) if c.number("kv_lora_rank", 0) else attention(c, traits)
    return _together(own, _state(c)) if kind == BOTH else own


def is_on(c: Configuration, bias: bool | str) -> bool:
    """Return whether a bias is there: by the trait itself, or by the key that it names."""
    return c.flag(bias, _ON_BY_DEFAULT.get((c.model_type, bias), False)) if isinstance(bias, str) else bias


_ON_BY_DEFAULT: Mapping[tuple[str, str], bool] = MappingProxyType(
    {("gpt_neox", "attention_bias"): True, ("opt", "enable_bias"): True, ("starcoder2", "use_bias"): True}
)


def heads_of(c: Configuration) -> tuple[int, int, int]:
    """Return query heads, key-value heads, and the width of a head; raises ``UsageError`` for numbers that make no groups."""
    heads, kv_heads, width = _heads_of(c)
    if heads < 1 or kv_heads < 1 or heads % kv_heads:
        raise UsageError(
            message(
                "The model's configuration: {heads} attention heads do not share {kv_heads} key-value heads evenly.",
                heads=heads,
                kv_heads=kv_heads,
            ),
            message("Check num_attention_heads and num_key_value_heads in its config.json."),
        )
    return heads, kv_heads, width


def _heads_of(c: Configuration) -> tuple[int, int, int]:
    heads = c.number("num_attention_heads")
    width = c.number("head_dim", c.number("hidden_size") // max(1, heads))
    if c.model_type == "falcon":
        # The older architecture keeps one head for all queries where its flag says so, the newer num_kv_heads.
        if c.flag("new_decoder_architecture"):
            return heads, c.number("num_kv_heads", heads), width
        return heads, 1 if c.flag("multi_query", default=True) else heads, width
    if c.model_type == "gpt_bigcode":
        return heads, 1 if c.flag("multi_query", default=True) else heads, width
    return heads, c.number("num_key_value_heads", heads), width


def attention(c: Configuration, traits: Traits) -> Mixer:
    """Return attention with keys and values of its own heads."""
    hidden, (heads, kv_heads, width) = c.number("hidden_size"), heads_of(c)
    queries, keys = heads * width, kv_heads * width
    asked = queries * (2 if traits.has_query_gate else 1)
    params = hidden * (asked + 2 * keys) + queries * hidden
    params += (asked + 2 * keys) * is_on(c, traits.qkv_bias) + hidden * is_on(c, traits.out_bias)
    if traits.qk_norm and (not traits.qk_norm_key or c.flag(traits.qk_norm_key)):
        params += 2 * width if traits.qk_norm == "head" else queries + keys
    if c.model_type == "stablelm" and c.flag("qk_layernorm"):
        params += queries + keys
    params += heads * traits.has_sinks + queries * traits.has_inner_norms
    # Scores and weighted values: 2 FLOPs each for every element of a head and token seen.
    flops = 4.0 * heads * width
    return Mixer(params=params, kv_elements=2 * keys, seen_flops=flops, pair_flops=flops)


def latent_attention(c: Configuration) -> Mixer:
    """Return attention over a compressed latent (DeepSeek-V2, section 2.1), with an indexer where the attention is sparse."""
    hidden, heads = c.number("hidden_size"), c.number("num_attention_heads")
    rank, rope, plain, value = (c.number(key) for key in ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"))
    query_rank, has_bias = c.number("q_lora_rank", 0), c.flag("attention_bias")
    asked = heads * (plain + rope)
    queries = hidden * query_rank + query_rank + query_rank * asked + query_rank * has_bias if query_rank else hidden * asked
    keys = hidden * (rank + rope) + rank + (rank + rope) * has_bias + rank * heads * (plain + value)
    params = queries + keys + heads * value * hidden + hidden * has_bias
    index_heads, index_width = c.number("index_n_heads", 0), c.number("index_head_dim", 0)
    if index_heads:
        params += query_rank * index_heads * index_width + hidden * index_width + 2 * index_width + hidden * index_heads
    return Mixer(
        params=params,
        kv_elements=rank + rope,
        # Absorbed form: scores over latent and rotary part, values over the latent alone.
        seen_flops=2.0 * heads * (2 * rank + rope),
        pair_flops=2.0 * heads * (plain + rope + value),
        # The indexer keeps a key of each token and scores all of them; attention reads those that it chooses.
        chosen=c.number("index_topk", 0) if index_heads else 0,
        index_elements=index_width if index_heads else 0,
        index_flops=2.0 * index_heads * index_width,
    )


def compressed_attention(c: Configuration, kind: str) -> Mixer:
    """Return attention of DeepSeek-V4 over entries that stand for several tokens each, and over a window of plain ones.

    One vector of ``head_dim`` is key and value of all heads. A light compression has an indexer that chooses ``index_topk``
    entries. Parameters are those of the built model.
    """
    width, rates = c.number("head_dim"), c.get("compress_rates") or {}
    # Scores and weighted values: 2 FLOPs each for every element of a head and entry read.
    flops = 4.0 * c.number("num_attention_heads") * width
    window = c.number("sliding_window", 0)
    if kind == WINDOWED:
        return Mixer(state_elements=window * width, state_flops=flops * window)
    rate = int(rates.get(_COMPRESSED_AS[kind]) or _COMPRESSION[kind])
    is_indexed = kind == COMPRESSED
    index_heads, index_width = (c.number(key, 0) if is_indexed else 0 for key in ("index_n_heads", "index_head_dim"))
    return Mixer(
        kv_elements=width // rate,
        state_elements=window * width,
        seen_flops=flops / rate,
        pair_flops=flops / rate,
        state_flops=flops * window,
        chosen=c.number("index_topk", 0) * rate if is_indexed else 0,
        index_elements=index_width // rate,
        index_flops=2.0 * index_heads * index_width / rate,
    )


_COMPRESSED_AS: Mapping[str, str] = MappingProxyType(
    {COMPRESSED: "compressed_sparse_attention", HEAVILY: "heavily_compressed_attention"}
)
_COMPRESSION: Mapping[str, int] = MappingProxyType({COMPRESSED: 4, HEAVILY: 128})
"""Tokens of an entry where the file does not say, as transformers has it (DeepSeek-V4, sections 2.3.1 and 2.3.2)."""


def _state(c: Configuration) -> Mixer:
    """Return the mixer with a state of constant size that the model type has; nothing is known of types that are not here."""
    return _STATES[c.model_type](c) if c.model_type in _STATES else Mixer()


def _mamba(c: Configuration) -> Mixer:
    """Mamba (Gu and Dao 2023): a selective state space of one channel each."""
    is_jamba, hidden = c.model_type == "jamba", c.number("hidden_size")
    inner = c.number("mamba_expand" if is_jamba else "expand", 2) * hidden
    if not is_jamba:
        inner = c.number("intermediate_size", inner)
    state = c.number("mamba_d_state" if is_jamba else "state_size", 16)
    kernel = c.number("mamba_d_conv" if is_jamba else "conv_kernel", 4)
    rank = c.get("mamba_dt_rank" if is_jamba else "time_step_rank", "auto")
    # "auto" is a sixteenth of the width.
    rank = math.ceil(hidden / 16) if rank == "auto" else int(rank)
    has_bias = c.flag("mamba_proj_bias" if is_jamba else "use_bias")
    has_conv_bias = c.flag("mamba_conv_bias" if is_jamba else "use_conv_bias", default=True)
    params = 2 * inner * hidden + inner * (kernel + has_conv_bias) + (rank + 2 * state) * inner + inner * (rank + 1)
    params += inner * state + inner + inner * hidden + (2 * inner + hidden) * has_bias
    # Jamba norms the step, the input and the output of the state.
    params += (rank + 2 * state) * is_jamba
    return _stated(params, state=inner * state, conv=inner * (kernel - 1))


def _mamba2(c: Configuration) -> Mixer:
    """Mamba-2 (Dao and Gu 2024): a state space of heads that share their transition."""
    hidden, type_ = c.number("hidden_size"), c.model_type
    if type_ == "nemotron_h":
        heads, inner = c.number("mamba_num_heads"), c.number("mamba_num_heads") * c.number("mamba_head_dim")
        groups, state, kernel = c.number("n_groups"), c.number("ssm_state_size"), c.number("conv_kernel")
    elif type_ == "mamba2":
        heads, inner = c.number("num_heads"), c.number("expand", 2) * hidden
        groups, state, kernel = c.number("n_groups"), c.number("state_size"), c.number("conv_kernel")
    else:
        heads, inner = c.number("mamba_n_heads"), c.number("mamba_d_ssm", c.number("mamba_expand", 2) * hidden)
        groups, state, kernel = c.number("mamba_n_groups"), c.number("mamba_d_state"), c.number("mamba_d_conv")
    has_bias = c.flag("use_bias" if type_ in ("nemotron_h", "mamba2") else "mamba_proj_bias")
    has_conv_bias = c.flag("use_conv_bias" if type_ in ("nemotron_h", "mamba2") else "mamba_conv_bias", default=True)
    channels, projected = inner + 2 * groups * state, 2 * inner + 2 * groups * state + heads
    params = projected * hidden + channels * (kernel + has_conv_bias) + 3 * heads + inner * hidden
    params += (projected + hidden) * has_bias
    # Falcon-H1 has the gated norm only where its file says so.
    params += inner * (type_ != "falcon_h1" or c.flag("mamba_rms_norm"))
    return _stated(params, state=inner * state, conv=channels * (kernel - 1))


def _delta_net(c: Configuration) -> Mixer:
    """Gated DeltaNet (Yang et al. 2024) of Qwen3-Next: a state of key x value for each head."""
    hidden, kernel = c.number("hidden_size"), c.number("linear_conv_kernel_dim", 4)
    # What OLMo Hybrid leaves out: as many heads as its attention, three quarters of their width for keys, twice that for values.
    attention_heads = c.number("num_attention_heads")
    key_heads, heads = c.number("linear_num_key_heads", attention_heads), c.number("linear_num_value_heads", attention_heads)
    key = c.number("linear_key_head_dim", int(0.75 * hidden / attention_heads))
    value = c.number("linear_value_head_dim", 2 * key)
    channels = 2 * key_heads * key + heads * value
    params = hidden * (channels + heads * value) + 2 * heads * hidden + channels * kernel + 2 * heads + value
    params += heads * value * hidden
    return _stated(params, state=heads * key * value, conv=channels * (kernel - 1))


def _delta_attention(c: Configuration) -> Mixer:
    """Kimi Delta Attention (Kimi Linear, 2025): DeltaNet with a gate for each channel."""
    given = c.get("linear_attn_config") or {}
    hidden, heads = c.number("hidden_size"), int(given.get("num_heads") or c.number("linear_num_heads"))
    width = int(given.get("head_dim") or c.number("linear_head_dim"))
    kernel, inner = int(given.get("short_conv_kernel_size") or c.number("linear_conv_kernel_dim", 4)), heads * width
    # Queries, keys, values; the convolution over them; two gates of low rank; steps; the way out.
    params = 3 * inner * hidden + 3 * inner * kernel + 2 * (width * hidden + inner * width) + inner + heads
    params += heads * hidden + width + inner * hidden
    return _stated(params, state=heads * width * width, conv=3 * inner * (kernel - 1))


def _lightning(c: Configuration) -> Mixer:
    """Lightning attention (MiniMax-01, 2025): linear attention with a decay for each head."""
    hidden, (heads, _, width) = c.number("hidden_size"), heads_of(c)
    inner = heads * width
    return _stated(5 * inner * hidden + inner, state=heads * width * width, conv=0)


def _short_convolution(c: Configuration) -> Mixer:
    """The gated short convolution of LFM2."""
    hidden, kernel, has_bias = c.number("hidden_size"), c.number("conv_L_cache", 3), c.flag("conv_bias")
    params = 4 * hidden * hidden + hidden * kernel + 5 * hidden * has_bias
    return _stated(params, state=0, conv=hidden * (kernel - 1))


def _recurrent(c: Configuration) -> Mixer:
    """The real-gated linear recurrent unit of Griffin (De et al. 2024)."""
    hidden, blocks = c.number("hidden_size"), c.number("num_attention_heads")
    width, kernel = c.number("lru_width", hidden), c.number("conv1d_width", 4)
    # Its two gates are block-diagonal: a block for each head.
    params = 3 * width * hidden + 2 * width + hidden + width * (kernel + 1) + width + 2 * (width * (width // blocks) + width)
    return _stated(params, state=width, conv=width * (kernel - 1))


def _stated(params: int, *, state: int, conv: int) -> Mixer:
    # A convolution remembers its last kernel - 1 inputs.
    return Mixer(params=params, state_elements=state + conv, state_flops=_STATE_FLOPS * state + 2.0 * conv)


def _together(first: Mixer, second: Mixer) -> Mixer:
    return Mixer(**{name: getattr(first, name) + getattr(second, name) for name in Mixer.model_fields})


_STATES: Mapping[str, Callable[[Configuration], Mixer]] = MappingProxyType(
    {
        "mamba": _mamba,
        "falcon_mamba": _mamba,
        "jamba": _mamba,
        "mamba2": _mamba2,
        "bamba": _mamba2,
        "falcon_h1": _mamba2,
        "granitemoehybrid": _mamba2,
        "nemotron_h": _mamba2,
        "qwen3_next": _delta_net,
        "qwen3_5_text": _delta_net,
        "qwen3_5_moe_text": _delta_net,
        "olmo_hybrid": _delta_net,
        "kimi_linear": _delta_attention,
        "minimax": _lightning,
        "lfm2": _short_convolution,
        "lfm2_moe": _short_convolution,
        "recurrent_gemma": _recurrent,
    }
)

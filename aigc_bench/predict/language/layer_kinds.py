"""What each layer of a configuration is: which mixer it has, how far it sees, and whether its feed-forward part has experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from aigc_bench.predict.language.configuration import Configuration

FULL, SLIDING, LINEAR, NONE, BOTH = "full", "sliding", "linear", "none", "both"
"""Kinds of mixer: whole context, a window of it, a state of constant size, no mixer at all, attention next to a state."""
COMPRESSED, HEAVILY, WINDOWED = "compressed", "heavily_compressed", "windowed"
"""Attention to a window, and to entries that stand for a few tokens each, chosen by an indexer, for many tokens each, or to none
(DeepSeek-V4)."""
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "full_attention": FULL,
        "attention": FULL,
        "compressed_sparse_attention": COMPRESSED,
        "heavily_compressed_attention": HEAVILY,
        "sliding_attention": SLIDING,
        "chunked_attention": SLIDING,
        "linear_attention": LINEAR,
        "mamba": LINEAR,
        "mamba2": LINEAR,
        "conv": LINEAR,
        "recurrent": LINEAR,
        "hybrid": BOTH,
        "moe": NONE,
        "mlp": NONE,
    }
)
_RATIOS: Mapping[object, str] = MappingProxyType(
    {0: "sliding_attention", 4: "compressed_sparse_attention", 128: "heavily_compressed_attention"}
)
"""DeepSeek-V4's published files write a layer as the tokens that an entry of its cache stands for, 0 for a window alone."""
_LETTERS: Mapping[str, str] = MappingProxyType({"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"})
"""Nemotron-H writes its layers as one letter each."""
_STATE_ONLY = ("mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm")

# Every n-th layer sees the whole context; the key that a file may set it with, and transformers' default.
_WINDOW_PATTERNS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "gemma2": ("sliding_window_pattern", 2),
        "gemma3_text": ("sliding_window_pattern", 6),
        "gpt_oss": ("", 2),
        "cohere2": ("sliding_window_pattern", 4),
        "olmo3": ("", 4),
        "exaone4": ("sliding_window_pattern", 4),
    }
)
_STATE_PATTERNS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "qwen3_next": ("full_attention_interval", 4),
        "qwen3_5_text": ("full_attention_interval", 4),
        "qwen3_5_moe_text": ("full_attention_interval", 4),
        "olmo_hybrid": ("", 4),
    }
)


def named_layers(c: Configuration) -> list[str]:
    """Return the name of each layer, as ``layer_types`` spells them, whether the file lists them or its type computes them."""
    listed = c.get("layer_types")
    if isinstance(listed, list) and listed:
        return [str(one) for one in listed]
    ratios = c.get("compress_ratios")
    if c.model_type == "deepseek_v4" and isinstance(ratios, list) and len(ratios) >= c.number("num_hidden_layers"):
        # The last ones are those of the layers that predict further tokens.
        return [_RATIOS.get(one, "full_attention") for one in ratios[: c.number("num_hidden_layers")]]
    pattern = c.get("hybrid_override_pattern")
    if isinstance(pattern, str) and pattern:
        return [_LETTERS.get(letter, "mlp") for letter in pattern]
    count, rule = c.number("num_hidden_layers"), _RULES.get(c.model_type)
    if rule is not None:
        return rule(c, count)
    if c.model_type in _WINDOW_PATTERNS:
        return _every(c, count, *_WINDOW_PATTERNS[c.model_type], other="sliding_attention")
    if c.model_type in _STATE_PATTERNS:
        return _every(c, count, *_STATE_PATTERNS[c.model_type], other="linear_attention")
    return [("linear_attention" if c.model_type in _STATE_ONLY else _plain(c))] * count


def mixer_kinds(c: Configuration) -> list[str]:
    """Return the kind of mixer of each layer."""
    kinds = [_KINDS.get(name, FULL) for name in named_layers(c)]
    return [WINDOWED if kind == SLIDING else kind for kind in kinds] if c.model_type == "deepseek_v4" else kinds


def window_of(c: Configuration) -> int:
    """Return the tokens that a windowed layer sees, 0 where there is no window."""
    if c.model_type == "llama4_text":
        return c.number("attention_chunk_size", 0)
    if c.model_type == "recurrent_gemma":
        return c.number("attention_window_size", 2048)
    if c.model_type == "modernbert":
        return c.number("local_attention", 0)
    # Qwen's files state a window and switch it off.
    if c.get("use_sliding_window") is False:
        return 0
    return c.number("sliding_window", 0)


def _stated_experts(c: Configuration, count: int) -> list[bool] | None:
    """Return what the file states layer by layer; ``None`` where it has no such list."""
    for key, dense in (("mlp_layer_types", ("dense",)), ("moe_layer_freq", (0, None))):
        listed = c.get(key)
        if isinstance(listed, list) and len(listed) == count:
            return [one not in dense for one in listed]
    return None


def expert_layers(c: Configuration) -> list[bool]:
    """Return for each layer whether its feed-forward part is a mixture of experts."""
    names, num_experts = named_layers(c), c.number("num_experts", 0)
    count = len(names)
    if c.model_type == "nemotron_h":
        return [name == "moe" for name in names]
    # A single expert of Jamba and Hunyuan is a plain feed-forward part.
    if num_experts <= (1 if c.model_type in ("jamba", "hunyuan_v1_moe") else 0):
        return [False] * count
    stated = _stated_experts(c, count)
    if stated is not None:
        return stated
    chosen = _EXPERT_RULES.get(c.model_type)
    if chosen is not None:
        return [chosen(c, index) for index in range(count)]
    first = c.number("first_k_dense_replace", c.number("num_dense_layers", _FIRST_DENSE.get(c.model_type, 0)))
    dense = c.get("mlp_only_layers") or ()
    every = max(1, c.number("decoder_sparse_step", 1))
    return [index >= first and index not in dense and (index + 1) % every == 0 for index in range(count)]


def _plain(c: Configuration) -> str:
    return "sliding_attention" if c.get("sliding_window") and c.get("use_sliding_window") is not False else "full_attention"


def _every(c: Configuration, count: int, key: str, default: int, *, other: str) -> list[str]:
    """Every n-th layer is full attention, the rest are ``other``."""
    step = max(1, c.number(key, default) if key else default)
    return ["full_attention" if (index + 1) % step == 0 else other for index in range(count)]


def _qwen(c: Configuration, count: int) -> list[str]:
    # The layers from max_window_layers on see a window, where it is used at all.
    first = c.number("max_window_layers", count)
    is_used = c.flag("use_sliding_window") and c.get("sliding_window")
    return ["sliding_attention" if is_used and index >= first else "full_attention" for index in range(count)]


def _jamba(c: Configuration, count: int) -> list[str]:
    period, offset = c.number("attn_layer_period", 8), c.number("attn_layer_offset", 4)
    return ["attention" if index % period == offset else "mamba" for index in range(count)]


def _bamba(c: Configuration, count: int) -> list[str]:
    attention = c.get("attn_layer_indices") or ()
    return ["attention" if index in attention else "mamba" for index in range(count)]


def _lfm2(c: Configuration, count: int) -> list[str]:
    attention = c.get("full_attn_idxs")
    return ["full_attention" if attention is None or index in attention else "conv" for index in range(count)]


def _recurrent_gemma(c: Configuration, count: int) -> list[str]:
    blocks = list(c.get("block_types") or ("recurrent", "recurrent", "attention"))
    # Its attention is always local.
    return ["sliding_attention" if blocks[index % len(blocks)] == "attention" else "recurrent" for index in range(count)]


def _kimi_linear(c: Configuration, count: int) -> list[str]:
    listed = c.get("linear_attn_config")
    if isinstance(listed, Mapping) and listed.get("full_attn_layers"):
        # Counted from 1 in the published file.
        return ["full_attention" if index + 1 in listed["full_attn_layers"] else "linear_attention" for index in range(count)]
    return ["full_attention" if index and index % 4 == 0 else "linear_attention" for index in range(count)]


def _llama4(c: Configuration, count: int) -> list[str]:
    step = c.number("no_rope_layer_interval", 4)
    return ["chunked_attention" if (index + 1) % step else "full_attention" for index in range(count)]


def _minimax(c: Configuration, count: int) -> list[str]:
    listed = c.get("attn_type_list")
    if isinstance(listed, list) and len(listed) == count:
        return ["full_attention" if one else "linear_attention" for one in listed]
    return ["full_attention" if (index + 1) % 2 else "linear_attention" for index in range(count)]


def _mimo(c: Configuration, count: int) -> list[str]:
    return ["full_attention" if index == 0 or (index + 1) % 6 == 0 else "sliding_attention" for index in range(count)]


def _modernbert(c: Configuration, count: int) -> list[str]:
    step = max(1, c.number("global_attn_every_n_layers", 3))
    return ["sliding_attention" if index % step else "full_attention" for index in range(count)]


def _gpt_neo(c: Configuration, count: int) -> list[str]:
    # Global and local layers take turns; the local window is 256 tokens.
    return ["sliding_attention" if index % 2 else "full_attention" for index in range(count)]


_FIRST_DENSE: Mapping[str, int] = MappingProxyType({"kimi_linear": 1, "glm4_moe_lite": 1, "lfm2_moe": 2})
"""Layers without experts at the front where the file does not say, in transformers."""

_RULES: Mapping[str, Callable[[Configuration, int], list[str]]] = MappingProxyType(
    {
        "qwen2": _qwen,
        "qwen2_moe": _qwen,
        "qwen3": _qwen,
        "dots1": _qwen,
        "jamba": _jamba,
        "bamba": _bamba,
        "lfm2": _lfm2,
        "lfm2_moe": _lfm2,
        "recurrent_gemma": _recurrent_gemma,
        "kimi_linear": _kimi_linear,
        "llama4_text": _llama4,
        "minimax": _minimax,
        "mimo_v2_flash": _mimo,
        "modernbert": _modernbert,
        "gpt_neo": _gpt_neo,
        "falcon_h1": lambda _, count: ["hybrid"] * count,
        "granitemoehybrid": lambda _, count: ["mamba"] * count,
        # Written before transformers listed kinds of layers: their files may name windows that nothing reads.
        "minimax_m2": lambda _, count: ["full_attention"] * count,
        "smollm3": lambda _, count: ["full_attention"] * count,
    }
)


def _is_jamba_expert(c: Configuration, index: int) -> bool:
    return index % c.number("expert_layer_period", 2) == c.number("expert_layer_offset", 1)


def _is_llama4_expert(c: Configuration, index: int) -> bool:
    listed = c.get("moe_layers")
    if isinstance(listed, list) and c.says("moe_layers"):
        return index in listed
    return (index + 1) % max(1, c.number("interleave_moe_layer_step", 1)) == 0


def _is_ernie_expert(c: Configuration, index: int) -> bool:
    last = c.number("moe_layer_end_index", -1)
    within = c.number("moe_layer_start_index", 1) <= index and (last < 0 or index <= last)
    return within and (index + 1) % max(1, c.number("moe_layer_interval", 1)) == 0


_EXPERT_RULES: Mapping[str, Callable[[Configuration, int], bool]] = MappingProxyType(
    {"jamba": _is_jamba_expert, "llama4_text": _is_llama4_expert, "ernie4_5_moe": _is_ernie_expert}
)

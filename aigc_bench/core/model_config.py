"""What a model's configuration must hold for the keys that this project computes with: whole numbers, lists of them, texts.

transformers and diffusers take any value and fail, or not, deep in a constructor. What is refused here is named by file and key.
Keys that are not listed are the libraries' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aigc_bench.core.document import shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message

LARGEST = 2**31 - 1
"""No dimension of a model is larger; a product of several still fits a float."""

MOST_LAYERS = 1_000
"""Layers and blocks are built one by one, also without memory: 32,000 would take minutes; Llama 3.1 405B has 126."""

_LAYERS = (
    "decoder_layers", "encoder_layers", "layers_per_block", "n_layer", "n_layers", "num_decoder_layers", "num_encoder_layers",
    "num_hidden_layers", "num_layers", "num_res_blocks", "num_single_layers", "transformer_layers_per_block",
)  # fmt: skip
_WHOLE = (
    "d_ff", "d_kv", "d_model", "decoder_attention_heads", "decoder_ffn_dim", "decoder_layers", "decoder_start_token_id",
    "encoder_attention_heads", "encoder_ffn_dim", "encoder_layers", "ffn_dim", "head_dim", "max_source_positions",
    "max_target_positions", "num_codebooks", "num_decoder_layers", "num_mel_bins", "sampling_rate",
    "in_channels", "kv_lora_rank", "latent_channels", "max_position_embeddings",
    "max_seq_len", "max_sequence_length", "max_text_seq_length", "n_embd", "n_head", "n_layer", "n_positions", "num_hidden_layers",
    "out_channels", "projection_dim", "qk_rope_head_dim", "sample_frames", "sample_height", "sample_width", "seq_length",
    "sliding_window", "type_vocab_size", "vocab_size", "z_dim",
)  # fmt: skip
_WHOLE_OR_LIST = (
    "attention_head_dim", "cross_attention_dim", "moe_intermediate_size", "n_routed_experts", "num_experts", "num_experts_per_tok",
    "num_local_experts", "hidden_size", "image_size", "intermediate_size", "joint_attention_dim",
    "num_attention_heads", "num_heads", "num_key_value_heads", "num_layers", "patch_size", "sample_size", "text_dim",
    "text_embed_dim",
    "transformer_layers_per_block",
)  # fmt: skip
_LISTS = ("block_out_channels",)
_TEXTS = ("model_type", "_class_name")
_LISTS_OF_TEXTS = ("architectures",)
# A network is built around these, so null would fail deep inside of its constructor.
_NEVER_NULL = (
    "_class_name", "block_out_channels", "d_model", "hidden_size", "in_channels", "joint_attention_dim", "latent_channels",
    "max_text_seq_length", "model_type", "sample_frames", "sample_height", "sample_width", "text_dim", "text_embed_dim",
    "vocab_size", "z_dim",
)  # fmt: skip
"""Keys that may be left out, for a default, and that have no meaning as ``null``."""
_NEEDED: Mapping[str, Sequence[str]] = {
    "clip_text_model": ("vocab_size", "hidden_size"),
    "t5": ("vocab_size", "d_model"),
    "umt5": ("vocab_size", "d_model"),
}
"""Keys that a text encoder of a pipeline is built around, by its model_type."""
_ONE_NUMBER = ("hidden_size", "sample_size")
"""Keys that are one number in a part of a pipeline, though a list elsewhere."""


_PARTS_DEPTH = 3
"""Configurations inside each other: a language model in the thinker of a speaking model is the deepest that is published."""


def check_config(config: Mapping[str, Any], *, file: Path, depth: int = 0) -> None:
    """Raise ``UsageError`` with the first key whose value is none that it may have, in the parts (``text_config``) too."""
    for key, value in config.items():
        problem = _problem_of(key, value)
        if problem is not None:
            is_ours = key in _LAYERS and _largest(value) > MOST_LAYERS
            raise UsageError(
                message("{file}: {key} = {value}: {problem}.", file=file, key=key, value=shown(value), problem=problem),
                message("It is a limit of this tool; --change {key}=N takes fewer.", key=key)
                if is_ours
                else message("Is it the configuration as it was published?"),
            )
        if isinstance(value, Mapping) and key.endswith("_config") and depth < _PARTS_DEPTH:
            check_config(value, file=file, depth=depth + 1)


def check_part(name: str, config: Mapping[str, Any], *, file: Path) -> None:
    """Raise ``UsageError`` where a part of a pipeline, such as ``text_encoder`` or ``unet``, lacks what it is built around."""
    needed = ("model_type", *_NEEDED.get(str(config.get("model_type")), ())) if name.startswith("text_encoder") else ()
    for key in needed:
        if key not in config:
            raise UsageError(
                message("{file}: {key} is missing.", file=file, key=key), message("Is it the configuration as it was published?")
            )
    for key in _ONE_NUMBER:
        if isinstance(config.get(key), list):
            raise UsageError(
                message("{file}: {key} = {value}: must be one number here.", file=file, key=key, value=shown(config[key])),
                message("Is it of this pipeline?"),
            )


def _problem_of(key: str, value: Any) -> str | None:
    if value is None:
        return message("must not be null") if key in _NEVER_NULL else None
    if key in _LAYERS and _largest(value) > MOST_LAYERS:
        return message("at most {most:,} layers are computed with", most=MOST_LAYERS)
    kind = next((kind for kind in _kinds() if key in kind.keys), None)
    return None if kind is None or kind.holds(value) else kind.problem


class _Kind(NamedTuple):
    """Keys whose values are alike, the check of a value, and what is said of a wrong one."""

    keys: Sequence[str]
    holds: Callable[[Any], bool]
    problem: str


def _kinds() -> tuple[_Kind, ...]:
    return (
        _Kind(_TEXTS, lambda value: isinstance(value, str), message("must be a text")),
        _Kind(_LISTS_OF_TEXTS, _is_list_of_texts, message("must be a list of texts")),
        _Kind(_WHOLE, _is_dimension, message("must be a whole number from 0 to {largest:,}", largest=LARGEST)),
        _Kind(
            _WHOLE_OR_LIST,
            lambda value: _is_dimension(value) or _is_list(value),
            message("must be a whole number from 0 to {largest:,} or a list of them", largest=LARGEST),
        ),
        _Kind(_LISTS, lambda value: _is_list(value) and bool(value), message("must be a list of whole numbers")),
    )


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_dimension(value: Any) -> bool:
    # JSON's true is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _is_list(value: Any) -> bool:
    """A list of dimensions, one level deeper too: a UNet names the layers of each block of each level."""
    return isinstance(value, list) and all(one is None or _is_dimension(one) or _is_list(one) for one in value)


def _largest(value: Any) -> int:
    """The largest whole number in a value and its lists; 0 where there is none."""
    if isinstance(value, list):
        return max(map(_largest, value), default=0)
    return value if isinstance(value, int) else 0

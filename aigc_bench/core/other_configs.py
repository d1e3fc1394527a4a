"""Configurations that are not transformers', under its names: GGUF's metadata, and the ``params.json`` of Mistral and Meta."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aigc_bench.core.document import read_json, shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.failed_download import refuse_failed_download
from aigc_bench.core.gguf import GgufHeader
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import problem_of
from aigc_bench.core.quantization import Quantization

PARAMS = "params.json"
_GGUF_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "llama": "llama", "mistral3": "ministral3", "qwen2": "qwen2", "qwen2moe": "qwen2_moe", "qwen3": "qwen3",
        "qwen3moe": "qwen3_moe", "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text", "phi3": "phi3",
        "gpt-oss": "gpt_oss", "deepseek2": "deepseek_v3", "starcoder2": "starcoder2", "glm4": "glm4", "glm4moe": "glm4_moe",
        "olmo2": "olmo2", "granite": "granite", "stablelm": "stablelm", "minimax-m2": "minimax_m2", "smollm3": "smollm3",
        "seed_oss": "seed_oss",
    }
)  # fmt: skip
"""llama.cpp's architectures (``general.architecture``) that are an architecture of transformers' with the keys below."""
_GGUF_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "block_count": "num_hidden_layers", "embedding_length": "hidden_size", "feed_forward_length": "intermediate_size",
        "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
        "context_length": "max_position_embeddings", "rope.freq_base": "rope_theta", "vocab_size": "vocab_size",
        "attention.layer_norm_rms_epsilon": "rms_norm_eps", "attention.sliding_window": "sliding_window",
        "expert_used_count": "num_experts_per_tok", "expert_feed_forward_length": "moe_intermediate_size",
        "leading_dense_block_count": "first_k_dense_replace", "expert_shared_count": "n_shared_experts",
        "expert_group_count": "n_group", "expert_group_used_count": "topk_group", "attention.q_lora_rank": "q_lora_rank",
        "attention.kv_lora_rank": "kv_lora_rank",
    }
)  # fmt: skip
_EXPERTS: Mapping[str, str] = MappingProxyType(
    {
        "llama": "num_local_experts", "gpt_oss": "num_local_experts", "minimax_m2": "num_local_experts",
        "deepseek_v3": "n_routed_experts", "glm4_moe": "n_routed_experts",
    }
)  # fmt: skip


def config_of_gguf(header: GgufHeader, *, file: Path) -> dict[str, Any]:
    """Return the configuration that a GGUF header describes; raises ``UsageError`` for an architecture that is not known."""
    metadata = header.metadata
    name = metadata.get("general.architecture")
    model_type = _GGUF_TYPES.get(name) if isinstance(name, str) else None
    if model_type is None:
        raise UsageError(
            message("{file}: general.architecture = {name} is not computed with.", file=file, name=shown(name)),
            message("Known: {known}. Give the config.json of the model instead.", known=", ".join(sorted(_GGUF_TYPES))),
        )
    found = {key: metadata[f"{name}.{own}"] for own, key in _GGUF_KEYS.items() if f"{name}.{own}" in metadata}
    found = {key: _one(value) for key, value in found.items()}
    wrong = next((key for key, value in found.items() if isinstance(value, float) and problem_of(value) is not None), None)
    if wrong is not None:
        raise UsageError(
            message("{file}: {key} = {value}: must be a finite number.", file=file, key=wrong, value=shown(found[wrong])),
            message("Convert the model again."),
        )
    experts = metadata.get(f"{name}.expert_count")
    if experts:
        found[_EXPERTS.get(model_type, "num_experts")] = experts
        model_type = "mixtral" if model_type == "llama" else model_type
    if "vocab_size" not in found:
        # Lists of words were counted while they were passed over.
        found["vocab_size"] = metadata.get("tokenizer.ggml.tokens")
    return {
        "model_type": model_type, **{key: value for key, value in found.items() if value is not None},
        **_head_widths(metadata, str(name), model_type), "tie_word_embeddings": "output.weight" not in header.names,
    }  # fmt: skip


def _one(value: Any) -> Any:
    """A list of one entry a layer as its largest, where a configuration has one number."""
    return max(value, default=None) if isinstance(value, list) else value


def _head_widths(metadata: Mapping[str, Any], name: str, model_type: str) -> dict[str, Any]:
    lengths = ("attention.key_length", "attention.value_length", "rope.dimension_count")
    key, value, rope = (metadata.get(f"{name}.{own}") for own in lengths)
    if model_type != "deepseek_v3":
        return {} if key is None else {"head_dim": key}
    # With latent attention the lengths are those of the compressed cache, and each head's have names of their own.
    key, value = metadata.get(f"{name}.attention.key_length_mla", key), metadata.get(f"{name}.attention.value_length_mla", value)
    known = all(isinstance(part, int) for part in (key, value, rope))
    return {"qk_nope_head_dim": key - rope, "qk_rope_head_dim": rope, "v_head_dim": value} if known and key > rope else {}


def quantization_of_gguf(header: GgufHeader) -> Quantization | None:
    """Return the format of most of the tensors with the mean bits of all; ``None`` for 16 and 32 bits."""
    bits = header.bits_per_weight
    if header.main_type in ("F16", "BF16", "F32", "") or bits > 15:
        return None
    weights = "mxfp4" if header.main_type == "MXFP4" else "int4" if bits < 6 else "int8"
    return Quantization(method=header.main_type, weights=weights, weight_bits=bits, activations="bf16", place="GGUF")


_PARAMS_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "dim": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
        "n_kv_heads": "num_key_value_heads", "head_dim": "head_dim", "hidden_dim": "intermediate_size",
        "norm_eps": "rms_norm_eps", "rope_theta": "rope_theta",
        "vocab_size": "vocab_size", "max_position_embeddings": "max_position_embeddings", "max_seq_len": "max_position_embeddings",
    }
)  # fmt: skip
_PARAMS_EXPERTS: Mapping[str, str] = MappingProxyType(
    {
        "num_experts": "num_local_experts", "num_experts_per_tok": "num_experts_per_tok",
        "first_k_dense_replace": "first_k_dense_replace", "expert_hidden_dim": "moe_intermediate_size",
        "num_shared_experts": "n_shared_experts",
    }
)  # fmt: skip
_LATENT = ("q_lora_rank", "kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
_META_VOCABULARY = 32000
"""Llama and Llama 2 write -1 and take it from their tokenizer."""


def _renamed(stated: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what a file states under its own names, under those of ``names``."""
    return {name: stated[own] for own, name in names.items() if stated.get(own) is not None}


def config_of_params(file: Path) -> dict[str, Any]:
    """Return the configuration of a ``params.json`` as Mistral and Meta publish it next to ``consolidated`` weights."""
    refuse_failed_download(file)
    params = read_json(file)
    if not isinstance(params, dict) or not all(_is_count(params.get(key)) for key in ("dim", "n_layers", "n_heads")):
        raise UsageError(
            message("{file}: dim, n_layers and n_heads are missing, so this is not a model's {params}.", file=file, params=PARAMS),
            message("Give the params.json of Mistral or Meta, or a config.json."),
        )
    moe = params.get("moe")
    experts = moe if isinstance(moe, Mapping) else {}
    found = _renamed(params, _PARAMS_KEYS)
    if "intermediate_size" not in found:
        found["intermediate_size"] = _meta_width(params)
    if not _is_count(found.get("vocab_size")):
        found["vocab_size"] = _META_VOCABULARY
    found |= _renamed(experts, _PARAMS_EXPERTS) | _renamed(params, {key: key for key in _LATENT})
    tied = {"tie_word_embeddings": params.get("tied_embeddings") is True}
    # Mistral Large 3 has the layers of DeepSeek-V3, whose type has other names for the same keys.
    is_latent = "kv_lora_rank" in found
    if is_latent and experts:
        found["n_routed_experts"] = found.pop("num_local_experts", None)
    model_type = "deepseek_v3" if is_latent else "mixtral" if experts else "llama"
    table = {} if params.get("quantization") is None else {"quantization_config": _stated_format(params["quantization"])}
    return {"model_type": model_type, **found, **tied, **table}


def _stated_format(table: Any) -> Any:
    """Mistral's table of a quantization as transformers would write it: a format, packed layers by name, one scale a matrix."""
    weights = table.get("qformat_weight") if isinstance(table, Mapping) else None
    if not isinstance(weights, str) or "fp8" not in weights:
        return table
    return {"quant_method": "fp8", "activation_scheme": "static", "modules_to_not_convert": ["lm_head"]}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def _meta_width(params: Mapping[str, Any]) -> int:
    """Two thirds of four widths, times a factor, rounded up to a multiple (github.com/meta-llama/llama3, llama/model.py)."""
    multiplier, multiple = params.get("ffn_dim_multiplier"), params.get("multiple_of")
    width = int(2 * (4 * params["dim"]) / 3)
    if isinstance(multiplier, int | float) and 0 < multiplier < 100:
        width = int(multiplier * width)
    step = int(multiple) if multiple is not None and _is_count(multiple) else 256
    return step * -(-width // step)

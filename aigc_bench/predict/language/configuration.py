"""The keys of a transformers configuration by one name each, with the library's own defaults for those that a file leaves out."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hidden_size": ("hidden_size", "n_embd", "d_model", "dim", "emb_dim"),
        "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"),
        "num_key_value_heads": ("num_key_value_heads",),
        "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim", "ffn_size"),
        "max_position_embeddings": ("max_position_embeddings", "n_positions", "max_seq_len", "model_max_length"),
        "num_experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
        "num_experts_per_tok": ("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_topk", "moe_k", "moe_top_k"),
        "num_shared_experts": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert"),
        "num_mtp_layers": ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers", "num_mtp_modules"),
        "layer_types": ("layer_types", "layers_block_type"),
    }
)
"""One name -> the spellings that configurations of transformers give it, in the order in which they are tried."""
SAME_TYPE: Mapping[str, str] = MappingProxyType(
    {
        # Kimi K2's file names its own code, and its layers are DeepSeek V3's (its config.json says so in ``architectures``).
        "kimi_k2": "deepseek_v3",
        "gemma3": "gemma3_text",
        "llama4": "llama4_text",
        "qwen3_5": "qwen3_5_text",
        "qwen3_5_moe": "qwen3_5_moe_text",
        "gpt-sw3": "gpt2",
        "qwen2_vl": "qwen2",
        "qwen2_5_vl": "qwen2",
        "qwen2_vl_text": "qwen2",
        "qwen2_5_vl_text": "qwen2",
        "qwen3_vl_text": "qwen3",
        "qwen3_vl_moe_text": "qwen3_moe",
    }
)
"""Model types whose text model has the layers of another."""


class Configuration:
    """The keys of a language model's configuration: a file's own first, then the defaults of its type."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        # The language model of a multimodal configuration stands in text_config.
        text = config.get("text_config")
        own = {**config, **text} if isinstance(text, Mapping) else dict(config)
        # DBRX keeps the sizes of its heads and experts in tables of their own.
        for part in ("attn_config", "ffn_config"):
            own = {**(own[part] if isinstance(own.get(part), Mapping) else {}), **own}
        named = str(own.get("model_type", ""))
        self.model_type = SAME_TYPE.get(named, named)
        self._own = own
        self._defaults = _defaults().get(self.model_type, {})

    def get(self, key: str, default: Any = None) -> Any:
        """Return a key's value by any of its spellings, ``default`` where neither the file nor its type has one.

        A ``null`` in the file switches off what the type would have (the low-rank queries of DeepSeek-V2-Lite).
        """
        spellings = ALIASES.get(key, (key,))
        for source in (self._own, self._defaults):
            found = next((source[spelling] for spelling in spellings if source.get(spelling) is not None), None)
            if found is not None:
                return found
            if any(spelling in source for spelling in spellings):
                return default
        return default

    def number(self, key: str, default: int | None = None) -> int:
        """Return a whole number, the first where a file lists one for each layer; raises ``UsageError`` where it is none."""
        value = self.get(key, default)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int | float):
            shown = message("missing") if value is None else message("no number")
            raise UsageError(message("{key} of the model's configuration is {shown}.", key=key, shown=shown))
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return whether a switch is on."""
        return bool(self.get(key, default))

    def says(self, key: str) -> bool:
        """Return whether the file itself, not its type's defaults, has a value for the key."""
        return any(self._own.get(spelling) is not None for spelling in ALIASES.get(key, (key,)))


@functools.cache
def _defaults() -> Mapping[str, Mapping[str, Any]]:
    text = files("aigc_bench.predict").joinpath("data/language_defaults.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))

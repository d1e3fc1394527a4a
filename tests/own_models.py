"""A user's models as they lie on a disk: published configurations, and what a download may also hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

QWEN: Mapping[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_position_embeddings": 131072,
    "max_window_layers": 28,
    "model_type": "qwen2",
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 152064,
}
"""Qwen2.5-7B's config.json."""

MIXTRAL: Mapping[str, Any] = {
    "architectures": ["MixtralForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mixtral",
    "num_attention_heads": 32,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 32000,
}
"""Mixtral-8x7B-v0.1's config.json."""

BERT: Mapping[str, Any] = {
    "architectures": ["BertForMaskedLM"],
    "hidden_act": "gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
"""bert-base-uncased's config.json."""

SHRUNK: Mapping[str, Mapping[str, int]] = {
    "qwen": {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 8, "vocab_size": 2000},
    "mixtral": {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256, "vocab_size": 2000},
    "bert": {"num_hidden_layers": 2, "hidden_size": 96, "intermediate_size": 192, "vocab_size": 2000},
}
"""What a user changes so that a laptop can run it."""

CONFIGS: Mapping[str, Mapping[str, Any]] = {"qwen": QWEN, "mixtral": MIXTRAL, "bert": BERT}


def write_model(folder: Path, config: Mapping[str, Any], **changes: Any) -> Path:
    """A model's folder with its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder

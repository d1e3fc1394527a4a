"""Configurations of the text encoders that diffusion models share, and random prompts for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aigc_bench.workloads.base import Setup

if TYPE_CHECKING:
    import torch

CLIP_L: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
}
"""CLIP ViT-L/14's text model (Radford et al. 2021, arXiv 2103.00020; config.json of openai/clip-vit-large-patch14)."""

CLIP_BIG_G: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "max_position_embeddings": 77,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
"""OpenCLIP ViT-bigG/14's text model (config.json of laion/CLIP-ViT-bigG-14-laion2B-39B-b160k)."""

T5_XXL: dict[str, Any] = {
    "model_type": "t5",
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
"""T5 v1.1 XXL, of which the encoder is used (config.json of google/t5-v1_1-xxl)."""

UMT5_XXL: dict[str, Any] = {**T5_XXL, "model_type": "umt5", "vocab_size": 256384}
"""UMT5 XXL, of which the encoder is used (Chung et al. 2023, arXiv 2304.09151; config.json of google/umt5-xxl)."""

TINY_CLIP: dict[str, Any] = {
    **CLIP_L, "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "bos_token_id": 0, "eos_token_id": 999,
}  # fmt: skip
TINY_T5: dict[str, Any] = {
    **T5_XXL, "vocab_size": 1000, "d_model": 128, "d_kv": 32, "d_ff": 256, "num_layers": 2, "num_heads": 4,
}  # fmt: skip
TINY_UMT5: dict[str, Any] = {**TINY_T5, "model_type": "umt5"}


def prompt_tokens(setup: Setup, *, batch: int, lengths: Sequence[tuple[int, int]]) -> tuple[torch.Tensor, ...]:
    """Random prompts ``(batch, length)``, one for each ``(length, vocab_size)`` of a tokenizer.

    The highest token, which is CLIP's end of text, closes them.
    """
    prompts = []
    for length, vocab_size in lengths:
        prompts.append(setup.text(batch, length, vocab_size=vocab_size - 1, low=1, closing=vocab_size - 1))
    return tuple(prompts)

"""GGUF headers written out byte by byte, as llama.cpp's converter does."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

F16, Q4_K, Q6_K, MXFP4 = 1, 12, 14, 39
LLAMA_8B: Mapping[str, Any] = {
    "general.architecture": "llama", "general.name": "Llama 3.1 8B Instruct", "general.file_type": 15, "llama.block_count": 32,
    "llama.context_length": 131072, "llama.embedding_length": 4096, "llama.feed_forward_length": 14336,
    "llama.attention.head_count": 32, "llama.attention.head_count_kv": 8, "llama.rope.freq_base": 500000.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.vocab_size": 128256, "llama.rope.dimension_count": 128,
    "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["!", "a"], "tokenizer.ggml.token_type": [1] * 2000,
}  # fmt: skip
LLAMA_TENSORS: Sequence[tuple[str, tuple[int, ...], int]] = (
    ("token_embd.weight", (4096, 128256), Q4_K), ("blk.0.ffn_down.weight", (14336, 4096), Q6_K),
    ("output.weight", (4096, 128256), Q6_K), ("output_norm.weight", (4096,), 0),
)  # fmt: skip


def gguf(
    metadata: Mapping[str, Any], tensors: Sequence[tuple[str, tuple[int, ...], int]] = LLAMA_TENSORS, *, version: int = 3
) -> bytes:
    """The header of a file with these keys and tensors."""
    parts = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(metadata))]
    parts += [_text(key) + _value(value) for key, value in metadata.items()]
    for name, shape, kind in tensors:
        parts.append(_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0))
    return b"".join(parts)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        inner = [_value(one) for one in value]
        # Each carries its own type, which a list has once.
        return (
            struct.pack("<I", 9)
            + (inner[0][:4] if inner else struct.pack("<I", 4))
            + struct.pack("<Q", len(inner))
            + b"".join(one[4:] for one in inner)
        )
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack("<II", 4, value)

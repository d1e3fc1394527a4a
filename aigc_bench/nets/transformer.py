"""The encoder-decoder Transformer of Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762) on ``torch.nn.Transformer``.

Attention is ``softmax(Q K^T / sqrt(d_k)) V`` over ``h`` heads; source, target and output share one embedding, scaled by
``sqrt(d_model)`` on the way in (section 3.4); positions are sinusoids (section 3.5).

``torch.nn.Transformer`` knows no key-value cache: its decoder would read the whole target again for every token. ``decode_step``
runs one token through the very same layers' weights, with keys and values of earlier tokens kept, and those of the source
computed once. It equals the full decoder (tested).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """``PE[p, 2i] = sin(p / 10000^(2i/width))``, ``PE[p, 2i+1] = cos(...)``; shape ``[length, width]``, fp32 (section 3.5)."""
    positions = torch.arange(length, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    angles = positions * rates
    # Sine and cosine interleaved, as the paper has it; FastPitch and others put one half after the other.
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


def label_smoothed_loss(logits: Tensor, target: Tensor, *, smoothing: float) -> Tensor:
    """Mean cross-entropy against ``(1 - smoothing)`` on the target plus ``smoothing`` spread over the vocabulary (section 5.4).

    ``logits`` is ``[batch, length, vocab]``, ``target`` ``[batch, length]``.
    """
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), label_smoothing=smoothing)


@contextlib.contextmanager
def open_attention() -> Iterator[None]:
    """Run ``nn.TransformerEncoder`` through scaled-dot-product attention for the duration.

    In inference torch would use one opaque fused operator a layer instead, whose FLOPs no counter sees.
    """
    previous = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(previous)


@dataclass(frozen=True, kw_only=True)
class LayerCache:
    """Keys and values of one decoder layer, ``[batch, heads, length, head_dim]`` each: of the target so far, and of the source."""

    keys: Tensor
    values: Tensor
    source_keys: Tensor
    source_values: Tensor


class Transformer(nn.Module):
    """Encoder-decoder with a shared vocabulary; layers are post-norm, as published.

    ``torch.nn.Transformer`` adds a final layer norm to each stack and biases to attention, under 0.1 % of the parameters.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        num_layers: int,
        dim_feedforward: int,
        dropout: float,
        max_len: int,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.embedding = nn.Embedding(vocab_size, d_model)
        # Unit variance after the scaling by sqrt(d_model); and the same matrix makes the logits.
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.core = nn.Transformer(
            d_model,
            num_heads,
            num_encoder_layers=num_layers,
            num_decoder_layers=num_layers,
            dim_feedforward=dim_feedforward,
            dropout=dropout,
            batch_first=True,
        )
        self.positions: Tensor
        self.register_buffer("positions", sinusoidal_positions(max_len, d_model).to(torch.get_default_dtype()), persistent=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits ``[batch, target_len, vocab]`` for source and target ids ``[batch, length]``; the target sees its past only."""
        length = target.shape[1]
        mask = self.core.generate_square_subsequent_mask(length, device=target.device, dtype=self.embedding.weight.dtype)
        # [batch, target_len, d_model]
        hidden = self.core(self._embed(source), self._embed(target), tgt_mask=mask, tgt_is_causal=True)
        return F.linear(hidden, self.embedding.weight)

    def encode(self, source: Tensor) -> Tensor:
        """The encoder's output ``[batch, source_len, d_model]``."""
        return cast(Tensor, self.core.encoder(self._embed(source)))

    def new_cache(self, *, batch_size: int, source_len: int, max_len: int) -> tuple[LayerCache, ...]:
        """Empty caches, one a decoder layer, for a source of ``source_len`` and up to ``max_len`` target tokens."""
        head_dim = self.embedding.embedding_dim // self.num_heads

        def zeros(length: int) -> Tensor:
            return self.positions.new_zeros(batch_size, self.num_heads, length, head_dim)

        return tuple(
            LayerCache(keys=zeros(max_len), values=zeros(max_len), source_keys=zeros(source_len), source_values=zeros(source_len))
            for _ in self.core.decoder.layers
        )

    def fill_source(self, encoded: Tensor, *, cache: Sequence[LayerCache]) -> None:
        """Write the source's keys and values of every decoder layer."""
        for layer, kept in zip(self._decoder_layers(), cache, strict=True):
            keys, values = _project(layer.multihead_attn, encoded, parts=slice(1, 3))
            kept.source_keys.copy_(keys)
            kept.source_values.copy_(values)

    def decode_step(self, token: Tensor, *, position: Tensor, cache: Sequence[LayerCache]) -> Tensor:
        """Logits ``[batch, vocab]`` of the token that follows ``token`` ``[batch, 1]`` at ``position`` (int64, shape ``[1]``)."""
        hidden = self.embedding(token) * math.sqrt(self.embedding.embedding_dim) + self.positions.index_select(0, position)
        # [1, 1, 1, max_len]: over batch, heads and the one query.
        is_past = (torch.arange(cache[0].keys.shape[2], device=token.device) <= position)[None, None, None]
        for layer, kept in zip(self._decoder_layers(), cache, strict=True):
            hidden = _decode_layer(layer, hidden, position=position, is_past=is_past, kept=kept)
        assert self.core.decoder.norm is not None, "nn.Transformer ends its decoder in a layer norm"
        return F.linear(self.core.decoder.norm(hidden)[:, -1], self.embedding.weight)

    def _embed(self, tokens: Tensor) -> Tensor:
        scaled = self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)
        return cast(Tensor, self.dropout(scaled + self.positions[: tokens.shape[1]]))

    def _decoder_layers(self) -> list[nn.TransformerDecoderLayer]:
        return cast("list[nn.TransformerDecoderLayer]", list(self.core.decoder.layers))


class Encoding(nn.Module):
    """The ``encode`` stage as a module an engine can compile: source ids to the source's keys and values in the cache."""

    def __init__(self, model: Transformer, *, cache: Sequence[LayerCache]) -> None:
        super().__init__()
        self.model = model
        self.cache = cache

    def forward(self, source: Tensor) -> Tensor:
        """Fill the cache from ``source`` ``[batch, source_len]``; returns the encoder's output."""
        encoded = self.model.encode(source)
        self.model.fill_source(encoded, cache=self.cache)
        return encoded


class Decoding(nn.Module):
    """The ``decode`` stage as a module an engine can compile: one token in, logits of the next out."""

    def __init__(self, model: Transformer, *, cache: Sequence[LayerCache]) -> None:
        super().__init__()
        self.model = model
        self.cache = cache

    def forward(self, token: Tensor, position: Tensor) -> Tensor:
        """Logits ``[batch, vocab]`` after ``token`` ``[batch, 1]`` at ``position`` ``[1]``."""
        return self.model.decode_step(token, position=position, cache=self.cache)


def _decode_layer(
    layer: nn.TransformerDecoderLayer, hidden: Tensor, *, position: Tensor, is_past: Tensor, kept: LayerCache
) -> Tensor:
    """One post-norm decoder layer on one token, ``hidden`` ``[batch, 1, d_model]``; its key and value join the cache."""
    query, key, value = _project(layer.self_attn, hidden, parts=slice(0, 3))
    kept.keys.index_copy_(2, position, key)
    kept.values.index_copy_(2, position, value)
    hidden = layer.norm1(hidden + _attend(layer.self_attn, query, kept.keys, kept.values, mask=is_past))
    (query,) = _project(layer.multihead_attn, hidden, parts=slice(0, 1))
    hidden = layer.norm2(hidden + _attend(layer.multihead_attn, query, kept.source_keys, kept.source_values))
    return cast(Tensor, layer.norm3(hidden + layer.linear2(F.relu(layer.linear1(hidden)))))


def _project(attention: nn.MultiheadAttention, hidden: Tensor, *, parts: slice) -> tuple[Tensor, ...]:
    """Query, key and value heads (``parts`` of those three) ``[batch, heads, length, head_dim]``, by the module's own weights."""
    width = attention.embed_dim
    # nn.MultiheadAttention stacks the three matrices in one of [3 width, width].
    rows = slice(parts.start * width, parts.stop * width)
    assert attention.in_proj_weight is not None, "self- and cross-attention of one width share a projection matrix"
    projected = F.linear(hidden, attention.in_proj_weight[rows], attention.in_proj_bias[rows])
    heads = (*hidden.shape[:-1], attention.num_heads, attention.head_dim)
    return tuple(part.view(heads).transpose(1, 2) for part in projected.chunk(parts.stop - parts.start, dim=-1))


def _attend(attention: nn.MultiheadAttention, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """``softmax(Q K^T / sqrt(d_k)) V`` over all heads, then the output projection; ``[batch, length, d_model]``."""
    heads = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    return cast(Tensor, attention.out_proj(heads.transpose(1, 2).flatten(2)))

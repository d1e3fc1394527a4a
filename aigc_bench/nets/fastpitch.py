"""FastPitch (Łańcucki 2020, arXiv 2006.06873): text to mel frames in parallel, in the sizes of NVIDIA DeepLearningExamples.

Two stacks of feed-forward Transformer layers, over the text's symbols and over the frames that their durations spread them to.
Durations and pitch are predicted for each symbol; here the frames follow given durations, so that shapes are known beforehand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class FeedForwardTransformer(nn.Module):
    """``num_layers`` of one-head self-attention and two convolutions over ``[batch, time, width]``."""

    def __init__(self, width: int, *, num_layers: int, head_dim: int, inner: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(width, head_dim=head_dim, inner=inner, kernel_size=kernel_size, dropout=dropout)
            for _ in range(num_layers)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + _positions(x)
        for layer in self.layers:
            x = layer(x)
        return x


class TransformerLayer(nn.Module):
    """Post-norm attention of one narrow head, then convolution, ReLU, convolution."""

    def __init__(self, width: int, *, head_dim: int, inner: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * head_dim)
        self.out = nn.Linear(head_dim, width, bias=False)
        self.attention_norm, self.convolution_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        padding = kernel_size // 2
        self.convolutions = nn.Sequential(
            nn.Conv1d(width, inner, kernel_size, padding=padding), nn.ReLU(), nn.Conv1d(inner, width, kernel_size, padding=padding)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` in and out."""
        # [batch, 1 head, time, head_dim]
        query, key, value = (part.unsqueeze(1) for part in self.qkv(x).chunk(3, dim=-1))
        attended = nn.functional.scaled_dot_product_attention(query, key, value).squeeze(1)
        x = self.attention_norm(x + self.dropout(self.out(attended)))
        # Convolutions take channels first, everything else here has them last.
        y: torch.Tensor = self.convolutions(x.transpose(1, 2)).transpose(1, 2)
        normed: torch.Tensor = self.convolution_norm(x + self.dropout(y))
        return normed


class TemporalPredictor(nn.Module):
    """One value for each symbol: convolutions with ReLU, normalisation and dropout, then a linear layer."""

    def __init__(self, width: int, *, filters: int, kernel_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        widths = [width] + [filters] * num_layers
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel_size, padding=kernel_size // 2) for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(filters) for _ in range(num_layers))
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(filters, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, text, width]`` to ``[batch, text]``."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.dropout(norm(torch.relu(convolution(x.transpose(1, 2))).transpose(1, 2)))
        values: torch.Tensor = self.out(x).squeeze(-1)
        return values


class FastPitch(nn.Module):
    """Symbols ``[batch, text]`` and the symbol of each frame ``[frames]`` to mel frames ``[batch, frames, mels]``.

    Also returns the logarithms of the durations and the pitches ``[batch, text]`` that it predicts; ``pitch`` replaces the
    prediction in training.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, dropout = config["width"], config["dropout"]
        stack = {"head_dim": config["head_dim"], "inner": config["inner"], "kernel_size": 3, "dropout": dropout}
        predictor = {"filters": config["predictor_filters"], "kernel_size": 3, "num_layers": 2, "dropout": dropout}
        self.embedding = nn.Embedding(config["num_symbols"], width)
        self.encoder = FeedForwardTransformer(width, num_layers=config["num_layers"], **stack)
        self.duration, self.pitch = TemporalPredictor(width, **predictor), TemporalPredictor(width, **predictor)
        self.pitch_embedding = nn.Conv1d(1, width, 3, padding=1)
        self.decoder = FeedForwardTransformer(width, num_layers=config["num_layers"], **stack)
        self.to_mel = nn.Linear(width, config["num_mels"])

    def forward(
        self, symbols: torch.Tensor, symbol_of_frame: torch.Tensor, pitch: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        encoded = self.encoder(self.embedding(symbols))
        log_durations, predicted = self.duration(encoded), self.pitch(encoded)
        known = predicted if pitch is None else pitch
        encoded = encoded + self.pitch_embedding(known.unsqueeze(1)).transpose(1, 2)
        # [batch, text, width] to [batch, frames, width]: a symbol is repeated for as many frames as it lasts.
        frames = encoded.index_select(1, symbol_of_frame)
        mels: torch.Tensor = self.to_mel(self.decoder(frames))
        return mels, log_durations, predicted


def _positions(x: torch.Tensor) -> torch.Tensor:
    """Sinusoidal positions of ``x`` ``[batch, time, width]``, ``[time, width]`` (Vaswani et al. 2017, section 3.5)."""
    time, width = x.shape[1:]
    rates = torch.exp(torch.arange(0, width, 2, device=x.device, dtype=torch.float32) * (-math.log(10000.0) / width))
    angles = torch.arange(time, device=x.device, dtype=torch.float32)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(x.dtype)

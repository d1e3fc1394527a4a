"""EnCodec's decoder (Défossez et al. 2022, arXiv 2210.13438): residual codes to a waveform.

Sizes as in ``transformers.EncodecConfig``. Weight normalisation is folded into the weights, as for inference it can be; the
library's own modules keep paddings in tensors, which waits for the device in every convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two convolutions at half the channels with an identity shortcut: ``[batch, channels, time]`` in and out."""

    def __init__(self, channels: int, *, kernel_size: int, compress: int) -> None:
        super().__init__()
        hidden = channels // compress
        self.block = nn.Sequential(
            nn.ELU(),
            nn.Conv1d(channels, hidden, kernel_size, padding=kernel_size // 2, padding_mode="reflect"),
            nn.ELU(),
            nn.Conv1d(hidden, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return x + y


class ResidualLstm(nn.Module):
    """A stack of LSTMs over time with an identity shortcut: ``[batch, channels, time]`` in and out."""

    def __init__(self, channels: int, *, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # [time, batch, channels], as nn.LSTM takes it.
        steps = x.permute(2, 0, 1)
        made: torch.Tensor = self.lstm(steps)[0] + steps
        return made.permute(1, 2, 0)


class EncodecDecoder(nn.Module):
    """Codes ``[batch, num_codebooks, frames]`` to a waveform ``[batch, 1, frames x product of upsampling_ratios]``."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        ratios, filters, width = config["upsampling_ratios"], config["num_filters"], config["hidden_size"]
        self.codebooks = nn.ModuleList(nn.Embedding(config["codebook_size"], width) for _ in range(config["num_codebooks"]))
        channels = filters * 2 ** len(ratios)
        layers: list[nn.Module] = [
            nn.Conv1d(width, channels, 7, padding=3, padding_mode="reflect"),
            ResidualLstm(channels, num_layers=config["num_lstm_layers"]),
        ]
        for ratio in ratios:
            layers += [nn.ELU(), _upsampling(channels, ratio=ratio), ResidualBlock(channels // 2, kernel_size=3, compress=2)]
            channels //= 2
        layers += [nn.ELU(), nn.Conv1d(channels, 1, 7, padding=3, padding_mode="reflect")]
        self.decoder = nn.Sequential(*layers)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        embedded = [codebook(codes[:, index]) for index, codebook in enumerate(self.codebooks)]
        # A frame is the sum of its codebooks' vectors: [batch, frames, width], then channels first for the convolutions.
        waveform: torch.Tensor = self.decoder(torch.stack(embedded).sum(dim=0).transpose(1, 2))
        return waveform


def _upsampling(channels: int, *, ratio: int) -> nn.Module:
    """A transposed convolution of kernel ``2 x ratio`` that makes exactly ``ratio`` samples of each."""
    return nn.ConvTranspose1d(channels, channels // 2, 2 * ratio, stride=ratio, padding=(ratio + 1) // 2, output_padding=ratio % 2)

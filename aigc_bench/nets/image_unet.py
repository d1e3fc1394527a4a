"""The U-Net of image-to-image translation (Isola et al. 2016, arXiv 1611.07004, section 6.1): inpainting, colourisation.

The side halves at each level down to one pixel and doubles back; each level up also sees the level of its size on the way
down (skip connections). The published network for 256 pixels, in the paper's notation (Ck: k filters of 4 x 4, stride 2)::

    encoder C64-C128-C256-C512-C512-C512-C512-C512
    decoder CD512-CD512-CD512-C512-C256-C128-C64

Batch normalisation except on the first and last level down; dropout of one half in the first three of the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

# All from sections 6.1 and 6.2 of the paper.
INIT_STD = 0.02
LEAK = 0.2
NUM_DROPOUT_LEVELS = 3


class ImageUNet(nn.Module):
    """Images ``(batch, in_channels, side, side)`` to ``(batch, out_channels, side, side)`` in [-1, 1].

    ``channels`` are those of the levels, outermost first; ``side`` must be a multiple of ``2 ** len(channels)``.
    """

    def __init__(self, *, in_channels: int, out_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        last = len(channels) - 1
        before = (in_channels, *channels[:-1])
        self.down = nn.ModuleList(
            _down(before[level], channels[level], is_first=level == 0, is_last=level == last) for level in range(last + 1)
        )
        self.up = nn.ModuleList(
            _up(
                # Behind the innermost level each one sees the skip's channels as well.
                channels[level] * (1 if level == last else 2),
                channels[level - 1],
                has_dropout=last - NUM_DROPOUT_LEVELS <= level < last,
            )
            for level in range(last, 0, -1)
        )
        self.out = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * channels[0], out_channels, 4, 2, 1), nn.Tanh())
        self.apply(_init_weights)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = images
        passed = []
        for down in self.down:
            features = down(features)
            passed.append(features)
        # The innermost level is the input of the way up, not a skip.
        passed.pop()
        for up in self.up:
            features = torch.cat([up(features), passed.pop()], dim=1)
        made: torch.Tensor = self.out(features)
        return made


def _down(before: int, after: int, *, is_first: bool, is_last: bool) -> nn.Module:
    layers: list[nn.Module] = [] if is_first else [nn.LeakyReLU(LEAK)]
    has_norm = not (is_first or is_last)
    layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=not has_norm))
    return nn.Sequential(*layers, *([nn.BatchNorm2d(after)] if has_norm else []))


def _up(before: int, after: int, *, has_dropout: bool) -> nn.Module:
    layers: list[nn.Module] = [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*layers, *([nn.Dropout(0.5)] if has_dropout else []))


def _init_weights(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm scales from N(1, 0.02), as published."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INIT_STD)

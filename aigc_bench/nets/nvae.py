"""NVAE: a deep hierarchical variational auto-encoder (Vahdat & Kautz 2020, arXiv 2007.03898).

Latents come in groups, from small maps to large ones. A tower of residual cells reads the image from the bottom up; a second one
generates from the top down, and at each group draws a latent given all before it (section 3, figure 2). The posterior of a group is
given relative to its prior N(m, s^2) (section 3.2), so that its divergence has the closed form (eq. 2)::

    q = N(m + dm, (s ds)^2)        KL(q || p) = 1/2 (dm^2 / s^2 + ds^2 - 1) - log ds

Left out: normalising flows, weight normalisation and spectral regularisation. Pixels are Gaussian with a scale of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

# As in the authors' code.
RESIDUAL_SCALE = 0.1
NUM_CELLS = 2
"""Residual cells of each group, on either side."""


class NVAE(nn.Module):
    """``groups`` are those of each scale, from the largest maps (half the image's side) to the smallest; channels double at each.

    Images ``(batch, 3, side, side)`` in [-1, 1] and one noise for each group (``noise_shapes``, top down) to pixels' means and log
    scales ``(batch, 6, side, side)`` and the divergence ``(batch,)`` in nats.
    """

    def __init__(self, *, image_size: int, channels: int, groups: Sequence[int], latent_channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.prepare = nn.Sequential(EncoderCell(channels, channels), EncoderCell(channels, 2 * channels, stride=2))
        widths = [channels * 2 ** (scale + 1) for scale in range(len(groups))]
        self.towers = nn.ModuleList(
            nn.ModuleList(nn.Sequential(*(EncoderCell(width, width) for _ in range(NUM_CELLS))) for _ in range(count))
            for width, count in zip(widths, groups, strict=True)
        )
        self.down = nn.ModuleList(EncoderCell(before, after, stride=2) for before, after in pairwise(widths))
        side = image_size // 2 ** len(groups)
        self.decoder = Decoder(channels=channels, groups=groups, latent_channels=latent_channels, side=side)

    def forward(self, images: torch.Tensor, noise: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.prepare(self.stem(images))
        seen = []
        for scale, tower in enumerate(self.towers):
            features = self.down[scale - 1](features) if scale else features
            assert isinstance(tower, nn.ModuleList), "a scale has groups"
            for cells in tower:
                features = cells(features)
                seen.append(features)
        outputs: tuple[torch.Tensor, torch.Tensor] = self.decoder(noise, seen[::-1])
        return outputs


class Decoder(nn.Module):
    """Top down: noise of each group, and what the encoder saw there (nothing when sampling), to pixels and the divergence."""

    def __init__(self, *, channels: int, groups: Sequence[int], latent_channels: int, side: int) -> None:
        super().__init__()
        top_down = list(reversed(list(enumerate(groups))))
        widths = [channels * 2 ** (scale + 1) for scale, _ in top_down]
        self.start = nn.Parameter(torch.rand(widths[0], side, side))
        self.groups = nn.ModuleList(
            LatentGroup(width, latent_channels=latent_channels, is_first=scale == len(groups) - 1 and index == 0)
            for width, (scale, count) in zip(widths, top_down, strict=True)
            for index in range(count)
        )
        # The number of groups when a scale is done; on the host even where the default device is meta, which holds no values.
        ends = torch.tensor([count for _, count in top_down], device="cpu").cumsum(0).tolist()
        self.ends: list[int] = [int(end) for end in ends[:-1]]
        self.up = nn.ModuleList(DecoderCell(before, after, expansion=6, is_enlarging=True) for before, after in pairwise(widths))
        self.finish = nn.Sequential(
            DecoderCell(widths[-1], channels, expansion=3, is_enlarging=True), DecoderCell(channels, channels, expansion=3)
        )
        self.pixels = nn.Sequential(nn.ELU(), nn.Conv2d(channels, 6, 3, padding=1))

    def forward(
        self, noise: Sequence[torch.Tensor], seen: Sequence[torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One ``noise`` (and ``seen``) for each group, top down, to pixels ``[batch, 6, side, side]`` and nats ``[batch]``."""
        # [batch, width, side, side]: the same learnt start for every image.
        features = self.start.repeat(len(noise[0]), 1, 1, 1)
        divergence = features.new_zeros(len(noise[0]), dtype=torch.float32)
        for number, (group, drawn) in enumerate(zip(self.groups, noise, strict=True)):
            if number in self.ends:
                features = self.up[self.ends.index(number)](features)
            features, own = group(features, drawn, None if seen is None else seen[number])
            divergence = divergence + own
        return self.pixels(self.finish(features)), divergence


class LatentGroup(nn.Module):
    """One group: cells, prior, posterior and the latent's way into the features. The first group's prior is N(0, 1)."""

    def __init__(self, width: int, *, latent_channels: int, is_first: bool) -> None:
        super().__init__()
        cells = () if is_first else tuple(DecoderCell(width, width, expansion=6) for _ in range(NUM_CELLS))
        self.cells = nn.Sequential(*cells)
        self.prior = None if is_first else nn.Sequential(nn.ELU(), nn.Conv2d(width, 2 * latent_channels, 1))
        self.see = nn.Sequential(nn.ELU(), nn.Conv2d(width, width, 1), nn.ELU()) if is_first else nn.Conv2d(width, width, 1)
        self.posterior = nn.Conv2d(width, 2 * latent_channels, 3, padding=1)
        self.combine = nn.Conv2d(width + latent_channels, width, 1)

    def forward(
        self, features: torch.Tensor, noise: torch.Tensor, seen: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Features ``[batch, width, side, side]`` to as many, and the divergence ``[batch]`` (0 when sampling)."""
        features = self.cells(features)
        mean, log_scale = (torch.zeros_like(noise),) * 2 if self.prior is None else _bounded(self.prior(features))
        divergence: torch.Tensor | float = 0.0
        if seen is not None:
            mixed = self.see(seen) if self.prior is None else seen + self.see(features)
            # dm and log ds of eq. 2: relative to the prior.
            moved, stretched = _bounded(self.posterior(mixed))
            divergence = _divergence(moved, stretched, log_scale)
            # s ds of the posterior is a sum of logarithms.
            mean, log_scale = mean + moved, log_scale + stretched
        latent = mean + torch.exp(log_scale) * noise
        return self.combine(torch.cat([features, latent], dim=1)), divergence


class EncoderCell(nn.Module):
    """Twice normalisation, swish and 3 x 3 convolution, then squeeze and excitation (figure 3b); a stride of 2 halves the side."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.SiLU(),
            nn.Conv2d(before, after, 3, stride, 1),
            nn.BatchNorm2d(after),
            nn.SiLU(),
            nn.Conv2d(after, after, 3, 1, 1),
            Excitation(after),
        )
        self.skip = nn.Identity() if stride == 1 else Reduction(before, after)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``[batch, before, side, side]`` to ``[batch, after, side / stride, side / stride]``."""
        passed: torch.Tensor = self.skip(features) + RESIDUAL_SCALE * self.body(features)
        return passed


class DecoderCell(nn.Module):
    """Depthwise 5 x 5 convolution of ``expansion`` times as many maps (figure 3a), then squeeze and excitation."""

    def __init__(self, before: int, after: int, *, expansion: int, is_enlarging: bool = False) -> None:
        super().__init__()
        hidden = before * expansion
        self.body = nn.Sequential(
            nn.UpsamplingNearest2d(scale_factor=2) if is_enlarging else nn.Identity(),
            nn.BatchNorm2d(before),
            nn.Conv2d(before, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, after, 1, bias=False),
            nn.BatchNorm2d(after),
            Excitation(after),
        )
        self.skip = nn.Conv2d(before, after, 1) if is_enlarging else nn.Identity()
        self.is_enlarging = is_enlarging

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``[batch, before, side, side]`` to ``[batch, after, side, side]``, twice the side where it is enlarging."""
        kept = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True) if self.is_enlarging else features
        passed: torch.Tensor = self.skip(kept) + RESIDUAL_SCALE * self.body(features)
        return passed


class Excitation(nn.Module):
    """Squeeze and excitation: maps are scaled by a function of their means (Hu et al. 2017, arXiv 1709.01507)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Sixteen as in the authors' code, and at least four.
        hidden = max(width // 16, 4)
        self.gate = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``[batch, width, side, side]`` in and out."""
        scaled: torch.Tensor = features * self.gate(features.mean(dim=(2, 3)))[:, :, None, None]
        return scaled


class Reduction(nn.Module):
    """Halves the side without losing a pixel: a quarter of the maps from each pixel of a square of four."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.quarters = nn.ModuleList(nn.Conv2d(before, after // 4, 1) for _ in range(4))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``[batch, before, side, side]`` to ``[batch, after, side / 2, side / 2]``; the side is even."""
        features = F.silu(features)
        corners = [features[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        return torch.cat([quarter(corner) for quarter, corner in zip(self.quarters, corners, strict=True)], dim=1)


def noise_shapes(*, image_size: int, groups: Sequence[int], latent_channels: int) -> list[tuple[int, int, int]]:
    """Shape of each group's latent without the batch, top down."""
    scales = reversed(list(enumerate(groups)))
    return [(latent_channels, side, side) for scale, count in scales for side in [image_size // 2 ** (scale + 1)] * count]


def _bounded(parameters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and log scales, each softly within [-5, 5]."""
    mean, log_scale = (5.0 * torch.tanh(parameters / 5.0)).chunk(2, dim=1)
    return mean, log_scale


def _divergence(moved: torch.Tensor, stretched: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """The posterior's divergence from the prior, in nats of each image, fp32."""
    moved, stretched, log_scale = moved.float(), stretched.float(), log_scale.float()
    # Eq. 2 of the module's docstring, with ds^2 = exp(2 log ds).
    own = 0.5 * ((moved * torch.exp(-log_scale)).square() + torch.exp(2 * stretched) - 1.0) - stretched
    return own.flatten(1).sum(dim=1)

"""DCGAN: a generator of transposed convolutions against a convolutional discriminator (Radford et al. 2015, arXiv 1511.06434).

The two play the game of Goodfellow et al. 2014 (arXiv 1406.2661, eq. 1)::

    min_G max_D  V(D, G) = E_x[log D(x)] + E_z[log(1 - D(G(z)))]

For a fixed G the best D is p(x) / (p(x) + q(x)); where G has matched the data, p = q, so D = 1/2 and V = -log 4. D is
trained on -V; G on -E[log D(G(z))], the non-saturating loss of the same paper (section 3), as every DCGAN is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

# Both from section 4 of the paper.
INIT_STD = 0.02
LEAK = 0.2


class Generator(nn.Module):
    """Latents ``(batch, latent_dim)`` to images ``(batch, image_channels, 64, 64)`` in [-1, 1].

    ``channels`` are those of the maps of side 4, 8, 16 and 32; each next map doubles the side, the last makes the image.
    """

    def __init__(self, *, latent_dim: int, channels: Sequence[int], kernel_size: int, image_channels: int = 3) -> None:
        super().__init__()
        # [batch, latent_dim, 1, 1] to [batch, channels, 4, 4].
        project = nn.ConvTranspose2d(latent_dim, channels[0], 4, bias=False)
        layers: list[nn.Module] = [project, nn.BatchNorm2d(channels[0]), nn.ReLU()]
        for before, after in itertools.pairwise(channels):
            layers += [_upscale(before, after, kernel_size=kernel_size), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [_upscale(channels[-1], image_channels, kernel_size=kernel_size), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(init_weights)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.layers(latents[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """Images ``(batch, image_channels, 64, 64)`` to logits ``(batch,)``: the sigmoid of a logit is D(x).

    ``channels`` are those of the maps of side 32, 16, 8 and 4, all halved by strides, none by pooling.
    """

    def __init__(self, *, channels: Sequence[int], kernel_size: int, image_channels: int = 3) -> None:
        super().__init__()
        # No batch norm at the discriminator's input nor at the generator's output (section 3: samples oscillate with it).
        layers: list[nn.Module] = [_downscale(image_channels, channels[0], kernel_size=kernel_size), nn.LeakyReLU(LEAK)]
        for before, after in itertools.pairwise(channels):
            layers += [_downscale(before, after, kernel_size=kernel_size), nn.BatchNorm2d(after), nn.LeakyReLU(LEAK)]
        # [batch, channels, 4, 4] to one logit an image.
        layers.append(nn.Conv2d(channels[-1], 1, 4, bias=False))
        self.layers = nn.Sequential(*layers)
        self.apply(init_weights)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits.flatten()


def _upscale(before: int, after: int, *, kernel_size: int) -> nn.Module:
    """Doubles the side: ``2 (side - 1) - 2 padding + kernel_size + output_padding = 2 side``."""
    odd = kernel_size % 2
    return nn.ConvTranspose2d(before, after, kernel_size, 2, padding=(kernel_size - 1) // 2, output_padding=odd, bias=False)


def _downscale(before: int, after: int, *, kernel_size: int) -> nn.Module:
    """Halves an even side."""
    return nn.Conv2d(before, after, kernel_size, 2, padding=(kernel_size - 1) // 2, bias=False)


def init_weights(module: nn.Module) -> None:
    """Weights from N(0, 0.02) and batch-norm scales from N(1, 0.02), as published."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INIT_STD)
        nn.init.zeros_(module.bias)


def value(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """V(D, G) on a batch, from logits: log D(x) = -softplus(-logit), log(1 - D) = -softplus(logit). Scalar, fp32."""
    return -(F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean())


def discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """What D minimises: -V(D, G)."""
    return -value(real_logits, fake_logits)


def generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """What G minimises: -E[log D(G(z))], whose gradient does not vanish where D wins. Scalar, fp32."""
    return F.softplus(-fake_logits.float()).mean()

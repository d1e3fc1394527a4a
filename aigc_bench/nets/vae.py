"""The variational auto-encoder (Kingma & Welling 2013, arXiv 1312.6114), fully connected and convolutional.

Training minimises the negative evidence lower bound of an image x (their eq. 3), averaged over the batch::

    -ELBO = -E_q(z|x)[log p(x|z)] + KL(q(z|x) || N(0, I))        q(z|x) = N(mean, exp(log_variance))

with z = mean + exp(log_variance / 2) * noise (the reparameterisation, section 2.4), one draw of noise per image, and the
KL in closed form (appendix B): -1/2 sum(1 + log_variance - mean^2 - exp(log_variance)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

Likelihood = Literal["bernoulli", "gaussian", "scaled_gaussian"]


class VAE(nn.Module):
    """An encoder to ``(batch, 2 * latent_dim)`` and a decoder from ``(batch, latent_dim)`` to image logits or means."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images and noise ``(batch, latent_dim)`` to reconstruction (before its link), mean and log variance."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return self.decoder(reparameterise(mean, log_variance, noise)), mean, log_variance


def reparameterise(mean: torch.Tensor, log_variance: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A draw from N(mean, exp(log_variance)) as a differentiable function of standard-normal ``noise``."""
    return mean + torch.exp(0.5 * log_variance) * noise


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, I)) in nats, ``(batch, latent_dim)`` to ``(batch,)``, fp32."""
    mean, log_variance = mean.float(), log_variance.float()
    return -0.5 * (1.0 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)


def reconstruction_loss(outputs: torch.Tensor, images: torch.Tensor, *, likelihood: Likelihood) -> torch.Tensor:
    """-log p(x|z) of each image, ``(batch,)``, fp32: Bernoulli from logits, or Gaussian without its constant.

    The Gaussian is of unit variance, or ``scaled``: then ``outputs`` hold means and, as many channels after them, log scales.
    """
    if likelihood == "scaled_gaussian":
        means, log_scales = (part.flatten(1) for part in outputs.float().chunk(2, dim=1))
        # Without the constant log(2 pi) / 2 of each pixel, as for unit variance.
        squares = ((means - images.float().flatten(1)) * torch.exp(-log_scales)).square()
        return (0.5 * squares + log_scales).sum(dim=1)
    outputs, images = outputs.float().flatten(1), images.float().flatten(1)
    if likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(outputs, images, reduction="none").sum(dim=1)
    return 0.5 * (outputs - images).square().sum(dim=1)


def make_mlp(*, input_dim: int, hidden_dim: int, latent_dim: int) -> VAE:
    """One hidden layer on either side; images are flat, ``(batch, input_dim)``."""
    encoder = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 2 * latent_dim))
    decoder = nn.Sequential(nn.Linear(latent_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, input_dim))
    return VAE(encoder, decoder)


def make_conv(*, image_size: int, image_channels: int, channels: Sequence[int], latent_dim: int) -> VAE:
    """3x3 convolutions that halve the side at each of ``channels`` and mirror back; images are ``(batch, C, side, side)``."""
    side = image_size // 2 ** len(channels)
    assert side * 2 ** len(channels) == image_size, "each level halves the image"
    flat = channels[-1] * side * side
    down: list[nn.Module] = []
    for before, after in zip([image_channels, *channels], channels, strict=False):
        down += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU()]
    up: list[nn.Module] = [nn.Linear(latent_dim, flat), nn.Unflatten(1, (channels[-1], side, side))]
    reverse = list(reversed(channels))
    for before, after in zip(reverse, [*reverse[1:], reverse[-1]], strict=True):
        # output_padding settles which of two sides a stride of 2 came from: it doubles exactly.
        up += [nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1), nn.BatchNorm2d(after), nn.LeakyReLU()]
    up += [nn.Conv2d(channels[0], image_channels, 3, padding=1), nn.Tanh()]
    return VAE(nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, 2 * latent_dim)), nn.Sequential(*up))


def make(config: Mapping[str, Any]) -> VAE:
    """The network of a preset: ``config["kind"]`` is ``mlp`` or ``conv``, the rest are that one's sizes."""
    sizes = {key: size for key, size in config.items() if key not in {"kind", "likelihood"}}
    return make_mlp(**sizes) if config["kind"] == "mlp" else make_conv(**sizes)

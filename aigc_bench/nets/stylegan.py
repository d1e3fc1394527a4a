"""StyleGAN2 (Karras et al. 2019, arXiv 1912.04958): a generator of modulated convolutions, a residual discriminator.

A mapping network turns a latent z into a style w. Each convolution's weights are scaled by a style and brought back to unit
norm (section 2.2, eq. 1 and 3)::

    w'_ijk = s_i w_ijk        w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + eps)

which is the same as scaling the input maps by s and the output maps by that root: so it is computed here, with one convolution
for the whole batch. Images of each resolution are added up (output skips), the discriminator is residual (config-f, section 4).
Sides are doubled and halved with the binomial filter [1, 3, 3, 1].
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

LEAK = 0.2
# A leaky ReLU halves the variance, nearly; this restores it.
GAIN = math.sqrt(2.0)
MAPPING_RATE = 0.01
"""The mapping network learns a hundredth as fast as the rest (Karras et al. 2018, arXiv 1812.04948, section C)."""
# As published.
GROUP_SIZE = 4
"""Images whose standard deviation is shown to the discriminator together."""


def channels_at(side: int, *, base: int, most: int) -> int:
    """Feature maps at a side: config-f has ``base`` 32,768 and ``most`` 512."""
    return min(base // side, most)


class Generator(nn.Module):
    """Latents ``(batch, latent_dim)`` to images ``(batch, 3, resolution, resolution)``, about within [-1, 1]."""

    def __init__(self, *, resolution: int, latent_dim: int, mapping_layers: int, channel_base: int, channel_max: int) -> None:
        super().__init__()
        widths = {side: channels_at(side, base=channel_base, most=channel_max) for side in _sides(resolution)}
        self.mapping = nn.Sequential(*(Linear(latent_dim, latent_dim, rate=MAPPING_RATE) for _ in range(mapping_layers)))
        self.constant = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        self.blocks = nn.ModuleList(
            SynthesisBlock(widths[side // 2] if side > 4 else widths[4], widths[side], latent_dim=latent_dim, is_first=side == 4)
            for side in _sides(resolution)
        )
        self.blur: torch.Tensor
        self.register_buffer("blur", _binomial())

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        # Onto the sphere of radius sqrt(latent_dim), as published.
        latents = latents * (latents.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        styles = self.mapping(latents)
        features = self.constant.repeat(len(latents), 1, 1, 1)
        images: torch.Tensor | None = None
        for block in self.blocks:
            features, added = block(features, styles, self.blur)
            images = added if images is None else _enlarged(images, self.blur) + added
        assert images is not None, "the smallest image is of 4 x 4 pixels"
        return images


class SynthesisBlock(nn.Module):
    """The convolutions of one resolution and its contribution to the image."""

    def __init__(self, before: int, after: int, *, latent_dim: int, is_first: bool) -> None:
        super().__init__()
        self.up = None if is_first else ModulatedConv(before, after, 3, latent_dim=latent_dim, is_enlarging=True)
        self.conv = ModulatedConv(after, after, 3, latent_dim=latent_dim)
        self.to_rgb = ModulatedConv(after, 3, 1, latent_dim=latent_dim, is_image=True)

    def forward(self, features: torch.Tensor, styles: torch.Tensor, blur: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features and styles ``[batch, latent_dim]`` to features and an image, of twice the side but in the first block."""
        if self.up is not None:
            features = self.up(features, styles, blur)
        features = self.conv(features, styles, blur)
        return features, self.to_rgb(features, styles, blur)


class ModulatedConv(nn.Module):
    """A convolution whose weights depend on the image's style, with noise, bias and activation; to RGB with the bias only."""

    def __init__(
        self, before: int, after: int, kernel: int, *, latent_dim: int, is_enlarging: bool = False, is_image: bool = False
    ) -> None:
        super().__init__()
        self.style = Linear(latent_dim, before, bias=1.0, is_activated=False)
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.noise_strength = None if is_image else nn.Parameter(torch.zeros(()))
        self.scale = 1.0 / math.sqrt(before * kernel**2)
        self.is_enlarging, self.is_image = is_enlarging, is_image

    def forward(self, features: torch.Tensor, styles: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
        """``[batch, before, side, side]`` to ``[batch, after, side, side]``, twice the side where it is enlarging."""
        weight, style = self.weight * self.scale, self.style(styles)
        # Scales the input maps instead of each image's weights, so that one convolution serves the whole batch.
        features = features * style[:, :, None, None]
        if self.is_enlarging:
            # Side s to 2 s + 1, which the filter brings to 2 s.
            features = F.conv_transpose2d(features, weight.transpose(0, 1), stride=2)
            # Times four, since three of four pixels were zeros.
            features = _filtered(features, blur * 4, padding=1)
        else:
            features = F.conv2d(features, weight, padding=self.weight.shape[-1] // 2)
        if self.noise_strength is None:
            return features + self.bias[:, None, None]
        # The root of the module's formula: [batch, before] x [before, after].
        norms = (style.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
        noise = torch.randn_like(features[:, :1]) * self.noise_strength
        return F.leaky_relu(features * norms[:, :, None, None] + noise + self.bias[:, None, None], LEAK) * GAIN


class Discriminator(nn.Module):
    """Images ``(batch, 3, resolution, resolution)`` to logits ``(batch,)``."""

    def __init__(self, *, resolution: int, channel_base: int, channel_max: int) -> None:
        super().__init__()
        widths = {side: channels_at(side, base=channel_base, most=channel_max) for side in _sides(resolution)}
        self.from_rgb = Conv(3, widths[resolution], 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(widths[side], widths[side // 2]) for side in reversed(_sides(resolution)) if side > 4
        )
        self.conv = Conv(widths[4] + 1, widths[4], 3)
        self.hidden = Linear(widths[4] * 16, widths[4])
        self.out = Linear(widths[4], 1, is_activated=False)
        self.blur: torch.Tensor
        self.register_buffer("blur", _binomial())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.from_rgb(images)
        for block in self.blocks:
            features = block(features, self.blur)
        features = self.conv(torch.cat([features, _deviation(features)], dim=1))
        logits: torch.Tensor = self.out(self.hidden(features.flatten(1)))
        return logits.squeeze(1)


class ResidualBlock(nn.Module):
    """Two convolutions, the second halving the side, and a skip."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv, self.down = Conv(before, before, 3), Conv(before, after, 3, is_halving=True)
        self.skip = Conv(before, after, 1, is_halving=True, is_activated=False)

    def forward(self, features: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
        """``[batch, before, side, side]`` to ``[batch, after, side / 2, side / 2]``, variance kept."""
        # Two branches of unit variance add up to two.
        passed: torch.Tensor = self.down(self.conv(features), blur) + self.skip(features, blur)
        return passed / GAIN


class Conv(nn.Module):
    """A convolution with the weights' scale applied at run time (equalised learning rate, arXiv 1710.10196, section 4.1)."""

    def __init__(self, before: int, after: int, kernel: int, *, is_halving: bool = False, is_activated: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after)) if is_activated else None
        self.scale, self.kernel, self.is_halving = 1.0 / math.sqrt(before * kernel**2), kernel, is_halving

    def forward(self, features: torch.Tensor, blur: torch.Tensor | None = None) -> torch.Tensor:
        """``[batch, before, side, side]`` to ``[batch, after, side, side]``; halving takes the filter and halves the side."""
        weight = self.weight * self.scale
        if self.is_halving:
            assert blur is not None, "a side is halved after a filter"
            features = _filtered(features, blur, padding=self.kernel // 2 + 1)
            features = F.conv2d(features, weight, self.bias, stride=2)
        else:
            features = F.conv2d(features, weight, self.bias, padding=self.kernel // 2)
        return features if self.bias is None else F.leaky_relu(features, LEAK) * GAIN


class Linear(nn.Module):
    """A linear layer with equalised learning rate, ``rate`` times as fast as the rest; leaky by default."""

    def __init__(self, before: int, after: int, *, bias: float = 0.0, rate: float = 1.0, is_activated: bool = True) -> None:
        super().__init__()
        # Divided here and multiplied at run time: the effective weight starts the same, and a step moves it `rate` times as far.
        self.weight = nn.Parameter(torch.randn(after, before) / rate)
        self.bias = nn.Parameter(torch.full((after,), bias))
        self.scale, self.rate, self.is_activated = rate / math.sqrt(before), rate, is_activated

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``[batch, before]`` to ``[batch, after]``."""
        outputs = F.linear(inputs, self.weight * self.scale, self.bias * self.rate)
        return F.leaky_relu(outputs, LEAK) * GAIN if self.is_activated else outputs


def _sides(resolution: int) -> list[int]:
    """4, 8, ... ``resolution``."""
    assert resolution >= 8, "at least one doubling"
    assert resolution & (resolution - 1) == 0, "sides are doubled"
    return [2**power for power in range(2, resolution.bit_length())]


def _binomial() -> torch.Tensor:
    """[1, 3, 3, 1] by itself, summing to one: ``(4, 4)``."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64.0


def _filtered(features: torch.Tensor, blur: torch.Tensor, *, padding: int) -> torch.Tensor:
    """Each map by itself through the filter, ``2 padding - 3`` larger."""
    channels = features.shape[1]
    return F.conv2d(features, blur.to(features.dtype).expand(channels, 1, 4, 4), padding=padding, groups=channels)


def _enlarged(images: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
    """Images of twice the side, filtered after zeros were put in."""
    channels = images.shape[1]
    weight = (blur * 4).to(images.dtype).expand(channels, 1, 4, 4)
    return F.conv_transpose2d(images, weight, stride=2, padding=1, groups=channels)


def _deviation(features: torch.Tensor) -> torch.Tensor:
    """Minibatch standard deviation (arXiv 1710.10196, section 3) of groups of images, one map: ``(batch, 1, side, side)``."""
    batch, _, height, width = features.shape
    # The largest size up to that by which the batch divides.
    group = next(size for size in range(min(GROUP_SIZE, batch), 0, -1) if batch % size == 0)
    grouped = features.float().reshape(group, batch // group, *features.shape[1:])
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.to(features.dtype).repeat(group).reshape(batch, 1, 1, 1).expand(-1, 1, height, width)


def generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """Non-saturating: -E[log D(G(z))] (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_logits.float()).mean()


def discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))]."""
    return (F.softplus(-real_logits.float()) + F.softplus(fake_logits.float())).mean()


def r1_penalty(real_logits: torch.Tensor, images: torch.Tensor, *, gamma: float) -> torch.Tensor:
    """``gamma / 2 E[|grad_x D(x)|^2]`` on real images (Mescheder et al. 2018, arXiv 1801.04406, eq. 9); differentiable."""
    # The sum's gradient is each image's own: an image's logit depends on others only through the group's deviation.
    gradients = torch.autograd.grad(real_logits.float().sum(), images, create_graph=True)[0]
    penalty: torch.Tensor = gradients.float().square().sum(dim=(1, 2, 3)).mean() * (gamma / 2)
    return penalty

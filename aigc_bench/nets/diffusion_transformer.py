"""Diffusion transformers for images, made from configuration with random weights, with one calling convention.

diffusers owns the networks. Each class here is ``denoiser(latents, timestep, *conditions, *constants)``: what the sampler needs
of the network, of the latents' own shape. ``timestep`` is ``(batch,)`` in [0, 1000); ``conditions`` come from the text encoder
(or are class labels), ``constants`` from ``constants()``, made once before the first step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, DiTTransformer2DModel, FluxTransformer2DModel, PixArtTransformer2DModel, SD3Transformer2DModel
from torch import nn

from aigc_bench.nets.components import diffusers_model

GUIDANCE = 3.5
"""FLUX.1 [dev] was distilled to take the guidance scale as an input; this is its pipeline's default."""


class DiT(nn.Module):
    """Class-conditional (Peebles & Xie 2022, arXiv 2212.09748): labels ``(batch,)``, the last class is none."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = diffusers_model(DiTTransformer2DModel, config)

    def constants(self, *, side: int, batch: int) -> tuple[torch.Tensor, ...]:
        """None."""
        return ()

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return _mean(self.model(latents, timestep=timestep, class_labels=labels, return_dict=False)[0], latents)


class PixArt(nn.Module):
    """Text by cross-attention (Chen et al. 2024, arXiv 2403.04692)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = diffusers_model(PixArtTransformer2DModel, config)

    def constants(self, *, side: int, batch: int) -> tuple[torch.Tensor, ...]:
        """None."""
        return ()

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """``latents`` ``[batch, channels, side, side]`` and ``context`` ``[batch, text, width]`` to the predicted noise."""
        # Only PixArt-alpha at 1,024 pixels is conditioned on sizes, but diffusers wants the keys of all.
        unknown_size = {"resolution": None, "aspect_ratio": None}
        predicted = self.model(
            latents, encoder_hidden_states=context, timestep=timestep, added_cond_kwargs=unknown_size, return_dict=False
        )[0]
        return _mean(predicted, latents)


class SD3(nn.Module):
    """Text and image in joint attention (Esser et al. 2024, arXiv 2403.03206)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = diffusers_model(SD3Transformer2DModel, config)

    def constants(self, *, side: int, batch: int) -> tuple[torch.Tensor, ...]:
        """None."""
        return ()

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        """As PixArt, with ``pooled`` ``[batch, width]`` of both CLIPs; the prediction is a velocity."""
        predicted: torch.Tensor = self.model(
            latents, encoder_hidden_states=context, pooled_projections=pooled, timestep=timestep, return_dict=False
        )[0]
        return predicted


class Flux(nn.Module):
    """Joint, then single-stream blocks (github.com/black-forest-labs/flux); latents are packed: ``(batch, tokens, 64)``."""

    def __init__(self, config: Mapping[str, Any], *, text_len: int) -> None:
        super().__init__()
        self.model = diffusers_model(FluxTransformer2DModel, config)
        self.text_len = text_len

    def constants(self, *, side: int, batch: int) -> tuple[torch.Tensor, ...]:
        """Rows and columns of the image's tokens ``(side^2, 3)``, zeros for the text's, and the guidance scale."""
        device, dtype = self.model.device, self.model.dtype
        row, column = torch.meshgrid(torch.arange(side, device=device), torch.arange(side, device=device), indexing="ij")
        # Three axes, of which the first is unused for images.
        positions = torch.stack([torch.zeros_like(row), row, column], dim=-1).reshape(-1, 3).to(dtype)
        guidance = torch.full((batch,), GUIDANCE, device=device, dtype=torch.float32)
        return positions, torch.zeros(self.text_len, 3, device=device, dtype=dtype), guidance

    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        pooled: torch.Tensor,
        positions: torch.Tensor,
        text_positions: torch.Tensor,
        guidance: torch.Tensor,
    ) -> torch.Tensor:
        predicted: torch.Tensor = self.model(
            latents,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            # diffusers' FLUX multiplies by 1,000 itself.
            timestep=timestep / 1000,
            img_ids=positions,
            txt_ids=text_positions,
            # The distilled model alone takes it: FLUX.1 [schnell] has no such embedding.
            guidance=guidance if self.model.config.guidance_embeds else None,
            return_dict=False,
        )[0]
        return predicted


class ImageAutoencoder(nn.Module):
    """diffusers' ``AutoencoderKL`` as the two halves that are executed apart; ``is_packed`` for FLUX's tokens of 2 x 2 latents."""

    def __init__(self, config: Mapping[str, Any], *, is_packed: bool) -> None:
        super().__init__()
        model = diffusers_model(AutoencoderKL, config)
        self.encoder, self.decoder = ImageEncoder(model, is_packed=is_packed), ImageDecoder(model, is_packed=is_packed)


class ImageEncoder(nn.Module):
    """Images in [-1, 1] and noise of the latents' shape ``(batch, channels, h, w)`` to a draw of their latents."""

    def __init__(self, autoencoder: Any, *, is_packed: bool) -> None:
        super().__init__()
        # The auto-encoders of SD3 and FLUX have no 1 x 1 convolutions around the latents.
        self.encoder, self.quant_conv = autoencoder.encoder, autoencoder.quant_conv or nn.Identity()
        self.scaling, self.shift = autoencoder.config.scaling_factor, autoencoder.config.shift_factor or 0.0
        self.is_packed = is_packed

    def forward(self, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        mean, log_variance = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        # Clamped as by diffusers, before the exponential can overflow.
        drawn = mean + torch.exp(0.5 * log_variance.clamp(-30.0, 20.0)) * noise
        latents: torch.Tensor = (drawn - self.shift) * self.scaling
        return packed(latents) if self.is_packed else latents


class ImageDecoder(nn.Module):
    """Latents to images in [0, 1]."""

    def __init__(self, autoencoder: Any, *, is_packed: bool) -> None:
        super().__init__()
        self.decoder, self.post_quant_conv = autoencoder.decoder, autoencoder.post_quant_conv or nn.Identity()
        self.scaling, self.shift = autoencoder.config.scaling_factor, autoencoder.config.shift_factor or 0.0
        self.is_packed = is_packed

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        latents = unpacked(latents) if self.is_packed else latents
        images: torch.Tensor = self.decoder(self.post_quant_conv(latents / self.scaling + self.shift))
        return (images / 2 + 0.5).clamp(0, 1)


def packed(latents: torch.Tensor) -> torch.Tensor:
    """``(batch, c, 2 h, 2 w)`` to ``(batch, h w, 4 c)``: squares of 2 x 2 become tokens."""
    batch, channels, height, width = latents.shape
    squares = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // 4, 4 * channels)


def unpacked(tokens: torch.Tensor) -> torch.Tensor:
    """The way back for square images."""
    batch, count, width = tokens.shape
    side = math.isqrt(count)
    squares = tokens.reshape(batch, side, side, width // 4, 2, 2)
    return squares.permute(0, 3, 1, 4, 2, 5).reshape(batch, width // 4, 2 * side, 2 * side)


def _mean(predicted: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return the prediction without its variance."""
    # Networks with a learnt variance predict twice the channels, the mean first.
    return cast("torch.Tensor", predicted)[:, : latents.shape[1]]


DENOISERS: Mapping[str, type[nn.Module]] = {"dit": DiT, "pixart": PixArt, "sd3": SD3, "flux": Flux}

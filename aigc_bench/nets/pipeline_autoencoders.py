"""Auto-encoders of pipelines that are adopted from a folder, as the two ways that are executed apart.

``layout`` says how the latents of the denoiser are those of the auto-encoder:

    image     (batch, channels, h, w), as they are
    frame     an auto-encoder of videos on an image, which is its only frame
    video     (batch, channels, frames, h, w), as they are
    frames    an auto-encoder of images on each frame of (batch, channels, frames, h, w)
    temporal  (batch, frames, channels, h, w), frames decoded together by one that smooths over time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import diffusers
import torch
from torch import nn

from aigc_bench.nets.components import diffusers_model

Layout = Literal["image", "frame", "video", "frames", "temporal"]

DECODING_NOISE = 0.05
"""Time step of decoders that also denoise (LTX 0.9.1 and later): the value of its published examples."""

_ONE_BY_ONE = ("AutoencoderKLHunyuanVideo15",)
"""Auto-encoders whose attention masks are of one video (diffusers 0.42): a batch goes through them one by one."""


class PipelineAutoencoder(nn.Module):
    """diffusers' auto-encoder of the named class."""

    def __init__(self, name: str, config: Mapping[str, Any], *, layout: Layout) -> None:
        super().__init__()
        model: Any = diffusers_model(getattr(diffusers, name), config)
        if name in _ONE_BY_ONE:
            model.enable_slicing()
        self.encoder, self.decoder = PipelineEncoder(model, layout=layout), PipelineDecoder(model, layout=layout)


class PipelineEncoder(nn.Module):
    """Pixels in [-1, 1], ``(batch, 3, h, w)`` or ``(batch, 3, frames, h, w)``, and noise to a draw of their latents."""

    def __init__(self, autoencoder: Any, *, layout: Layout) -> None:
        super().__init__()
        self.autoencoder, self.layout = autoencoder, layout

    def forward(self, pixels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        batch = pixels.shape[0]
        if self.layout == "frame":
            pixels = pixels.unsqueeze(2)
        elif self.layout in ("frames", "temporal"):
            pixels = pixels.transpose(1, 2).flatten(0, 1)
        found = self.autoencoder.encode(pixels, return_dict=False)[0]
        # The deep-compression auto-encoder (SANA) gives latents and no distribution.
        if isinstance(found, torch.Tensor):
            return found * _scale(self.autoencoder)
        drawn = self._outward(found.mean, batch=batch) + self._outward(found.std, batch=batch) * noise
        return drawn * _scale(self.autoencoder)

    def _outward(self, latents: torch.Tensor, *, batch: int) -> torch.Tensor:
        """The auto-encoder's latents as the denoiser's."""
        if self.layout == "frame":
            return latents.squeeze(2)
        if self.layout in ("frames", "temporal"):
            latents = latents.reshape(batch, -1, *latents.shape[1:])
            return latents.transpose(1, 2) if self.layout == "frames" else latents
        return latents


class PipelineDecoder(nn.Module):
    """Latents to pixels in [0, 1], images ``(batch, 3, h, w)`` or videos ``(batch, 3, frames, h, w)``."""

    def __init__(self, autoencoder: Any, *, layout: Layout) -> None:
        super().__init__()
        self.autoencoder, self.layout = autoencoder, layout

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        batch, given = latents.shape[0], latents / _scale(self.autoencoder)
        options: dict[str, Any] = {}
        if self.layout == "frame":
            given = given.unsqueeze(2)
        elif self.layout == "frames":
            given = given.transpose(1, 2).flatten(0, 1)
        elif self.layout == "temporal":
            options["num_frames"] = given.shape[1]
            given = given.flatten(0, 1)
        if getattr(self.autoencoder.config, "timestep_conditioning", False):
            options["temb"] = torch.full((batch,), DECODING_NOISE, device=latents.device, dtype=latents.dtype)
        pixels: torch.Tensor = self.autoencoder.decode(given, return_dict=False, **options)[0]
        if self.layout == "frame":
            pixels = pixels.squeeze(2)
        elif self.layout in ("frames", "temporal"):
            pixels = pixels.reshape(batch, -1, *pixels.shape[1:]).transpose(1, 2)
        return (pixels / 2 + 0.5).clamp(0, 1)


def _scale(autoencoder: Any) -> float:
    """What latents are multiplied by. Some state it for each channel; their mean costs the same."""
    deviations = getattr(autoencoder.config, "latents_std", None)
    if isinstance(deviations, (list, tuple)) and deviations:
        return len(deviations) / sum(deviations)
    return float(getattr(autoencoder.config, "scaling_factor", None) or 1.0)

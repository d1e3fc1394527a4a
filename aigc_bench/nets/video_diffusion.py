"""Video diffusion transformers and their 3-D auto-encoders, made from configuration with random weights.

diffusers owns the networks. Latents are ``(batch, channels, frames, height, width)`` here, for any order that a network itself
uses. As in
``diffusion_transformer``, a denoiser is called with latents, timestep ``(batch,)``, the text encoder's conditions, and constants
that are made once. Auto-encoders keep the first frame by itself and shrink the others fourfold in time, all eightfold in space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLWan,
    CogVideoXTransformer3DModel,
    HunyuanVideoTransformer3DModel,
    WanTransformer3DModel,
)
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from torch import Tensor, nn

from aigc_bench.nets.components import diffusers_model

GUIDANCE = 6000.0
"""HunyuanVideo was distilled to take a thousand times the guidance scale as an input; its pipeline's default is 6."""


NUM_IMAGE_TOKENS = 257
"""Of CLIP ViT-H/14 at 224 pixels, which sees Wan 2.1's start image: 16 x 16 patches and the class."""


class CogVideoX(nn.Module):
    """Text and video in one sequence (Yang et al. 2024, arXiv 2408.06072)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = diffusers_model(CogVideoXTransformer3DModel, config)

    def constants(self, *, shape: tuple[int, ...], text_len: int, batch: int) -> tuple[Tensor, ...]:
        """A start image's channels, ``[batch, rest of the channels, frames, height, width]``, and the rotary embedding's
        cosines and sines for latents of ``shape`` (channels, frames, height, width), where it has these.
        """
        config, weights = self.model.config, next(self.model.parameters())
        missing = config.in_channels - shape[0]
        start = (weights.new_zeros(batch, missing, *shape[1:]),) if missing else ()
        if not config.use_rotary_positional_embeddings:
            return start
        _, frames, height, width = shape
        grid = (height // config.patch_size, width // config.patch_size)
        if config.patch_size_t is None:
            places: dict[str, Any] = {"crops_coords": ((0, 0), grid), "temporal_size": frames}
        else:
            # CogVideoX 1.5 counts positions; the last patch in time is filled up with empty frames.
            num_places = -(-frames // config.patch_size_t)
            places = {"crops_coords": None, "temporal_size": num_places, "grid_type": "slice", "max_size": grid}
        cosines, sines = get_3d_rotary_pos_embed(
            embed_dim=config.attention_head_dim, grid_size=grid, device=self.model.device, **places
        )
        return (*start, cosines, sines)

    def forward(self, latents: Tensor, timestep: Tensor, context: Tensor, *constants: Tensor) -> Tensor:
        """``latents`` ``[batch, channels, frames, height, width]`` to as many, and ``constants`` as the method gives them."""
        config = self.model.config
        num_starts = int(config.in_channels > latents.shape[1])
        rotary = constants[num_starts:]
        seen = torch.cat([latents, constants[0].to(latents.dtype)], dim=1) if num_starts else latents
        # CogVideoX has frames before channels, unlike the others.
        video, num_frames = seen.transpose(1, 2), latents.shape[2]
        missing = -num_frames % (config.patch_size_t or 1)
        if missing:
            video = torch.cat([video, video[:, :1].expand(-1, missing, -1, -1, -1)], dim=1)
        # CogVideoX 1.5 takes the step between frames as an input where it has a start image: 2 in its pipeline.
        step = {"ofs": latents.new_full((1,), 2.0)} if config.ofs_embed_dim else {}
        predicted: Tensor = self.model(video, context, timestep, image_rotary_emb=rotary or None, return_dict=False, **step)[0]
        return predicted[:, :num_frames].transpose(1, 2)


class Wan(nn.Module):
    """Text by cross-attention (Wan Team 2025, arXiv 2503.20314).

    ``second`` is the network of the other half of the steps (Wan 2.2), of the same size: held, and not run, since a step runs one.
    An image as a start is a condition next to the latents, and with ``image_dim`` tokens of its own; it is encoded once, not here.
    """

    def __init__(self, config: Mapping[str, Any], *, second: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.model = diffusers_model(WanTransformer3DModel, config)
        self.second = None if second is None else diffusers_model(WanTransformer3DModel, second).requires_grad_(False)

    def constants(self, *, shape: tuple[int, ...], text_len: int, batch: int) -> tuple[Tensor, ...]:
        """The start image's channels, ``[batch, rest of the channels, frames, height, width]``, and its tokens, if any."""
        config, weights = self.model.config, next(self.model.parameters())
        if config.in_channels == shape[0]:
            return ()
        condition = weights.new_zeros(batch, config.in_channels - shape[0], *shape[1:])
        tokens = () if config.image_dim is None else (weights.new_zeros(batch, NUM_IMAGE_TOKENS, config.image_dim),)
        return (condition, *tokens)

    def forward(self, latents: Tensor, timestep: Tensor, context: Tensor, *image: Tensor) -> Tensor:
        """``latents`` ``[batch, channels, frames, height, width]`` to as many, and ``image`` as ``constants`` gives it."""
        seen = torch.cat([latents, image[0].to(latents.dtype)], dim=1) if image else latents
        tokens = image[1].to(context.dtype) if len(image) > 1 else None
        predicted: Tensor = self.model(seen, timestep, context, encoder_hidden_states_image=tokens, return_dict=False)[0]
        return predicted


class HunyuanVideo(nn.Module):
    """Joint, then single-stream blocks over text and video (Kong et al. 2024, arXiv 2412.03603)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = diffusers_model(HunyuanVideoTransformer3DModel, config)

    def constants(self, *, shape: tuple[int, ...], text_len: int, batch: int) -> tuple[Tensor, ...]:
        """A mask that hides no token of the prompt, and the guidance scale."""
        device = self.model.device
        return torch.ones(batch, text_len, device=device, dtype=torch.bool), torch.full((batch,), GUIDANCE, device=device)

    def forward(self, latents: Tensor, timestep: Tensor, context: Tensor, pooled: Tensor, mask: Tensor, guidance: Tensor) -> Tensor:
        """As Wan, with ``pooled`` ``[batch, width]`` and the two of ``constants``."""
        predicted: Tensor = self.model(latents, timestep, context, mask, pooled, guidance=guidance, return_dict=False)[0]
        return predicted


class TiledHunyuanVideo(AutoencoderKLHunyuanVideo):  # type: ignore[misc]
    """diffusers' auto-encoder with seams between tiles blended in one operation each, not pixel row by pixel row."""

    def blend_v(self, a: Tensor, b: Tensor, blend_extent: int) -> Tensor:
        """Below one another."""
        return _blended(a, b, blend_extent, dim=-2)

    def blend_h(self, a: Tensor, b: Tensor, blend_extent: int) -> Tensor:
        """Side by side."""
        return _blended(a, b, blend_extent, dim=-1)

    def blend_t(self, a: Tensor, b: Tensor, blend_extent: int) -> Tensor:
        """After one another."""
        return _blended(a, b, blend_extent, dim=-3)


def _blended(before: Tensor, after: Tensor, extent: int, *, dim: int) -> Tensor:
    """``after`` with its first ``extent`` places along ``dim`` faded in over the last of ``before``, in place."""
    extent = min(before.shape[dim], after.shape[dim], extent)
    shares = torch.arange(extent, device=after.device, dtype=after.dtype) / extent
    # Along `dim`, the same over all dimensions behind it.
    shares = shares.reshape(-1, *(1,) * (-1 - dim))
    start = after.narrow(dim, 0, extent)
    end = before.narrow(dim, before.shape[dim] - extent, extent)
    start.copy_(end * (1 - shares) + start * shares)
    return after


class VideoAutoencoder(nn.Module):
    """A 3-D auto-encoder as the two ways that are executed apart. HunyuanVideo's works in overlapping tiles, to fit into memory."""

    def __init__(self, kind: str, config: Mapping[str, Any]) -> None:
        super().__init__()
        model = diffusers_model(AUTOENCODERS[kind], config)
        if kind == "hunyuan-video":
            model.enable_tiling()
        self.encoder, self.decoder = VideoEncoder(model), VideoDecoder(model)


class VideoEncoder(nn.Module):
    """Videos ``(batch, 3, frames, h, w)`` in [-1, 1] and noise of the latents' shape to a draw of their latents."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, videos: Tensor, noise: Tensor) -> Tensor:
        posterior = self.autoencoder.encode(videos, return_dict=False)[0]
        mean, deviation = _scale(self.autoencoder)
        latents: Tensor = (posterior.mean + posterior.std * noise - mean) / deviation
        return latents


class VideoDecoder(nn.Module):
    """Latents to videos in [0, 1]."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latents: Tensor) -> Tensor:
        mean, deviation = _scale(self.autoencoder)
        videos: Tensor = self.autoencoder.decode(latents * deviation + mean, return_dict=False)[0]
        return (videos / 2 + 0.5).clamp(0, 1)


def _scale(autoencoder: Any) -> tuple[float, float]:
    """Mean and standard deviation of its latents. Wan states them for each channel; their mean costs the same."""
    config = autoencoder.config
    if getattr(config, "latents_std", None):
        return sum(config.latents_mean) / len(config.latents_mean), sum(config.latents_std) / len(config.latents_std)
    return 0.0, 1.0 / config.scaling_factor


DENOISERS: Mapping[str, type[nn.Module]] = {"cogvideox": CogVideoX, "wan": Wan, "hunyuan-video": HunyuanVideo}
AUTOENCODERS: Mapping[str, Any] = {
    "cogvideox": AutoencoderKLCogVideoX,
    "wan": AutoencoderKLWan,
    "hunyuan-video": TiledHunyuanVideo,
}

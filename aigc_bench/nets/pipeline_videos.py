"""Denoisers of videos of pipelines that are adopted from a folder, with the calling convention of ``pipeline_images``.

Latents are ``(batch, channels, frames, height, width)``, those of Stable Video Diffusion ``(batch, frames, channels, height,
width)``, as its network reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import (
    HunyuanVideo15Transformer3DModel,
    LTX2VideoTransformer3DModel,
    LTXVideoTransformer3DModel,
    MochiTransformer3DModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from diffusers.models.embeddings import apply_rotary_emb
from torch import nn
from torch.nn import functional as F

from aigc_bench.nets.components import PipelineDenoiser

FPS = 25
"""Frames of a second of LTX, which its positions in time are counted in."""


class LTX(PipelineDenoiser):
    """Text by cross-attention over tokens of 32 x 32 x 8 pixels (HaCohen et al. 2024, arXiv 2501.00103)."""

    network = LTXVideoTransformer3DModel

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """``latents`` ``[batch, channels, frames, height, width]``, ``context`` ``[batch, text, width]`` to the velocity."""
        frames, height, width = latents.shape[2:]
        predicted: torch.Tensor = self.model(
            _tokens(latents),
            encoder_hidden_states=context,
            timestep=timestep,
            encoder_attention_mask=context.new_ones(context.shape[:2]),
            num_frames=frames,
            height=height,
            width=width,
            # Seconds and pixels of a token, from which positions are made.
            rope_interpolation_scale=(8 / FPS, 32, 32),
            return_dict=False,
        )[0]
        return _video(predicted, latents)


class LTX2(PipelineDenoiser):
    """Video and its sound in two streams that attend to each other (HaCohen et al. 2026, arXiv 2601.03233)."""

    network = LTX2VideoTransformer3DModel

    def constants(self, *, shape: tuple[int, ...], batch: int) -> tuple[torch.Tensor, ...]:
        """The sound's latents ``[batch, sound tokens, channels]``, 25 tokens a second."""
        config = self.model.config
        frames = (shape[1] - 1) * config.vae_scale_factors[0] + 1
        rate = config.audio_sampling_rate / config.audio_hop_length / config.audio_scale_factor
        tokens = max(1, round(frames / 24.0 * rate))
        return (torch.zeros(batch, tokens, config.audio_in_channels, device=self.model.device, dtype=self.model.dtype),)

    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        sound_context: torch.Tensor,
        sound: torch.Tensor,
    ) -> torch.Tensor:
        """As LTX, with the context and the latents of the sound; the sound is denoised with the video and left out here."""
        frames, height, width = latents.shape[2:]
        predicted: torch.Tensor = self.model(
            _tokens(latents),
            sound.to(latents.dtype),
            encoder_hidden_states=context,
            audio_encoder_hidden_states=sound_context,
            # One noise level for every token of the prediction.
            timestep=timestep,
            sigma=timestep,
            num_frames=frames,
            height=height,
            width=width,
            audio_num_frames=sound.shape[1],
            return_dict=False,
        )[0]
        return _video(predicted, latents)


class MochiAttention:
    """Mochi's joint attention for prompts that fill their length.

    diffusers' own looks for each prompt's valid tokens, one prompt at a time, which waits for the device.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Video tokens ``[batch, tokens, width]`` and text ``[batch, text, width]`` after attention, each of its own width."""
        heads, length = attn.heads, hidden_states.shape[1]
        query, key, value = (layer(hidden_states).unflatten(2, (heads, -1)) for layer in (attn.to_q, attn.to_k, attn.to_v))
        texts = (
            layer(encoder_hidden_states).unflatten(2, (heads, -1)) for layer in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
        )
        text_query, text_key, text_value = texts
        query, key = attn.norm_q(query), attn.norm_k(key)
        text_query, text_key = attn.norm_added_q(text_query), attn.norm_added_k(text_key)
        if image_rotary_emb is not None:
            query, key = (_rotated(one, *image_rotary_emb) for one in (query, key))
        pairs = ((query, text_query), (key, text_key), (value, text_value))
        # [batch, heads, tokens + text, width of a head]
        queries, keys, values = (torch.cat(pair, dim=1).transpose(1, 2) for pair in pairs)
        seen = F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2, 3)
        video, text = seen[:, :length], seen[:, length:]
        video = attn.to_out[1](attn.to_out[0](video))
        # The last block drops its text.
        return video, attn.to_add_out(text) if hasattr(attn, "to_add_out") else text


class Mochi(PipelineDenoiser):
    """Joint attention with a narrow text stream (Genmo 2024, github.com/genmoai/mochi)."""

    network = MochiTransformer3DModel

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        for block in self.model.transformer_blocks:
            block.attn1.processor = MochiAttention()
        # diffusers' own asks for autocast of the tensors' device, which meta has none of; its inputs are fp32 here.
        self.model.rope._create_rope = _angles

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """As LTX."""
        mask = torch.ones(context.shape[:2], device=context.device, dtype=torch.bool)
        predicted: torch.Tensor = self.model(
            latents, encoder_hidden_states=context, timestep=timestep, encoder_attention_mask=mask, return_dict=False
        )[0]
        return predicted


class Hunyuan15Attention:
    """HunyuanVideo 1.5's joint attention for conditions that fill their length.

    diffusers' own writes a mask of tokens x tokens for every block, which no condition needs here.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Video tokens ``[batch, tokens, width]`` and conditions ``[batch, conditions, width]`` after attention."""
        heads, length = attn.heads, hidden_states.shape[1]
        query, key, value = (layer(hidden_states).unflatten(2, (heads, -1)) for layer in (attn.to_q, attn.to_k, attn.to_v))
        query, key = (
            apply_rotary_emb(norm(one), image_rotary_emb, sequence_dim=1)
            for norm, one in ((attn.norm_q, query), (attn.norm_k, key))
        )
        own_query, own_key, own_value = (
            layer(encoder_hidden_states).unflatten(2, (heads, -1)) for layer in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
        )
        pairs = ((query, attn.norm_added_q(own_query)), (key, attn.norm_added_k(own_key)), (value, own_value))
        # [batch, heads, tokens + conditions, width of a head]
        queries, keys, values = (torch.cat(pair, dim=1).transpose(1, 2) for pair in pairs)
        seen = F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2, 3)
        video = attn.to_out[1](attn.to_out[0](seen[:, :length]))
        return video, attn.to_add_out(seen[:, length:])


class Hunyuan15(PipelineDenoiser):
    """A prompt, its quoted letters and a start image in one joint attention with the video (Wu et al. 2025, arXiv 2511.18870)."""

    IMAGE_TOKENS = 729
    """Tokens of SigLIP's view of a start image, which a video from text has as zeros (diffusers 0.42)."""

    network = HunyuanVideo15Transformer3DModel

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        for block in self.model.transformer_blocks:
            block.attn.set_processor(Hunyuan15Attention())

    def constants(self, *, shape: tuple[int, ...], batch: int) -> tuple[torch.Tensor, ...]:
        """The start image's latents with their mask, and its view ``[batch, 729, width]``."""
        weights, config = next(self.model.parameters()), self.model.config
        known = weights.new_zeros(batch, config.in_channels - shape[0], *shape[1:])
        return known, weights.new_zeros(batch, self.IMAGE_TOKENS, config.image_embed_dim)

    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        letters: torch.Tensor,
        known: torch.Tensor,
        image: torch.Tensor,
    ) -> torch.Tensor:
        """As LTX, ``letters`` ``[batch, text, width]`` of quoted text.

        diffusers' own forward looks for each prompt's valid tokens, one prompt at a time, which waits for the device.
        """
        model = self.model
        rotary, time = model.rope(latents), model.time_embed(timestep)
        video = model.x_embedder(torch.cat([latents, known.to(latents.dtype)], dim=1))
        text = model.context_embedder(context, timestep, context.new_ones(context.shape[:2]))
        conditions = (model.image_embedder(image.to(latents.dtype)), model.context_embedder_2(letters), text)
        # The kinds of conditions are 2, 1 and 0.
        seen = torch.cat([one + model.cond_type_embed.weight[2 - number] for number, one in enumerate(conditions)], dim=1)
        for block in model.transformer_blocks:
            if torch.is_grad_enabled() and model.gradient_checkpointing:
                video, seen = model._gradient_checkpointing_func(block, video, seen, time, None, rotary)
            else:
                video, seen = block(video, seen, time, None, rotary)
        return _video(model.proj_out(model.norm_out(video, time)), latents)


class StableVideo(PipelineDenoiser):
    """A start image as channels and as one token, a UNet over space and time (Blattmann et al. 2023, arXiv 2311.15127)."""

    network = UNetSpatioTemporalConditionModel

    def constants(self, *, shape: tuple[int, ...], batch: int) -> tuple[torch.Tensor, ...]:
        """The start image's latents, once for each frame, and three numbers: frame rate, motion, noise on the image."""
        weights = next(self.model.parameters())
        image = weights.new_zeros(batch, shape[0], self.model.config.in_channels - shape[1], *shape[2:])
        return image, torch.tensor([[6.0, 127.0, 0.02]] * batch, device=weights.device, dtype=weights.dtype)

    def forward(
        self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor, image: torch.Tensor, numbers: torch.Tensor
    ) -> torch.Tensor:
        """``latents`` ``[batch, frames, channels, height, width]`` to as many, with the image's token and the two constants."""
        seen = torch.cat([latents, image.to(latents.dtype)], dim=2)
        predicted: torch.Tensor = self.model(
            seen, timestep, encoder_hidden_states=context, added_time_ids=numbers, return_dict=False
        )[0]
        return predicted


class AnimateDiff(PipelineDenoiser):
    """Stable Diffusion with attention over time between its blocks (Guo et al. 2023, arXiv 2307.04725)."""

    network = UNetMotionModel

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """As LTX; every frame attends to the same prompt."""
        prompts = context.repeat_interleave(latents.shape[2], dim=0)
        predicted: torch.Tensor = self.model(latents, timestep, encoder_hidden_states=prompts, return_dict=False)[0]
        return predicted


def _tokens(latents: torch.Tensor) -> torch.Tensor:
    """``[batch, channels, frames, height, width]`` to ``[batch, frames x height x width, channels]``."""
    return latents.flatten(2).transpose(1, 2)


def _video(tokens: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """The way back, to the shape of ``latents``."""
    return tokens.transpose(1, 2).reshape(latents.shape)


def _angles(frequencies: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines ``(tokens, heads, half a head)`` of positions ``(tokens, 3)`` times learnt frequencies."""
    angles = torch.einsum("nd,dhf->nhf", positions.float(), frequencies.float())
    return angles.cos(), angles.sin()


def _rotated(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Pairs of numbers turned by their position's angle, in fp32 as by diffusers."""
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    first, second = (even * cosines - odd * sines).to(x.dtype), (even * sines + odd * cosines).to(x.dtype)
    return torch.stack([first, second], dim=-1).flatten(-2)


DENOISERS: Mapping[str, type[nn.Module]] = {
    "ltx": LTX,
    "ltx2": LTX2,
    "mochi": Mochi,
    "hunyuan-video-15": Hunyuan15,
    "stable-video": StableVideo,
    "animatediff": AnimateDiff,
}

"""Denoisers of images of pipelines that are adopted from a folder: one calling convention over diffusers' networks.

``denoiser(latents, timestep, *conditions, *constants)`` as in ``diffusion_transformer``; latents are those of the auto-encoder,
``(batch, channels, side, side)``, and a network that reads squares of them as tokens packs them itself. ``constants`` are made
once, before the first step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import (
    Flux2Transformer2DModel,
    HunyuanDiT2DModel,
    QwenImageTransformer2DModel,
    SanaTransformer2DModel,
)
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from torch import nn

from aigc_bench.nets.components import PipelineDenoiser
from aigc_bench.nets.diffusion_transformer import packed, unpacked

GUIDANCE = 4.0
"""FLUX.2 [dev] takes the guidance scale as an input; this is its pipeline's default."""


class QwenImage(PipelineDenoiser):
    """Text and image in joint attention, 60 blocks (Qwen Team 2025, arXiv 2508.02324)."""

    network = QwenImageTransformer2DModel

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """``latents`` ``[batch, channels, side, side]`` and ``context`` ``[batch, text, width]`` to the velocity."""
        batch, _, height, width = latents.shape
        predicted: torch.Tensor = self.model(
            packed(latents),
            encoder_hidden_states=context,
            # diffusers multiplies by 1,000 itself.
            timestep=timestep / 1000,
            img_shapes=[[(1, height // 2, width // 2)]] * batch,
            return_dict=False,
        )[0]
        return unpacked(predicted)


class Flux2(PipelineDenoiser):
    """Joint, then single-stream blocks with shared modulation (github.com/black-forest-labs/flux2)."""

    network = Flux2Transformer2DModel

    def constants(self, *, shape: tuple[int, ...], batch: int) -> tuple[torch.Tensor, ...]:
        """Positions of the image's tokens on four axes ``(tokens, 4)``, and the guidance scale ``(batch,)``."""
        device = self.model.device
        side = shape[-1] // 2
        row, column = torch.meshgrid(torch.arange(side, device=device), torch.arange(side, device=device), indexing="ij")
        # Image, row, column, place in the text: a single image, so the first is zero, as is the last.
        nothing = torch.zeros_like(row)
        positions = torch.stack([nothing, row, column, nothing], dim=-1).reshape(-1, 4)
        return positions, torch.full((batch,), GUIDANCE, device=device)

    def forward(
        self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor, positions: torch.Tensor, guidance: torch.Tensor
    ) -> torch.Tensor:
        """As QwenImage, with the two of ``constants``."""
        places = torch.arange(context.shape[1], device=context.device)
        nothing = torch.zeros_like(places)
        predicted: torch.Tensor = self.model(
            packed(latents),
            encoder_hidden_states=context,
            timestep=timestep / 1000,
            img_ids=positions,
            txt_ids=torch.stack([nothing, nothing, nothing, places], dim=-1),
            guidance=guidance if self.model.config.guidance_embeds else None,
            return_dict=False,
        )[0]
        return unpacked(predicted)


class Sana(PipelineDenoiser):
    """Linear attention over latents 32 times smaller than the image (Xie et al. 2024, arXiv 2410.10629)."""

    network = SanaTransformer2DModel

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """As QwenImage."""
        predicted: torch.Tensor = self.model(latents, encoder_hidden_states=context, timestep=timestep, return_dict=False)[0]
        return predicted


class HunyuanDiT(PipelineDenoiser):
    """Two texts, of a bilingual CLIP and of T5, by cross-attention (Li et al. 2024, arXiv 2405.08748)."""

    network = HunyuanDiT2DModel

    def constants(self, *, shape: tuple[int, ...], batch: int) -> tuple[torch.Tensor, ...]:
        """Cosines and sines of the rotary embedding, sizes ``(batch, 6)`` and style ``(batch,)``."""
        model = self.model
        grid = (shape[-2] // model.config.patch_size, shape[-1] // model.config.patch_size)
        cosines, sines = get_2d_rotary_pos_embed(
            model.inner_dim // model.num_heads, ((0, 0), grid), grid, device=model.device, output_type="pt"
        )
        side = 8.0 * shape[-1]
        sizes = torch.tensor([[side, side, side, side, 0.0, 0.0]] * batch, device=model.device, dtype=model.dtype)
        return cosines, sines, sizes, torch.zeros(batch, device=model.device, dtype=torch.long)

    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        t5_context: torch.Tensor,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        sizes: torch.Tensor,
        style: torch.Tensor,
    ) -> torch.Tensor:
        """As QwenImage, with both texts ``[batch, text, width]`` and the four of ``constants``."""
        predicted: torch.Tensor = self.model(
            latents,
            timestep,
            encoder_hidden_states=context,
            text_embedding_mask=context.new_ones(context.shape[:2]),
            encoder_hidden_states_t5=t5_context,
            text_embedding_mask_t5=t5_context.new_ones(t5_context.shape[:2]),
            image_meta_size=sizes,
            style=style,
            image_rotary_emb=(cosines, sines),
            return_dict=False,
        )[0]
        # With a learnt variance twice the channels are predicted, the mean first.
        return predicted[:, : latents.shape[1]]


DENOISERS: Mapping[str, type[nn.Module]] = {
    "qwen-image": QwenImage,
    "flux2": Flux2,
    "sana": Sana,
    "hunyuan-dit": HunyuanDiT,
}

"""The parts of a latent diffusion model (Rombach et al. 2022, arXiv 2112.10752), made from configuration with random weights.

An image is denoised in the latent space of an auto-encoder that shrinks each side eightfold. diffusers owns the UNet and
the auto-encoder, transformers the CLIP text encoders. Here they get one calling convention, so that each stage of a step
is one module that an engine can execute:

    TextEncoder   tokens (batch, 77)                          -> context (batch, 77, dim), pooled (batch, dim) or None
    UNet          latents (batch, 4, h, w), t, context, ...   -> predicted noise, same shape
    LatentDecoder latents (batch, 4, h, w)                    -> images (batch, 3, 8 h, 8 w) in [0, 1]
    LatentEncoder images in [-1, 1], noise                    -> latents (batch, 4, h, w)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from torch import nn

from aigc_bench.core.records import Attention
from aigc_bench.nets.components import CHATGLM, chatglm, clip_text, diffusers_model

NUM_TRAIN_TIMESTEPS = 1000

_NOISE: dict[str, Any] = {
    # Stable Diffusion's noise schedule: scheduler/scheduler_config.json of both model repositories
    "num_train_timesteps": NUM_TRAIN_TIMESTEPS,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "clip_sample": False,
}


class TextEncoder(nn.Module):
    """One CLIP text model (SD 1.5: its last hidden state) or two (SDXL: their penultimate ones, side by side, and the pooled).

    Kolors reads its prompts with a language model, ChatGLM, instead.

    Podell et al. 2023, arXiv 2307.01952, section 2.1.
    """

    def __init__(self, configs: Sequence[Mapping[str, Any]], *, attention: Attention) -> None:
        super().__init__()
        self.is_glm = configs[0].get("model_type") == CHATGLM
        self.models = nn.ModuleList(
            chatglm(config) if self.is_glm else clip_text(config, attention=attention) for config in configs
        )
        # A single one with a projection is that of SDXL's refiner, which reads it as SDXL does.
        self.is_plain = len(configs) == 1 and "projection_dim" not in configs[0]

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens ``[batch, text]`` to context ``[batch, text, width]`` and the pooled ``[batch, width]``, ``None`` of one model."""
        if self.is_glm:
            # Kolors: hidden states are [text, batch, width] there, and the last token of the last layer is the pooled text.
            states = self.models[0](input_ids=tokens, use_cache=False, output_hidden_states=True).hidden_states
            return states[-2].transpose(0, 1), states[-1][-1]
        if self.is_plain:
            return self.models[0](input_ids=tokens).last_hidden_state, None
        outputs = [model(input_ids=tokens, output_hidden_states=True) for model in self.models]
        # [batch, text, width 1 + width 2]; only the second model has a projection, which gives the pooled text.
        return torch.cat([output.hidden_states[-2] for output in outputs], dim=-1), outputs[-1].text_embeds


class LatentEncoder(nn.Module):
    """The auto-encoder's way in: images in [-1, 1] to a draw from their posterior, scaled to about unit variance."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.encoder, self.quant_conv = autoencoder.encoder, autoencoder.quant_conv
        self.scaling_factor = autoencoder.config.scaling_factor

    def forward(self, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        mean, log_variance = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        deviation = torch.exp(0.5 * log_variance.clamp(-30.0, 20.0))
        latents: torch.Tensor = (mean + deviation * noise) * self.scaling_factor
        return latents


class LatentDecoder(nn.Module):
    """The auto-encoder's way back: latents to images in [0, 1]."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.decoder, self.post_quant_conv = autoencoder.decoder, autoencoder.post_quant_conv
        self.scaling_factor = autoencoder.config.scaling_factor

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.decoder(self.post_quant_conv(latents / self.scaling_factor))
        return (images / 2 + 0.5).clamp(0, 1)


class Autoencoder(nn.Module):
    """diffusers' ``AutoencoderKL`` as its two halves, which are executed apart."""

    def __init__(self, config: Mapping[str, Any], *, attention: Attention) -> None:
        super().__init__()
        autoencoder = diffusers_model(AutoencoderKL, config)
        _choose_attention(autoencoder, attention=attention)
        self.encoder, self.decoder = LatentEncoder(autoencoder), LatentDecoder(autoencoder)


class UNet(nn.Module):
    """The denoiser: predicts the noise in latents at timestep ``t`` given the text.

    Models conditioned on size (SDXL) also take the pooled text and ``time_ids`` (batch, 6): original size, crop, target size.
    """

    def __init__(self, config: Mapping[str, Any], *, attention: Attention) -> None:
        super().__init__()
        self.model = diffusers_model(UNet2DConditionModel, config)
        _choose_attention(self.model, attention=attention)

    def forward(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        pooled: torch.Tensor | None = None,
        time_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        missing = self.model.config.in_channels - latents.shape[1]
        if missing:
            # Inpainting: a mask and the masked image's latents.
            shape = (latents.shape[0], missing, *latents.shape[2:])
            latents = torch.cat([latents, latents.new_zeros(shape)], dim=1)
        # diffusers looks for these keys only in models that are conditioned on sizes.
        added = None if pooled is None else {"text_embeds": pooled, "time_ids": time_ids}
        predicted: torch.Tensor = self.model(
            latents, timestep, encoder_hidden_states=context, added_cond_kwargs=added, return_dict=False
        )[0]
        return predicted


class DdimSampler:
    """DDIM (Song et al. 2020, arXiv 2010.02502), deterministic: a step depends on its index only and never waits for the device."""

    def __init__(self, *, num_inference_steps: int, prediction: str) -> None:
        # As in the model repositories: the last step ends at timestep 0's alpha, and timesteps are shifted by one.
        self.scheduler = DDIMScheduler(**{**_NOISE, "prediction_type": prediction}, set_alpha_to_one=False, steps_offset=1)
        self.scheduler.set_timesteps(num_inference_steps)
        # Plain integers: indexing with a tensor on the device would make the host wait at each step.
        self.timesteps = [int(moment) for moment in self.scheduler.timesteps]

    def moments(self, *, batch: int, device: torch.device) -> torch.Tensor:
        """One timestep for the whole batch: the UNet spreads it itself."""
        return torch.tensor(self.timesteps, device=device)

    def step(self, predicted: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        """diffusers' own update."""
        after: torch.Tensor = self.scheduler.step(predicted, self.timesteps[index], latents, return_dict=False)[0]
        return after


class DiscreteProcess:
    """A thousand noise levels (Ho et al. 2020, arXiv 2006.11239, eq. 4): the network learns the noise, or the velocity (SD 2.1)."""

    def __init__(self, *, prediction: str = "epsilon") -> None:
        self._prediction = prediction
        self._schedule = DDPMScheduler(**_NOISE)

    def sampler(self, *, num_inference_steps: int) -> DdimSampler:
        """Return the way from noise to data in this number of steps."""
        return DdimSampler(num_inference_steps=num_inference_steps, prediction=self._prediction)

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return latents at each sample's timestep, and the noise or the velocity that the network is to predict."""
        target = noise if self._prediction == "epsilon" else self._schedule.get_velocity(latents, noise, levels)
        return self._schedule.add_noise(latents, noise, levels), target

    def timesteps(self, levels: torch.Tensor) -> torch.Tensor:
        """Return the levels: they are timesteps."""
        return levels


def _choose_attention(model: Any, *, attention: Attention) -> None:
    """diffusers' plain processor for ``eager``, its scaled-dot-product one otherwise."""
    model.set_attn_processor(AttnProcessor() if attention == "eager" else AttnProcessor2_0())

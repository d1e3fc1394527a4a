"""Samplers as plain lists of numbers, so that a step depends on its index only and never waits for the device.

Flow matching (Lipman et al. 2022, arXiv 2210.02747; Esser et al. 2024, arXiv 2403.03206): noise and data are joined by straight
lines ``x_sigma = (1 - sigma) x_0 + sigma noise``; the network learns the velocity ``noise - x_0``, and sampling integrates it from
sigma = 1 to 0 by Euler's method. Sigmas are shifted towards noise for large images::

    sigma' = shift sigma / (1 + (shift - 1) sigma)

The diffusion families (DiT, PixArt, CogVideoX) sample by DDIM (Song et al. 2020, arXiv 2010.02502), whose step is linear, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers import CogVideoXDDIMScheduler, DDIMScheduler

NUM_TRAIN_TIMESTEPS = 1000


class Sampler(Protocol):
    """What a denoising stage needs: the timesteps to show to the network, and what to make of its prediction."""

    def moments(self, *, batch: int, device: torch.device) -> torch.Tensor:
        """What the network is shown at each step, ``[steps, batch]`` or ``[steps]``."""

    def step(self, predicted: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        """The latents after step ``index``."""


class Process(Protocol):
    """How noise is joined to data, so that a network can learn to take it off and a sampler does it step by step."""

    def sampler(self, *, num_inference_steps: int) -> Sampler:
        """Return the way from noise to data in this number of steps."""

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return latents at each sample's noise level, and what the network is to predict of them."""

    def timesteps(self, levels: torch.Tensor) -> torch.Tensor:
        """Return noise levels as the network is shown them."""


@dataclass(frozen=True, kw_only=True)
class ContinuousProcess:
    """Noise levels in [0, 1): a straight line (``velocity``) or a quarter of a circle (``epsilon``, ``v_prediction``)."""

    prediction: str
    shift: float

    def sampler(self, *, num_inference_steps: int) -> Sampler:
        """Return Euler's method for velocities, DDIM otherwise."""
        return make_sampler(self.prediction, num_inference_steps=num_inference_steps, shift=self.shift)

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As the function of this name."""
        return noised(latents, noise, levels, prediction=self.prediction)

    def timesteps(self, levels: torch.Tensor) -> torch.Tensor:
        """Return levels in thousandths."""
        return levels * NUM_TRAIN_TIMESTEPS


class FlowSampler:
    """Euler's method on a velocity; the update is in fp32, as diffusers' scheduler does it."""

    def __init__(self, *, num_inference_steps: int, shift: float) -> None:
        # From 1 down, without 0, where nothing is left to denoise.
        even = [1.0 - index / num_inference_steps for index in range(num_inference_steps)]
        sigmas = [shift * sigma / (1.0 + (shift - 1.0) * sigma) for sigma in even]
        self.timesteps = tuple(NUM_TRAIN_TIMESTEPS * sigma for sigma in sigmas)
        # Negative: sigma falls.
        self._lengths = [after - before for before, after in zip(sigmas, [*sigmas[1:], 0.0], strict=True)]

    def moments(self, *, batch: int, device: torch.device) -> torch.Tensor:
        """The same timestep for each sample."""
        return _for_each(self.timesteps, batch=batch, device=device)

    def step(self, predicted: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        """``x + (sigma_next - sigma) velocity``."""
        # In fp32: a step changes the latents by a few per cent, of which bf16's eight bits would keep little.
        return (latents.float() + self._lengths[index] * predicted).to(latents.dtype)


class DiffusionSampler:
    """DDIM by diffusers' scheduler: ``epsilon`` (DiT, PixArt) or ``v_prediction`` (CogVideoX)."""

    def __init__(self, *, num_inference_steps: int, prediction: str) -> None:
        is_video = prediction == "v_prediction"
        self._scheduler: Any = (
            CogVideoXDDIMScheduler(
                beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type=prediction,
                rescale_betas_zero_snr=True, timestep_spacing="trailing", snr_shift_scale=1.0, clip_sample=False,
            )
            if is_video
            else DDIMScheduler(beta_schedule="linear", prediction_type=prediction, clip_sample=False)
        )  # fmt: skip
        self._scheduler.set_timesteps(num_inference_steps)
        # Plain integers: indexing with a tensor on the device would make the host wait at each step.
        self._moments = [int(moment) for moment in self._scheduler.timesteps]
        self.timesteps = tuple(float(moment) for moment in self._moments)

    def moments(self, *, batch: int, device: torch.device) -> torch.Tensor:
        """The same timestep for each sample."""
        return _for_each(self.timesteps, batch=batch, device=device)

    def step(self, predicted: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        """diffusers' own update."""
        latents_after: torch.Tensor = self._scheduler.step(predicted, self._moments[index], latents, return_dict=False)[0]
        return latents_after.to(latents.dtype)


def _for_each(timesteps: tuple[float, ...], *, batch: int, device: torch.device) -> torch.Tensor:
    return torch.tensor(timesteps, device=device).unsqueeze(1).repeat(1, batch)


def make_sampler(prediction: str, *, num_inference_steps: int, shift: float) -> Sampler:
    """The sampler of networks that predict ``velocity``, ``epsilon`` or ``v_prediction``."""
    if prediction == "velocity":
        return FlowSampler(num_inference_steps=num_inference_steps, shift=shift)
    return DiffusionSampler(num_inference_steps=num_inference_steps, prediction=prediction)


def shift_for(num_tokens: int, *, base_tokens: int = 256, most_tokens: int = 4096, low: float = 0.5, high: float = 1.15) -> float:
    """FLUX's shift by the number of image tokens: ``exp(mu)``, mu linear (github.com/black-forest-labs/flux, sampling.py)."""
    slope = (high - low) / (most_tokens - base_tokens)
    return math.exp(low + slope * (num_tokens - base_tokens))


def noised(
    latents: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor, *, prediction: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents at noise ``levels`` in [0, 1) of each sample, and what the network is to predict of them; both fp32.

    ``velocity``: a straight line and its slope. ``epsilon`` and ``v_prediction``: ``cos(a) x + sin(a) noise`` with
    ``a = levels pi / 2``, and the noise, or the derivative by ``a`` (Salimans & Ho 2022, arXiv 2202.00512, appendix D).
    """
    # [batch] to [batch, 1, 1 ...], to meet latents of any rank.
    levels = levels.float().reshape(-1, *(1,) * (latents.dim() - 1))
    if prediction == "velocity":
        return (1.0 - levels) * latents + levels * noise, noise - latents
    kept, added = torch.cos(levels * (math.pi / 2)), torch.sin(levels * (math.pi / 2))
    target = noise if prediction == "epsilon" else kept * noise - added * latents
    return kept * latents + added * noise, target

"""The step of a diffusion model that is made of a text encoder, a denoiser and an auto-encoder, for images and for videos.

Inference: ``text_encode`` once (where there is text), ``denoise`` for each of the sampler's steps (on twice the batch under
classifier-free guidance), ``vae_decode`` once. Training: the frozen encoders (``encode``), then the denoiser learns what its
sampler needs, noise or velocity, at a random noise level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc_bench.core.pipeline import Modality
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._images import check_images
from aigc_bench.workloads._training import OPTIMIZER_IMPORTS, TrainingStep, adamw, encoded_training, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Program, Setup

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 1e-4
"""Peebles & Xie 2022, arXiv 2212.09748, section 4."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A built model and how its inputs are made.

    ``prompts(batch)`` gives the text encoder's inputs, or the denoiser's conditions where ``text_encoder`` is ``None``;
    ``constants(batch)`` what the denoiser takes besides them. Latents are of ``latent_shape`` where they are noise, and
    ``denoised_shape`` where the denoiser sees them, both without the batch.
    """

    text_encoder: Any
    denoiser: Any
    autoencoder: Any
    prompts: Callable[[int], tuple[torch.Tensor, ...]]
    constants: Callable[[int], tuple[torch.Tensor, ...]]
    pixels_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    denoised_shape: tuple[int, ...]
    prediction: str
    shift: float
    fps: int | None = None
    """Frames of a second where the pixels are a video's."""

    @property
    def modules(self) -> tuple[Any, ...]:
        """Everything that holds parameters."""
        return tuple(part for part in (self.text_encoder, self.denoiser, self.autoencoder) if part is not None)


def denoising_stages(*, is_training: bool, has_text: bool, num_inference_steps: int, items: int) -> tuple[Stage, ...]:
    """The stages of either mode; ``items`` are finished by the last."""
    if is_training:
        return (Stage(name="encode"), *training_stages(items=items))
    text = (Stage(name="text_encode"),) if has_text else ()
    return (*text, Stage(name="denoise", repeats=num_inference_steps), Stage(name="vae_decode", items=items))


def freeze(module: Any, *, dtype: torch.dtype) -> Any:
    """A part that is only executed: in eval mode, in the case's own dtype, without gradients."""
    return module.eval().requires_grad_(False).to(dtype)


def denoising_program(setup: Setup, parts: Parts, *, batch_size: int, num_inference_steps: int, guidance_scale: float) -> Program:
    """The program of either mode."""
    if setup.training:
        return training_program(setup, parts, batch_size=batch_size)
    return sampling_program(
        setup, parts, batch_size=batch_size, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale
    )


def denoising_imports(case: Case, networks: str) -> tuple[str, ...]:
    """Modules with the classes of diffusers and transformers; for training also what torch's optimizers import when first made."""
    models = (f"aigc_bench.nets.{networks}", "aigc_bench.nets.text_encoders", "aigc_bench.nets.flow_matching")
    return (*models, *OPTIMIZER_IMPORTS) if case.mode == "train" else models


def sampling_program(setup: Setup, parts: Parts, *, batch_size: int, num_inference_steps: int, guidance_scale: float) -> Program:
    """Noise and prompts in, pixels out. A ``guidance_scale`` above 1 runs the denoiser on the prompts and on empty ones."""
    import torch

    from aigc_bench.nets.flow_matching import make_sampler

    is_guided = guidance_scale > 1
    batch = batch_size * (2 if is_guided else 1)
    sampler = make_sampler(parts.prediction, num_inference_steps=num_inference_steps, shift=parts.shift)
    moments = torch.tensor(sampler.timesteps, device=setup.device).unsqueeze(1).repeat(1, batch)
    text_encoder: Any = None if parts.text_encoder is None else setup.prepare(parts.text_encoder)
    denoiser, decoder = setup.prepare(parts.denoiser), setup.prepare(parts.autoencoder.decoder)
    constants = parts.constants(batch)
    inputs = [(parts.prompts(batch), setup.normal(batch_size, *parts.denoised_shape)) for _ in range(NUM_INPUT_BATCHES)]
    state: dict[str, Any] = {}

    def begin(step: int) -> None:
        state["conditions"], state["latents"] = inputs[step % NUM_INPUT_BATCHES]

    def text_encode(repeat: int) -> None:
        with torch.inference_mode():
            state["conditions"] = text_encoder(*state["conditions"])

    def denoise(repeat: int) -> None:
        with torch.inference_mode():
            latents = state["latents"]
            doubled = torch.cat([latents, latents]) if is_guided else latents
            predicted = denoiser(doubled, moments[repeat], *state["conditions"], *constants)
            if is_guided:
                unconditional, conditional = predicted.chunk(2)
                predicted = unconditional + guidance_scale * (conditional - unconditional)
            state["latents"] = sampler.step(predicted, repeat, latents)

    def vae_decode(repeat: int) -> None:
        with torch.inference_mode():
            state["pixels"] = decoder(state["latents"])

    def check() -> Mapping[str, float | str | bool | None]:
        return check_images(state["pixels"])

    stages = {"denoise": denoise, "vae_decode": vae_decode}
    if text_encoder is not None:
        stages["text_encode"] = text_encode
    kind: Modality = "image" if parts.fps is None else "video"
    outlet = Outlet(modality=kind, value=lambda: state["pixels"], rate=parts.fps or 0)
    return Program(begin=begin, stages=stages, modules=parts.modules, check=check, outlet=outlet)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """What a training step is given, and what is drawn at random for it."""

    prompts: tuple[torch.Tensor, ...]
    pixels: torch.Tensor
    posterior_noise: torch.Tensor
    noise: torch.Tensor
    levels: torch.Tensor


def _batch(setup: Setup, parts: Parts, *, batch_size: int, dtype: torch.dtype) -> _Batch:
    pixels = setup.images if parts.fps is None else setup.frames
    return _Batch(
        prompts=parts.prompts(batch_size),
        pixels=pixels(batch_size, *parts.pixels_shape, low=-1, dtype=dtype),
        posterior_noise=setup.normal(batch_size, *parts.latent_shape, dtype=dtype),
        noise=setup.normal(batch_size, *parts.denoised_shape),
        levels=setup.uniform(batch_size),
    )


def training_program(setup: Setup, parts: Parts, *, batch_size: int) -> Program:
    """Only the denoiser learns; its mean squared error is against noise or velocity (``nets.flow_matching.noised``)."""
    import torch

    from aigc_bench.nets.flow_matching import NUM_TRAIN_TIMESTEPS, noised

    dtype = next(parts.autoencoder.parameters()).dtype
    text_encoder: Any = None if parts.text_encoder is None else setup.prepare(parts.text_encoder)
    denoiser, encoder = setup.prepare(parts.denoiser), setup.prepare(parts.autoencoder.encoder)
    optimizer = adamw(parts.denoiser, setup=setup, learning_rate=LEARNING_RATE)
    constants = parts.constants(batch_size)
    batches = [_batch(setup, parts, batch_size=batch_size, dtype=dtype) for _ in range(NUM_INPUT_BATCHES)]
    encoded: dict[str, Any] = {}

    def encode(batch: _Batch) -> None:
        encoded["conditions"] = batch.prompts if text_encoder is None else text_encoder(*batch.prompts)
        encoded["latents"] = encoder(batch.pixels, batch.posterior_noise).float()

    def loss(batch: _Batch) -> torch.Tensor:
        noisy, target = noised(encoded["latents"], batch.noise, batch.levels, prediction=parts.prediction)
        predicted = denoiser(noisy, batch.levels * NUM_TRAIN_TIMESTEPS, *_floats(encoded["conditions"]), *constants)
        return torch.nn.functional.mse_loss(predicted.float(), target)

    step = TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer)
    return encoded_training(step, *parts.modules, encode=encode)


def _floats(conditions: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Conditions as the fp32 that a denoiser in training takes; labels stay numbers."""
    return tuple(condition.float() if condition.is_floating_point() else condition for condition in conditions)

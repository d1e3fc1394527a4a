"""The step of a diffusion model that is made of a text encoder, a denoiser and an auto-encoder, for images and for videos.

Inference: ``text_encode`` once (where there is text), ``denoise`` for each of the sampler's steps (on twice the batch under
classifier-free guidance), ``vae_decode`` once. Training: the frozen encoders (``encode``), then the denoiser learns what its
sampler needs, noise or velocity, at a random noise level.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Modality
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._images import check_images
from aigc_bench.workloads._training import OPTIMIZER_IMPORTS, TrainingStep, adamw, encoded_training, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles
    from aigc_bench.nets.flow_matching import Process

    Folders: TypeAlias = Mapping[str, Callable[[ModelFiles], Preset]]

NumSteps = Annotated[int, Field(ge=1, le=1000, description="denoising steps of the sampler (inference)")]
Guidance = Annotated[
    float,
    Field(ge=1, le=100, description="classifier-free guidance (inference); above 1 the denoiser runs twice, 1 is off"),
]

LEARNING_RATE = 1e-4
"""Peebles & Xie 2022, arXiv 2212.09748, section 4."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A built model and how its inputs are made.

    ``prompts(batch)`` gives the text encoder's inputs, or the denoiser's conditions where ``text_encoder`` is ``None``;
    ``constants(batch)`` what the denoiser takes besides them, ``levels(batch)`` random noise levels of training. Latents are of
    ``latent_shape`` where they are noise, and ``denoised_shape`` where the denoiser sees them, both without the batch.
    """

    text_encoder: Any
    denoiser: Any
    autoencoder: Any
    prompts: Callable[[int], tuple[torch.Tensor, ...]]
    constants: Callable[[int], tuple[torch.Tensor, ...]]
    levels: Callable[[int], torch.Tensor]
    pixels_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    denoised_shape: tuple[int, ...]
    process: Process
    learning_rate: float = LEARNING_RATE
    has_fp32_conditions: bool = True
    """Whether a denoiser in training takes its conditions in fp32; a UNet leaves that to autocast."""
    fps: int | None = None
    """Frames of a second where the pixels are a video's."""

    @property
    def modules(self) -> tuple[Any, ...]:
        """Everything that holds parameters."""
        return tuple(part for part in (self.text_encoder, self.denoiser, self.autoencoder) if part is not None)


class DenoisingWorkload(Workload):
    """A family whose models are a text encoder, a denoiser and an auto-encoder. Only the denoiser is trained."""

    networks: ClassVar[tuple[str, ...]]
    """Modules of ``nets`` with its classes."""
    folders: ClassVar[Folders]
    """Class of a diffusers pipeline -> the preset that its folder is."""
    distilled: ClassVar[Mapping[str, str]] = {}
    """Kind of a model without an unconditional pass -> its name."""
    honours_gradient_checkpointing: ClassVar[bool] = True

    @abstractmethod
    def parts(self, case: Case, setup: Setup) -> Parts:
        """Build the models of a valid case, and say how their inputs are made."""

    def num_items(self, case: Case) -> int:
        """Return the items of one step: images, unless the family says otherwise."""
        return case.batch_size

    def has_text(self, case: Case) -> bool:
        """Return whether a prompt is encoded."""
        return True

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Folders of the pipelines in ``folders``."""
        make = self.folders.get(files.architecture or "")
        return None if make is None else make(files)

    def imports(self, case: Case) -> tuple[str, ...]:
        """The model classes of diffusers and transformers; for training also what torch's optimizers import when first made."""
        models = tuple(f"aigc_bench.nets.{name}" for name in self.networks)
        return (*models, *OPTIMIZER_IMPORTS) if case.mode == "train" else models

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for guidance of a distilled model, which has no second pass."""
        super().validate(case)
        name = self.distilled.get(self.preset(case).config.get("kind", ""))
        guidance = self.options(case).guidance_scale
        if name is not None and guidance > 1:
            raise UsageError(
                message(
                    "{workload}/{preset}: guidance_scale = {guidance:g} has no meaning here.",
                    workload=case.workload,
                    preset=case.preset,
                    guidance=guidance,
                ),
                message("{name} is distilled and runs once a step; leave guidance_scale out.", name=name),
            )

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Training: ``encode``, ``forward``, ``backward``, ``optimizer``. Inference: text in, ``denoise`` steps, pixels out."""
        items = self.num_items(case)
        if case.mode == "train":
            return (Stage(name="encode"), *training_stages(items=items))
        text = (Stage(name="text_encode"),) if self.has_text(case) else ()
        steps = self.options(case).num_inference_steps
        return (*text, Stage(name="denoise", repeats=steps), Stage(name="vae_decode", items=items))

    def build(self, case: Case, setup: Setup) -> Program:
        """All parts of the preset, resident as a pipeline or a fine-tuning script holds them."""
        self.validate(case)
        parts, options = self.parts(case, setup), self.options(case)
        if setup.training:
            return training_program(setup, parts, batch_size=case.batch_size)
        sampling = {"num_inference_steps": options.num_inference_steps, "guidance_scale": options.guidance_scale}
        return sampling_program(setup, parts, batch_size=case.batch_size, **sampling)


def sampling_program(setup: Setup, parts: Parts, *, batch_size: int, num_inference_steps: int, guidance_scale: float) -> Program:
    """Noise and prompts in, pixels out. A ``guidance_scale`` above 1 runs the denoiser on the prompts and on empty ones."""
    import torch

    from aigc_bench.nets.components import guide

    is_guided = guidance_scale > 1
    batch = batch_size * (2 if is_guided else 1)
    sampler = parts.process.sampler(num_inference_steps=num_inference_steps)
    # All timesteps beforehand, since a copy from the host in each step would wait for the device.
    moments = sampler.moments(batch=batch, device=setup.device)
    text_encoder: Any = None if parts.text_encoder is None else setup.prepare(parts.text_encoder)
    denoiser, decoder = setup.prepare(parts.denoiser), setup.prepare(parts.autoencoder.decoder)
    decoder_dtype = _dtype(parts.autoencoder)
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
            # The same latents for both halves; the conditions were made for twice the batch.
            doubled = torch.cat([latents, latents]) if is_guided else latents
            predicted = denoiser(doubled, moments[repeat], *state["conditions"], *constants)
            if is_guided:
                predicted = guide(predicted, guidance_scale=guidance_scale)
            # A new tensor: the seeded noise of the inputs stays for the next round.
            state["latents"] = sampler.step(predicted, repeat, latents)

    def vae_decode(repeat: int) -> None:
        with torch.inference_mode():
            state["pixels"] = decoder(state["latents"].to(decoder_dtype))

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
        levels=parts.levels(batch_size),
    )


def training_program(setup: Setup, parts: Parts, *, batch_size: int) -> Program:
    """Only the denoiser learns; its mean squared error is against noise or velocity (``Process.noised``)."""
    import torch

    dtype = _dtype(parts.autoencoder)
    text_encoder: Any = None if parts.text_encoder is None else setup.prepare(parts.text_encoder)
    denoiser, encoder = setup.prepare(parts.denoiser), setup.prepare(parts.autoencoder.encoder)
    optimizer = adamw(parts.denoiser, setup=setup, learning_rate=parts.learning_rate)
    constants = parts.constants(batch_size)
    batches = [_batch(setup, parts, batch_size=batch_size, dtype=dtype) for _ in range(NUM_INPUT_BATCHES)]
    encoded: dict[str, Any] = {}

    def encode(batch: _Batch) -> None:
        encoded["conditions"] = batch.prompts if text_encoder is None else text_encoder(*batch.prompts)
        encoded["latents"] = encoder(batch.pixels, batch.posterior_noise).float()

    def conditions() -> tuple[torch.Tensor, ...]:
        # Not a variable of the loss: fp32 copies would live, and be counted as memory, until the backward pass.
        given: tuple[torch.Tensor, ...] = encoded["conditions"]
        return _floats(given) if parts.has_fp32_conditions else given

    def loss(batch: _Batch) -> torch.Tensor:
        noisy, target = parts.process.noised(encoded["latents"], batch.noise, batch.levels)
        predicted = denoiser(noisy, parts.process.timesteps(batch.levels), *conditions(), *constants)
        return torch.nn.functional.mse_loss(predicted.float(), target)

    step = TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer)
    return encoded_training(step, *parts.modules, encode=encode)


def _dtype(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype


def _floats(conditions: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Conditions as the fp32 that a denoiser in training takes; labels stay numbers."""
    return tuple(condition.float() if condition.is_floating_point() else condition for condition in conditions)

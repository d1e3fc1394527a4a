"""The parts of a pipeline that was adopted by ``_pipeline_table``, built; for images and for videos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.workloads._denoising import Parts
from aigc_bench.workloads._text import prompt_tokens
from aigc_bench.workloads.base import Setup

if TYPE_CHECKING:
    import torch


def is_pipeline(config: Mapping[str, Any]) -> bool:
    """Whether the preset is an adopted pipeline of the table."""
    return bool(config.get("is_pipeline"))


def check_side(config: Mapping[str, Any], *, key: str, found: int) -> None:
    """Raise ``UsageError`` for a side in pixels that is no whole number of tokens."""
    step = config["space_scale"] * config["patch"] if config["space_scale"] < 32 else config["space_scale"]
    if found % step:
        raise UsageError(
            message("{key} = {found}: not a multiple of {step}.", key=key, found=found, step=step),
            message("Use {below} or {above}.", below=max(step, found // step * step), above=found // step * step + step),
        )


def pipeline_parts(
    setup: Setup, *, config: Mapping[str, Any], size: tuple[int, int], num_frames: int | None, is_checkpointed: bool
) -> Parts:
    """Readers, denoiser and auto-encoder for images of ``size`` (height, width) in pixels, or videos of ``num_frames`` of them."""
    from aigc_bench.nets import pipeline_images, pipeline_videos
    from aigc_bench.nets.flow_matching import ContinuousProcess
    from aigc_bench.nets.pipeline_autoencoders import PipelineAutoencoder
    from aigc_bench.nets.pipeline_text import PipelineText

    readers, kind = config["text"]["readers"], config["kind"]
    denoisers = {**pipeline_images.DENOISERS, **pipeline_videos.DENOISERS}
    text_encoder = setup.build_frozen(lambda: PipelineText(readers))
    denoiser: Any = setup.build(lambda: denoisers[kind](config["denoiser"]))
    if is_checkpointed:
        denoiser.model.enable_gradient_checkpointing()
    autoencoder = setup.build_frozen(lambda: PipelineAutoencoder(config["vae_class"], config["vae"], layout=config["layout"]))
    shape = latent_shape(config, size=size, num_frames=num_frames)
    return Parts(
        text_encoder=text_encoder,
        denoiser=denoiser,
        autoencoder=autoencoder,
        prompts=lambda batch: _inputs(setup, readers, batch=batch),
        constants=lambda batch: denoiser.constants(shape=shape, batch=batch),
        levels=setup.uniform,
        pixels_shape=(3, *size) if num_frames is None else (3, num_frames, *size),
        latent_shape=shape,
        denoised_shape=shape,
        process=ContinuousProcess(prediction=config["prediction"], shift=config["shift"]),
        fps=config["fps"],
    )


def latent_shape(config: Mapping[str, Any], *, size: tuple[int, int], num_frames: int | None) -> tuple[int, ...]:
    """Channels, frames (of videos), height and width of the latents; frames first where the network reads them so."""
    space = tuple(side // config["space_scale"] for side in size)
    if num_frames is None:
        return (config["channels"], *space)
    # The first frame stays by itself.
    frames = 1 + (num_frames - 1) // config["time_scale"]
    return (frames, config["channels"], *space) if config["layout"] == "temporal" else (config["channels"], frames, *space)


def _inputs(setup: Setup, readers: Any, *, batch: int) -> tuple[torch.Tensor, ...]:
    """Random prompts, and images as starts."""
    found: list[torch.Tensor] = []
    for reader in readers:
        kind, *shape = reader["input"]
        if kind == "image":
            found.append(setup.images(batch, 3, shape[0], shape[0], low=-1, dtype=setup.dtype))
        else:
            found.extend(prompt_tokens(setup, batch=batch, lengths=((shape[0], shape[1]),)))
    return tuple(found)

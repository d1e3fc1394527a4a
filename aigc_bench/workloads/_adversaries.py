"""What families of a generator and a discriminator share: one pass from latents to images, and the losses of the two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._images import check_images
from aigc_bench.workloads.base import Program, Setup

if TYPE_CHECKING:
    import torch


def generating_program(setup: Setup, module: torch.nn.Module, latents: Sequence[torch.Tensor]) -> Program:
    """Inference: images in [-1, 1] by one pass of the generator over the step's latents."""
    import torch

    generator = setup.prepare(module)
    state: dict[str, torch.Tensor] = {}

    def begin(step: int) -> None:
        state["latents"] = latents[step % len(latents)]

    def generate(repeat: int) -> None:
        with torch.inference_mode():
            state["images"] = generator(state["latents"])

    def check() -> Mapping[str, float | str | bool | None]:
        return check_images(state["images"])

    outlet = Outlet(modality="image", value=lambda: state["images"], low=-1)
    return Program(begin=begin, stages={"generate": generate}, modules=(module,), check=check, outlet=outlet)


def check_losses(state: Mapping[str, torch.Tensor]) -> Mapping[str, float | str | bool | None]:
    """Both losses, and whether both are finite."""
    losses = {name: float(state[name]) for name in ("loss_discriminator", "loss_generator")}
    return {**losses, "finite": all(math.isfinite(loss) for loss in losses.values())}

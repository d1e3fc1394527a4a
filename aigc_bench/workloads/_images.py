"""What the image families say of the images they made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aigc_bench.workloads.base import Setup

if TYPE_CHECKING:
    import torch


def check_images(images: torch.Tensor) -> Mapping[str, float | str | bool | None]:
    """Return whether all values are finite, and their mean, which distinguishes two seeds; ``None`` where they are not finite."""
    import torch

    is_finite = bool(torch.isfinite(images).all())
    return {"finite": is_finite, "mean": float(images.float().mean()) if is_finite else None}


def smooth_images(setup: Setup, *, batch_size: int, resolution: int, cell: int = 8) -> torch.Tensor:
    """Seeded images ``(batch_size, 3, resolution, resolution)`` in [0, 1) that vary over about ``cell`` pixels.

    Neighbouring pixels are alike, as in photographs, so that a network can learn to restore what was taken away.
    """
    import torch

    # [batch, 3, cells, cells]
    coarse = setup.uniform(batch_size, 3, max(2, resolution // cell), max(2, resolution // cell))
    return torch.nn.functional.interpolate(coarse, size=(resolution, resolution), mode="bilinear")

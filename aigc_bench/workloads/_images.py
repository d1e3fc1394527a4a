"""What the image families say of the images they made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def check_images(images: torch.Tensor) -> Mapping[str, float | str | bool | None]:
    """Whether all values are finite, and their mean, which tells two seeds apart; ``None`` where they are not finite."""
    import torch

    is_finite = bool(torch.isfinite(images).all())
    return {"finite": is_finite, "mean": float(images.float().mean()) if is_finite else None}

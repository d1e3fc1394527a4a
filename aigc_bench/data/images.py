"""Images: decode with Pillow, resize the short side, crop, scale to the range of the model."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.data.intake import ImageIntake

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

CROP_SHARE = 0.875
"""Side of the centre crop over the short side: 224 of 256 (Krizhevsky et al. 2012, section 4.1)."""


def decode_image(data: bytes, intake: ImageIntake) -> NDArray[np.float32]:
    """Compressed bytes to pixels. Raises ``OSError`` or ``ValueError`` where they are no whole image.

    JPEGs are decoded at the smallest scale of the DCT that the size asked for allows, as loaders do.
    """
    pixels = np.asarray(_cropped(data, intake), dtype=np.float32)
    pixels = pixels[None] if intake.channels == 1 else pixels.transpose(2, 0, 1)
    pixels = pixels * np.float32(intake.scale / 255) + np.float32(intake.shift)
    return pixels.reshape(-1) if intake.flat else pixels


def _cropped(data: bytes, intake: ImageIntake) -> Image.Image:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        mode = "L" if intake.channels == 1 else "RGB"
        wanted = (round(intake.width / CROP_SHARE), round(intake.height / CROP_SHARE))
        image.draft(mode, wanted)
        width, height = image.size
        scale = max(wanted[0] / width, wanted[1] / height)
        half = (intake.width / scale / 2, intake.height / scale / 2)
        box = (width / 2 - half[0], height / 2 - half[1], width / 2 + half[0], height / 2 + half[1])
        return image.convert(mode).resize((intake.width, intake.height), Image.Resampling.BILINEAR, box=box)


def check_image(data: bytes) -> None:
    """Decode at an eighth of the size: raises where bytes are missing or wrong."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (image.width // 8, image.height // 8))
        image.load()

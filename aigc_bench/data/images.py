"""Images: decode with Pillow, resize the short side, crop, scale to the range of the model."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.data.bad_sample import BadSampleError
from aigc_bench.data.intake import ImageIntake
from aigc_bench.data.limits import MAX_PIXELS, MAX_SCANNED_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

CROP_SHARE = 0.875
"""Side of the centre crop over the short side: 224 of 256 (Krizhevsky et al. 2012, section 4.1)."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""What a file may hold; the suffix of its name is ignored, as collected images are often named wrongly.

Pillow knows forty more, of which EPS starts Ghostscript on the file.
"""


def decode_image(data: bytes, intake: ImageIntake) -> NDArray[np.float32]:
    """Compressed bytes to pixels. Raises where they are no whole image, or one over the limit.

    JPEGs are decoded at the smallest scale of the DCT that covers the requested size, as loaders do.
    """
    pixels = np.asarray(_cropped(data, intake), dtype=np.float32)
    pixels = pixels[None] if intake.channels == 1 else pixels.transpose(2, 0, 1)
    pixels = pixels * np.float32(intake.scale / 255) + np.float32(intake.shift)
    return pixels.reshape(-1) if intake.flat else pixels


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """An image of a known format whose stated size is within the limit; nothing is decoded yet."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise BadSampleError(
            message("no image of a known format ({formats}), or a damaged header", formats=", ".join(FORMATS))
        ) from None
    except Image.DecompressionBombError:
        raise BadSampleError(message("more pixels than the limit of {max_pixels:,}", max_pixels=MAX_PIXELS)) from None
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise BadSampleError(
                message(
                    "{width:,} x {height:,} pixels, over the limit of {max_pixels:,}",
                    width=image.width,
                    height=image.height,
                    max_pixels=MAX_PIXELS,
                )
            )
        if image.format == "JPEG":
            _refuse_many_scans(data, image)
        yield image


def _refuse_many_scans(data: bytes, image: Image.Image) -> None:
    """Each scan begins with ``FF DA``, which coded pixels do not hold; a thumbnail's is counted with them."""
    scans = data.count(b"\xff\xda")
    if scans * image.width * image.height > MAX_SCANNED_PIXELS:
        raise BadSampleError(
            message(
                "{scans:,} scans of {width:,} x {height:,} pixels, over {max_scanned_pixels:,} in all",
                scans=scans,
                width=image.width,
                height=image.height,
                max_scanned_pixels=MAX_SCANNED_PIXELS,
            )
        )


def _cropped(data: bytes, intake: ImageIntake) -> Image.Image:
    from PIL import Image

    with _opened(data) as image:
        mode = "L" if intake.channels == 1 else "RGB"
        wanted = (round(intake.width / CROP_SHARE), round(intake.height / CROP_SHARE))
        # A JPEG is then decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is large enough; other formats ignore it.
        image.draft(mode, wanted)
        width, height = image.size
        scale = max(wanted[0] / width, wanted[1] / height)
        half = (intake.width / scale / 2, intake.height / scale / 2)
        box = (width / 2 - half[0], height / 2 - half[1], width / 2 + half[0], height / 2 + half[1])
        # Crop and resize in one pass: the box is in fractions of pixels.
        return image.convert(mode).resize((intake.width, intake.height), Image.Resampling.BILINEAR, box=box)


def check_image(data: bytes) -> None:
    """Decode at an eighth of the size: raises where bytes are missing or wrong."""
    with _opened(data) as image:
        image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
        image.convert("RGB")

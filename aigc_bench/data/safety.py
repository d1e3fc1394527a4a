"""A safety filter of the kind that runs on every product: listed words in text, listed perceptual hashes in images and frames.

Matching against lists is the cheap half of what services do; a classifier is a model, and is measured as one. The lists here are
drawn at random, as long as real ones: the time is that of a product which passes.
"""

from __future__ import annotations

import functools
import random
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_WORDS, NUM_HASHES = 1_000, 100_000
MAX_DISTANCE = 4
"""Differing bits of two 64-bit hashes that still count as the same picture."""
# Eight of these in a row make no word, so that no product is held back by chance.
_DRAWN_FROM = "qxzjvkw"


def is_safe_text(text: str) -> bool:
    """Whether no listed word is in the text."""
    return _pattern().search(text) is None


def is_safe_image(pixels: NDArray[np.uint8]) -> bool:
    """Whether no listed picture is near this one, ``[height, width, 3]``."""
    distance = np.bitwise_count(_listed() ^ difference_hash(pixels))
    return bool(distance.min() > MAX_DISTANCE)


def difference_hash(pixels: NDArray[np.uint8]) -> np.uint64:
    """Sixty-four bits: is a cell of a 9 x 8 grid brighter than its left neighbour (Krawetz 2013, dHash)?"""
    from PIL import Image

    small = np.asarray(Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (small[:, 1:] > small[:, :-1]).reshape(-1)
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


@functools.cache
def _pattern() -> re.Pattern[str]:
    draw = random.Random(0)
    words = {"".join(draw.choice(_DRAWN_FROM) for _ in range(8)) for _ in range(NUM_WORDS)}
    return re.compile(r"\b(?:" + "|".join(sorted(words)) + r")\b", re.IGNORECASE)


@functools.cache
def _listed() -> NDArray[np.uint64]:
    return np.random.default_rng(0).integers(0, 1 << 64, NUM_HASHES, dtype=np.uint64)

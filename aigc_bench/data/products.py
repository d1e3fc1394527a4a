"""From a model's product to what is sent: filtered, given its provenance, encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_bench.core.pipeline import Modality
from aigc_bench.data.encoding import encode_audio, encode_image, encode_video
from aigc_bench.data.provenance import manifest
from aigc_bench.data.safety import is_safe_image, is_safe_text
from aigc_bench.data.text import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAMES_BETWEEN_LOOKS = 8
"""The filter looks at each this many frames of a video."""


def finish(
    modality: Modality, values: NDArray[Any], *, rate: int = 0, tokenizer: Tokenizer | None = None
) -> Iterator[bytes | None]:
    """One file for each product of a batch; ``None`` where the filter holds it back.

    text: ids ``[batch, length]``; image: uint8 ``[batch, height, width, 3]``; audio: fp32 ``[batch, samples]``; video: uint8
    ``[batch, frames, height, width, 3]``.
    """
    for value in values:
        yield _finish_one(modality, value, rate=rate, tokenizer=tokenizer)


def _finish_one(modality: Modality, value: NDArray[Any], *, rate: int, tokenizer: Tokenizer | None) -> bytes | None:
    if modality == "text":
        assert tokenizer is not None, "text is made by a tokenizer"
        text = tokenizer.decode(value.tolist())
        content = text.encode()
        return content + manifest(content, title="text").encode() if is_safe_text(text) else None
    content = np.ascontiguousarray(value).tobytes()
    if modality == "audio":
        return encode_audio(value.clip(-1, 1), rate=rate, note=manifest(content, title="audio"))
    looked_at = value[None] if modality == "image" else value[::FRAMES_BETWEEN_LOOKS]
    if not all(is_safe_image(picture) for picture in looked_at):
        return None
    note = manifest(content, title=modality)
    return encode_image(value, suffix=".png", note=note) if modality == "image" else encode_video(value, fps=rate, note=note)

"""Video: decode with FFmpeg through PyAV, resize, as many frames as are asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.data.intake import VideoIntake

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode_video(data: bytes, intake: VideoIntake) -> NDArray[np.float32]:
    """The first frames of a clip, the last one repeated where it is shorter. Raises ``ValueError`` or ``OSError`` (PyAV)."""
    import av

    frames: list[NDArray[np.uint8]] = []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            frames.append(frame.to_ndarray(format="rgb24", width=intake.width, height=intake.height))
            if len(frames) == intake.num_frames:
                break
    if not frames:
        raise ValueError("no frames in it")
    frames += frames[-1:] * (intake.num_frames - len(frames))
    pixels = np.stack(frames).astype(np.float32).transpose(3, 0, 1, 2)
    return pixels * np.float32(intake.scale / 255) + np.float32(intake.shift)

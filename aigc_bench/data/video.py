"""Video: decode the requested number of frames with FFmpeg through PyAV, and resize them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.data.bad_sample import BadSampleError, reason_of
from aigc_bench.data.intake import VideoIntake
from aigc_bench.data.limits import MAX_PIXELS

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from numpy.typing import NDArray

_MATROSKA = b"\x1a\x45\xdf\xa3"
"""Where Matroska and WebM begin (RFC 8794, section 11.2.1). What does not is read as MP4, and as nothing else: FFmpeg would
take a playlist for one and open the files and addresses that it names."""


def decode_video(data: bytes, intake: VideoIntake) -> NDArray[np.float32]:
    """The first frames of a clip, the last one repeated where it is shorter. Raises where it is none, or one over the limit."""
    frames: list[NDArray[np.uint8]] = []
    with _frames(data) as decoded:
        for frame in decoded:
            frames.append(frame.to_ndarray(format="rgb24", width=intake.width, height=intake.height))
            if len(frames) == intake.num_frames:
                break
    if not frames:
        raise BadSampleError(message("no frames in it"))
    frames += frames[-1:] * (intake.num_frames - len(frames))
    # [frames, height, width, 3] to [3, frames, height, width]
    pixels = np.stack(frames).astype(np.float32).transpose(3, 0, 1, 2)
    return pixels * np.float32(intake.scale / 255) + np.float32(intake.shift)


def check_video(data: bytes) -> None:
    """Decode the first frame: raises where there is none."""
    with _frames(data) as decoded:
        if next(decoded, None) is None:
            raise BadSampleError(message("no frames in it"))


@contextlib.contextmanager
def _frames(data: bytes) -> Iterator[Iterator[VideoFrame]]:
    """The frames of the first video stream. Nothing but ``data`` is opened, and no frame over the limit is decoded."""
    import av

    limit = {"max_pixels": str(MAX_PIXELS)}
    kind = "matroska" if data.startswith(_MATROSKA) else "mov"
    try:
        with av.open(
            io.BytesIO(data), format=kind, io_open=_refuse, metadata_errors="replace", stream_options=[limit]
        ) as container:
            yield _decoded(container, limit)
    except av.error.ArgumentError:  # how FFmpeg refuses a size over max_pixels
        raise BadSampleError(
            message("frames over the limit of {max_pixels:,} pixels, or damaged ones", max_pixels=MAX_PIXELS)
        ) from None
    except av.FFmpegError as problem:
        raise BadSampleError(
            message("no clip of a known format (MP4, MKV, WEBM), or damaged: {reason}", reason=reason_of(problem))
        ) from None


def _decoded(container: InputContainer, limit: dict[str, str]) -> Iterator[VideoFrame]:
    if not container.streams.video:
        raise BadSampleError(message("no video stream in it"))
    codec = container.streams.video[0].codec_context
    if codec is None:
        raise BadSampleError(message("a codec that this FFmpeg does not know"))
    codec.options = limit  # a stream may grow on its way
    return iter(container.decode(video=0))


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise BadSampleError(message("a clip that refers to another file"))

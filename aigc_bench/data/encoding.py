"""Products to files, in memory: PNG, JPEG and WebP with Pillow, WAV and FLAC with libsndfile, MP4 with FFmpeg through PyAV."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# zlib's default.
PNG_LEVEL = 6
_IMAGE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


def encode_image(pixels: NDArray[np.uint8], *, suffix: str, quality: int = 90, note: str | None = None) -> bytes:
    """An image ``[height, width, 3]``; ``note`` goes into its metadata (PNG ``iTXt``, JPEG comment, WebP XMP)."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    buffer, keys = io.BytesIO(), dict[str, Any]()
    kind = _IMAGE_FORMATS[suffix]
    if kind == "PNG":
        keys = {"compress_level": PNG_LEVEL}
        if note is not None:
            keys["pnginfo"] = PngInfo()
            keys["pnginfo"].add_itxt("provenance", note)
    else:
        keys = {"quality": quality}
        if note is not None:
            keys["comment" if kind == "JPEG" else "xmp"] = note.encode()
    Image.fromarray(pixels).save(buffer, kind, **keys)
    return buffer.getvalue()


def encode_audio(wave: NDArray[np.float32], *, rate: int, suffix: str = ".wav", note: str | None = None) -> bytes:
    """A waveform ``[samples]`` in [-1, 1] as 16-bit samples; ``note`` becomes the file's comment."""
    import soundfile

    buffer = io.BytesIO()
    kind = suffix.removeprefix(".").upper()
    with soundfile.SoundFile(buffer, "w", samplerate=rate, channels=1, format=kind, subtype="PCM_16") as file:
        if note is not None:
            file.comment = note
        file.write(wave)
    return buffer.getvalue()


def encode_video(frames: NDArray[np.uint8], *, fps: int, note: str | None = None) -> bytes:
    """Frames ``[num_frames, height, width, 3]`` as H.264 in MP4; odd sizes lose their last row or column, as 4:2:0 requires."""
    import av

    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    buffer = io.BytesIO()
    notes: Mapping[str, str] = {} if note is None else {"comment": note}
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata.update(notes)
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # The defaults of libx264, stated because builds of FFmpeg may change them.
        stream.options = {"preset": "medium", "crf": "23"}
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        # The frames that the encoder still holds back.
        container.mux(stream.encode())
    return buffer.getvalue()

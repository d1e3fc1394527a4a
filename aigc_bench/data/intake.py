"""What a family wants of one sample: the shape and the numbers that a decoder must deliver. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.core.pipeline import Modality


@dataclass(frozen=True, kw_only=True)
class TextIntake:
    """Token ids ``[length]``, int64, in ``[low, vocab_size)``; ``closing`` is put last."""

    modality: ClassVar[Modality] = "text"
    length: int
    vocab_size: int
    low: int = 0
    closing: int | None = None


@dataclass(frozen=True, kw_only=True)
class ImageIntake:
    """Pixels ``[channels, height, width]``, fp32, mapped from [0, 1] to ``x * scale + shift``; one channel is luma.

    ``flat`` gives them as ``[channels * height * width]``.
    """

    modality: ClassVar[Modality] = "image"
    height: int
    width: int
    channels: int = 3
    scale: float = 1.0
    shift: float = 0.0
    flat: bool = False


@dataclass(frozen=True, kw_only=True)
class AudioIntake:
    """A waveform ``[num_samples]`` in [-1, 1], fp32, or its log-mel frames of zero mean and unit variance.

    With ``num_mels``: ``[num_mels, num_frames]`` at ``hop`` samples a frame, ``[num_frames, num_mels]`` if ``frames_first``.
    """

    modality: ClassVar[Modality] = "audio"
    sampling_rate: int
    num_samples: int
    num_mels: int | None = None
    num_frames: int = 0
    hop: int = 160
    frames_first: bool = False


@dataclass(frozen=True, kw_only=True)
class VideoIntake:
    """Frames ``[3, num_frames, height, width]``, fp32, mapped from [0, 1] to ``x * scale + shift``."""

    modality: ClassVar[Modality] = "video"
    num_frames: int
    height: int
    width: int
    scale: float = 1.0
    shift: float = 0.0


Intake = TextIntake | ImageIntake | AudioIntake | VideoIntake

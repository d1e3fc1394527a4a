"""Data of realistic statistics, written to disk once, so that decoders, tokenizers and disks do real work without a data set.

    text    words by Zipf's law (exponent 1) in sentences and paragraphs                 BookCorpus: 985 M words, about 5 GB
    image   1/f amplitude spectrum (Field 1987), JPEG of about 0.6 bytes a pixel          ImageNet: 110 kB at about 469 x 387
    audio   voiced and unvoiced syllables with formants and pauses, 16 kHz FLAC           LibriSpeech: 60 GB of 960 h
    video   a slow pan over such an image, H.264

Everything is a function of the seed and the number.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.pipeline import Modality
from aigc_bench.data.file_cache import cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
"""Raised with every change of what is written: it is part of the folder's name."""

NUM_FILES: Mapping[Modality, int] = {"text": 8, "image": 128, "audio": 48, "video": 4}
TEXT_FILE_BYTES = 512 << 10
IMAGE_SIZE = (387, 469)
JPEG_QUALITY = 90
AUDIO_RATE = 16_000
AUDIO_S = (4.0, 16.0)
VIDEO_FRAMES, VIDEO_FPS, VIDEO_SIZE = 64, 16, (256, 256)
_VOCABULARY = 30_000
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"


def generated_folder(modality: Modality) -> Path:
    """The folder of that modality's generated files, written now if it is not there yet."""
    folder = cache_folder() / f"generated-{VERSION}" / modality
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        write_files(modality, Path(draft) / modality, count=NUM_FILES[modality])
        try:
            # One rename, so that a run which starts meanwhile sees a whole folder or none.
            (Path(draft) / modality).rename(folder)
        except OSError:
            # Another process was first, with the same files.
            if not folder.is_dir():
                raise
    return folder


def write_files(modality: Modality, folder: Path, *, count: int, seed: int = 0, suffix: str | None = None) -> int:
    """Write ``count`` files in the layout of the known data sets; returns their bytes. ``suffix`` picks another format."""
    make, default = _MAKERS[modality]
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for number, (place, data) in zip(range(count), make(seed, suffix or default), strict=False):
        file = folder / place.format(number=number)
        file.parent.mkdir(parents=True, exist_ok=True)
        total += file.write_bytes(data)
    return total


Maker = Callable[[int, str], Iterator[tuple[str, bytes]]]


def _texts(seed: int, suffix: str) -> Iterator[tuple[str, bytes]]:
    draw = np.random.default_rng(seed)
    words = np.array(list(_words(_VOCABULARY)))
    shares = 1 / np.arange(1, _VOCABULARY + 1)
    shares /= shares.sum()
    while True:
        num_words = TEXT_FILE_BYTES // 4
        chosen = words[draw.choice(_VOCABULARY, size=num_words, p=shares)]
        yield "book-{number:05d}" + suffix, _as_prose(chosen, draw)[:TEXT_FILE_BYTES]


def _words(count: int) -> Iterator[str]:
    """Distinct words, the short ones first, as frequent words are short (Zipf 1935)."""
    draw = random.Random(0)
    seen: set[str] = set()
    while len(seen) < count:
        length = 1 + min(4, len(seen) * 5 // count)
        word = "".join(draw.choice(_CONSONANTS) + draw.choice(_VOWELS) for _ in range(length))
        word = word if draw.random() < 0.6 else word + draw.choice(_CONSONANTS)
        word = word if word not in seen else word + draw.choice(_CONSONANTS) + draw.choice(_VOWELS)
        if word not in seen:
            seen.add(word)
            yield word


def _as_prose(words: NDArray[np.str_], draw: np.random.Generator) -> bytes:
    """Sentences of 5 to 29 words, paragraphs of 3 to 8 sentences."""
    lines: list[str] = []
    at = 0
    while at < len(words):
        sentences = []
        for _ in range(int(draw.integers(3, 9))):
            length = int(draw.integers(5, 30))
            part = words[at : at + length]
            at += length
            if len(part):
                sentences.append(" ".join(part).capitalize() + ("." if draw.random() < 0.85 else "?"))
        lines.append(" ".join(sentences))
    return "\n".join(lines).encode()


def pink_images(seed: int, *, size: tuple[int, int] = IMAGE_SIZE) -> Iterator[NDArray[np.uint8]]:
    """Colour images ``[height, width, 3]`` whose amplitude falls as 1/f, with correlated channels and a little sensor noise."""
    draw = np.random.default_rng(seed)
    side = 1024
    fields = [_pink_field(draw, side) for _ in range(6)]
    height, width = size
    while True:
        top, left = draw.integers(0, side - height), draw.integers(0, side - width)
        first, second, third = (
            np.roll(fields[index], tuple(draw.integers(0, side, 2)), axis=(0, 1))[top : top + height, left : left + width]
            for index in draw.choice(len(fields), 3, replace=False)
        )
        tints = draw.uniform(-0.4, 0.4, (2, 3))
        image = first[..., None] + tints[0] * second[..., None] + tints[1] * third[..., None]
        image = 118 + 52 * image + draw.normal(0, 5, image.shape)
        yield image.clip(0, 255).astype(np.uint8)


def _pink_field(draw: np.random.Generator, side: int) -> NDArray[np.float32]:
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    # No constant part: the mean is set afterwards.
    frequency[0, 0] = np.inf
    spectrum = np.exp(2j * np.pi * draw.random(frequency.shape)) / frequency
    field = np.fft.irfft2(spectrum, (side, side))
    made: NDArray[np.float32] = ((field - field.mean()) / field.std()).astype(np.float32)
    return made


def _images(seed: int, suffix: str) -> Iterator[tuple[str, bytes]]:
    from aigc_bench.data.encoding import encode_image

    for number, pixels in enumerate(pink_images(seed)):
        yield f"class-{number % 10:03d}/image-{{number:05d}}{suffix}", encode_image(pixels, suffix=suffix, quality=JPEG_QUALITY)


def speech(seed: int, *, rate: int = AUDIO_RATE) -> Iterator[NDArray[np.float32]]:
    """Waveforms of 4 to 16 s: syllables of a harmonic source or noise through formants, with pauses between phrases."""
    from scipy.signal import lfilter

    draw = np.random.default_rng(seed)
    while True:
        parts: list[NDArray[np.float64]] = []
        wanted, pitch = int(draw.uniform(*AUDIO_S) * rate), draw.uniform(90, 220)
        while sum(map(len, parts)) < wanted:
            length = int(draw.uniform(0.08, 0.3) * rate)
            if draw.random() < 0.12:
                parts.append(np.zeros(2 * length))
                continue
            times = np.arange(length) / rate
            glide = pitch * (1 + draw.normal(0, 0.08) * times / times[-1])
            phase = np.cumsum(glide) / rate % 1
            # A sawtooth for three syllables of four; the others are noise alone, as unvoiced sounds are.
            source = (2 * phase - 1) * (draw.random() < 0.75) + draw.normal(0, 0.08, length)
            for formant in (draw.uniform(300, 800), draw.uniform(900, 2200), draw.uniform(2300, 3200)):
                # A resonance of 90 Hz bandwidth: two poles at radius exp(-pi B / rate).
                radius = np.exp(-np.pi * 90 / rate)
                source = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * formant / rate), radius**2], source)
            parts.append(source / (np.abs(source).max() + 1e-9) * np.hanning(length) * draw.uniform(0.2, 0.9))
        wave = np.concatenate(parts)[:wanted] + draw.normal(0, 4e-4, wanted)
        yield wave.clip(-1, 1).astype(np.float32)


def _speeches(seed: int, suffix: str) -> Iterator[tuple[str, bytes]]:
    from aigc_bench.data.encoding import encode_audio

    for number, wave in enumerate(speech(seed)):
        yield (
            f"{84 + number % 8}/{number // 8:06d}/speech-{{number:05d}}{suffix}",
            encode_audio(wave, rate=AUDIO_RATE, suffix=suffix),
        )


def _videos(seed: int, suffix: str) -> Iterator[tuple[str, bytes]]:
    from aigc_bench.data.encoding import encode_video

    height, width = VIDEO_SIZE
    for still in pink_images(seed, size=(height + VIDEO_FRAMES, width + VIDEO_FRAMES)):
        # Down and to the right by a pixel a frame.
        frames = np.stack([still[at : at + height, at : at + width] for at in range(VIDEO_FRAMES)])
        yield "clip-{number:05d}" + suffix, encode_video(frames, fps=VIDEO_FPS)


_MAKERS: Mapping[Modality, tuple[Maker, str]] = {
    "text": (_texts, ".txt"),
    "image": (_images, ".jpg"),
    "audio": (_speeches, ".flac"),
    "video": (_videos, ".mp4"),
}

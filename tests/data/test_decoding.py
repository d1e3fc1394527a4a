"""Samples in, products out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aigc_bench.data.audio import decode_audio
from aigc_bench.data.encoding import encode_audio, encode_image, encode_video
from aigc_bench.data.files import find_files
from aigc_bench.data.generated import pink_images, speech, write_files
from aigc_bench.data.images import decode_image
from aigc_bench.data.intake import AudioIntake, ImageIntake, TextIntake, VideoIntake
from aigc_bench.data.products import finish
from aigc_bench.data.provenance import is_genuine, manifest
from aigc_bench.data.reading import read_bytes
from aigc_bench.data.safety import _listed, difference_hash, is_safe_image, is_safe_text
from aigc_bench.data.text import documents, token_samples
from aigc_bench.data.tokenizer import Letters, trained
from aigc_bench.data.video import decode_video


def picture() -> np.ndarray:
    return next(pink_images(3))


@given(st.integers(16, 300), st.integers(16, 300), st.sampled_from([1, 3]))
@settings(max_examples=15, deadline=None)
def test_any_size_is_cut_out_of_an_image(height: int, width: int, channels: int) -> None:
    data = encode_image(picture(), suffix=".jpg")
    pixels = decode_image(data, ImageIntake(height=height, width=width, channels=channels, scale=2, shift=-1))
    assert pixels.shape == (channels, height, width)
    assert pixels.dtype == np.float32
    assert -1 <= pixels.min() < pixels.max() <= 1


def test_generated_images_weigh_what_photographs_do_and_fall_as_one_over_f() -> None:
    image = picture()
    bytes_per_pixel = len(encode_image(image, suffix=".jpg")) / (image.shape[0] * image.shape[1])
    assert 0.4 < bytes_per_pixel < 0.9  # ImageNet: 110 kB at 469 x 387 are 0.6
    square = image[:384, :384, 0].astype(float)
    window = np.outer(np.hanning(384), np.hanning(384))
    spectrum = np.abs(np.fft.fft2((square - square.mean()) * window))
    radius = np.hypot(np.fft.fftfreq(384)[:, None], np.fft.fftfreq(384)[None]) * 384
    rings = np.arange(4, 40)
    amplitude = [spectrum[(radius >= ring) & (radius < ring + 1)].mean() for ring in rings]
    assert np.polyfit(np.log(rings), np.log(amplitude), 1)[0] == pytest.approx(-1, abs=0.25)


def test_generated_words_follow_zipf(small_data: Path) -> None:
    from collections import Counter

    words = Counter((small_data / "text" / "book-00000.txt").read_text().lower().replace(".", "").replace("?", "").split())
    counts = np.array([count for _, count in words.most_common(300)])
    slope = np.polyfit(np.log(np.arange(3, 301)), np.log(counts[2:]), 1)[0]
    assert -1.2 < slope < -0.8


def test_what_is_generated_depends_on_the_seed_alone(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_files("audio", tmp_path / name, count=1, seed=seed)
    data = [next((tmp_path / name).rglob("*.flac")).read_bytes() for name in "abc"]
    assert data[0] == data[1] != data[2]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
def test_audio_keeps_its_pitch_when_it_is_resampled(rate: int) -> None:
    wave = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
    made = decode_audio(encode_audio(wave, rate=16_000), AudioIntake(sampling_rate=rate, num_samples=rate))
    assert made.shape == (rate,)
    assert abs(int(np.abs(np.fft.rfft(made)).argmax()) - 440) <= 1


def test_log_mels_are_normalised_and_padded_to_the_window() -> None:
    intake = AudioIntake(sampling_rate=16_000, num_samples=480_000, num_mels=80, num_frames=3000)
    data = encode_audio(next(speech(0)), rate=16_000, suffix=".flac")
    mels = decode_audio(data, intake)
    assert mels.shape == (80, 3000)
    assert abs(float(mels.mean())) < 1e-3
    assert float(mels.std()) == pytest.approx(1, abs=1e-3)


def test_a_recording_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        decode_audio(encode_audio(np.zeros(0, np.float32), rate=16_000), AudioIntake(sampling_rate=16_000, num_samples=10))


def test_a_short_clip_repeats_its_last_frame(small_data: Path) -> None:
    data = next((small_data / "video").glob("*.mp4")).read_bytes()
    frames = decode_video(data, VideoIntake(num_frames=70, height=32, width=48))
    assert frames.shape == (3, 70, 32, 48)
    assert (frames[:, -1] == frames[:, 64]).all()
    assert not (frames[:, 0] == frames[:, 40]).all()


def test_tokens_are_packed_without_padding_and_read_back(small_data: Path) -> None:
    files = find_files(small_data)
    tokenizer = trained(files.units["text"], vocab_size=2000, sha256=files.sha256)
    intake = TextIntake(length=64, vocab_size=2000)
    text = next(documents(files.units["text"][0], is_cold=False, skips=[]))
    samples = list(token_samples(iter([text]), tokenizer, intake))
    assert {sample.shape for sample in samples} == {(64,)}
    assert max(int(sample.max()) for sample in samples) < 2000
    assert text.startswith("".join(tokenizer.decode(sample.tolist()) for sample in samples[:3]))


def test_a_small_vocabulary_is_letters_and_a_closing_token_is_last(small_data: Path) -> None:
    files = find_files(small_data)
    tokenizer = trained(files.units["text"], vocab_size=30, sha256=files.sha256)
    assert isinstance(tokenizer, Letters)
    intake = TextIntake(length=10, vocab_size=33, low=3, closing=40)
    sample = next(token_samples(iter(["hello there, world"]), tokenizer, intake))
    assert sample[-1] == 40
    assert sample[:-1].min() >= 3


def test_products_carry_a_manifest_that_speaks_of_them() -> None:
    pixels = picture()[:64, :64].copy()
    (data,) = finish("image", pixels[None])
    with Image.open(io.BytesIO(data or b"")) as image:
        assert (np.asarray(image) == pixels).all()
        note = image.text["provenance"]  # type: ignore[attr-defined]
    assert is_genuine(note, pixels.tobytes())
    assert not is_genuine(note, pixels[::-1].tobytes())
    assert not is_genuine(note.replace("aigc-bench", "somebody"), pixels.tobytes())
    assert not is_genuine(manifest(pixels.tobytes(), title="image", key=b"other"), pixels.tobytes())
    assert not is_genuine("{}", b"")


def test_sound_and_film_are_files_that_others_can_read() -> None:
    wave = next(speech(1))[:16_000]
    (sound,) = finish("audio", wave[None], rate=16_000)
    samples, rate = soundfile.read(io.BytesIO(sound or b""), dtype="float32")
    assert rate == 16_000
    assert np.abs(samples - wave).max() < 1e-3
    frames = np.stack([picture()[at : at + 33, :48] for at in range(9)])
    film = encode_video(frames, fps=8)
    assert decode_video(film, VideoIntake(num_frames=9, height=32, width=48)).shape == (3, 9, 32, 48)


def test_the_filter_holds_back_a_listed_picture_and_a_listed_word() -> None:
    import re

    from aigc_bench.data.safety import _pattern

    word = re.findall(r"[a-z]{8}", _pattern().pattern)[0]
    assert is_safe_text("a plain sentence")
    assert not is_safe_text(f"a sentence with {word.upper()} in it")
    pixels = picture()
    assert is_safe_image(pixels)
    listed = _listed()
    kept = listed[0]
    listed[0] = difference_hash(pixels)
    try:
        assert not is_safe_image(pixels)
        assert list(finish("image", pixels[None])) == [None]
    finally:
        listed[0] = kept


def test_a_truncated_image_raises(small_data: Path) -> None:
    unit = find_files(small_data / "images" / "class-000").units["image"][0]
    data = read_bytes(unit, is_cold=True)
    with pytest.raises(OSError, match="truncated"):
        decode_image(data[: len(data) // 2], ImageIntake(height=224, width=224))

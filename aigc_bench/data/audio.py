"""Audio: decode with libsndfile, mix to one channel, resample, cut or pad, log-mel frames."""

from __future__ import annotations

import functools
import io
import math
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.data.bad_sample import BadSampleError
from aigc_bench.data.intake import AudioIntake
from aigc_bench.data.limits import MAX_AUDIO_VALUES, MAX_CHANNELS, SAMPLING_RATES_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 25 ms at 16 kHz as in Whisper, 1,024 samples at 22,050 Hz as in Tacotron 2 and HiFi-GAN.
FFT_SIZES = {16_000: 400, 22_050: 1024, 24_000: 1024, 32_000: 1024, 44_100: 2048, 48_000: 2048}
FORMATS = {b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "WAV", b"fLaC": "FLAC", b"OggS": "OGG"}
"""What a file may hold, by its first four bytes; the suffix of its name is ignored."""
_LOUDEST = float(1 << 31)
"""A float recording is meant to stay within 1; some hold the integers of up to 32 bits. The power of much more is infinite."""
_FLOOR = 1e-10


def decode_audio(data: bytes, intake: AudioIntake) -> NDArray[np.float32]:
    """Compressed bytes to a waveform or log-mel frames. Raises where they are no whole recording, or one over the limits."""
    samples, rate = _read(data)
    wave = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    wave = resampled(wave, rate=rate, wanted=intake.sampling_rate, limit=intake.num_samples)
    wave = np.pad(wave, (0, max(0, intake.num_samples - len(wave))))[: intake.num_samples].astype(np.float32)
    if intake.num_mels is None:
        return wave
    frames = log_mel(wave, intake)
    return np.ascontiguousarray(frames.T) if intake.frames_first else frames


def check_audio(data: bytes) -> None:
    """Decode all of it that a case would: raises where bytes are missing or wrong."""
    _read(data)


def _read(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples ``[length, channels]`` up to ``MAX_AUDIO_VALUES``, and their rate."""
    import soundfile

    _refuse_unknown(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.channels > MAX_CHANNELS:
                raise BadSampleError(
                    message(
                        "{channels} channels, over the limit of {max_channels}", channels=file.channels, max_channels=MAX_CHANNELS
                    )
                )
            if not SAMPLING_RATES_HZ[0] <= file.samplerate <= SAMPLING_RATES_HZ[1]:
                low, high = SAMPLING_RATES_HZ
                raise BadSampleError(
                    message(
                        "a sampling rate of {samplerate:,} Hz, outside {low:,} to {high:,}",
                        samplerate=file.samplerate,
                        low=low,
                        high=high,
                    )
                )
            samples: NDArray[np.float32] = file.read(MAX_AUDIO_VALUES // file.channels, dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError as problem:
        raise BadSampleError(message("damaged or cut short (libsndfile: {reason})", reason=problem.error_string)) from None
    if not len(samples):
        raise BadSampleError(message("no samples in it"))
    if not max(samples.max(), -samples.min()) <= _LOUDEST:  # of a NaN, neither is
        raise BadSampleError(message("samples that are no finite numbers, or beyond {loudest:,.0f}", loudest=_LOUDEST))
    return samples, rate


def _refuse_unknown(data: bytes) -> None:
    """Raise where the bytes do not begin as one of ``FORMATS``, or a RIFF file is shorter than it says.

    libsndfile tries two dozen more, and reads a WAV file as far as it goes. Recorders that cannot seek back leave 0 or a size
    near 2 or 4 GiB in the header.
    """
    start = 0
    if data[:3] == b"ID3":  # a tag before FLAC, its length in four times seven bits
        start = 10 + sum((byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    if data[start : start + 4] not in FORMATS:
        raise BadSampleError(
            message("no recording of a known format ({formats})", formats=", ".join(dict.fromkeys(FORMATS.values())))
        )
    # The size in the header leaves out its own eight bytes; some writers count them in, hence the tolerance.
    stated = 8 + int.from_bytes(data[4:8], "little")
    if data[:4] == b"RIFF" and len(data) + 8 < stated < 0x7FFF0000:
        raise BadSampleError(message("cut short: {num_data:,} bytes of {stated:,}", num_data=len(data), stated=stated))


def resampled(wave: NDArray[np.float32], *, rate: int, wanted: int, limit: int) -> NDArray[np.float32]:
    """Polyphase resampling of what ``limit`` samples at ``wanted`` need."""
    if rate == wanted:
        return wave[:limit]
    from scipy.signal import resample_poly

    shared = math.gcd(rate, wanted)
    # The rest of a long recording would be resampled for nothing.
    needed = wave[: math.ceil(limit * rate / wanted) + 1]
    made: NDArray[np.float32] = resample_poly(needed, wanted // shared, rate // shared)
    return made


def log_mel(wave: NDArray[np.float32], intake: AudioIntake) -> NDArray[np.float32]:
    """Log of mel-filtered power ``[num_mels, num_frames]``, shifted to zero mean and unit variance.

    A Hann window at every hop, as Whisper computes it (Radford et al. 2022, section 2.2).
    """
    assert intake.num_mels is not None, "mel frames have bands"
    size = FFT_SIZES.get(intake.sampling_rate, 1024)
    padded = np.pad(wave, (size // 2, size // 2 + intake.num_frames * intake.hop))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: intake.hop][: intake.num_frames]
    # The periodic Hann window: the symmetric one of a sample more, without its last.
    power = np.abs(np.fft.rfft(windows * np.hanning(size + 1)[:-1].astype(np.float32), axis=1)) ** 2
    mels = _filters(intake.num_mels, size, intake.sampling_rate) @ power.T
    logs = np.log10(np.maximum(mels, _FLOOR))
    # Eight decades of power: nothing is more than 80 dB below the loudest, as in Whisper.
    logs = np.maximum(logs, logs.max() - 8.0)
    made: NDArray[np.float32] = ((logs - logs.mean()) / (logs.std() + 1e-6)).astype(np.float32)
    return made


@functools.cache
def _filters(num_mels: int, fft_size: int, rate: int) -> NDArray[np.float64]:
    """Triangles on the mel scale of O'Shaughnessy 1987, ``2595 log10(1 + f / 700)``: ``[num_mels, fft_size / 2 + 1]``."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    centres = 700 * (10 ** (np.linspace(0, top, num_mels + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(fft_size, 1 / rate)
    rising = (bins - centres[:-2, None]) / np.diff(centres)[:-1, None]
    falling = (centres[2:, None] - bins) / np.diff(centres)[1:, None]
    made: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return made

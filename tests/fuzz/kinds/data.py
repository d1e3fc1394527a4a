"""Folders for ``--data``: text, images, shards of them, audio and video, with samples that are broken in every way."""

from __future__ import annotations

import functools
import io
import itertools
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import raw, trees, written
from tests.fuzz.kinds import Kind
from tests.fuzz.outcome import Fault, Files, fault_of
from tests.fuzz.values import TEXTS, Pairs

FOLDER = "data"
_SAMPLES = 3
_WAYS = 40
"""Units that are decoded of each input."""


@functools.cache
def pictures() -> dict[str, bytes]:
    """Small images of every format, and some of formats that are not read."""
    from PIL import Image

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8))
    found = {}
    for suffix, kind in (
        (".jpg", "JPEG"),
        (".png", "PNG"),
        (".webp", "WEBP"),
        (".gif", "GIF"),
        (".bmp", "BMP"),
        (".tif", "TIFF"),
        (".eps", "EPS"),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        found[suffix] = buffer.getvalue()
    buffer = io.BytesIO()
    picture.convert("P").save(buffer, "PNG", transparency=0)
    return {**found, "palette.png": buffer.getvalue(), ".svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'}


@functools.cache
def sounds() -> dict[str, bytes]:
    """A fifth of a second as WAV, FLAC and Ogg."""
    import soundfile

    wave = np.sin(np.arange(3200) / 9).astype(np.float32) * 0.3
    found = {}
    for suffix, kind in ((".wav", "WAV"), (".flac", "FLAC"), (".ogg", "OGG"), (".aiff", "AIFF")):
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, 16_000, format=kind)
        found[suffix] = buffer.getvalue()
    return found


@functools.cache
def clips() -> dict[str, bytes]:
    """Six frames of 32 x 32 as MP4."""
    from aigc_bench.data.encoding import encode_video

    frames = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    return {".mp4": encode_video(frames, fps=4)}


def make_text(draw: random.Random) -> Files:
    """Plain text, JSON lines and Parquet with odd documents and broken bytes."""
    makers: tuple[tuple[str, Callable[[random.Random], bytes]], ...] = (
        (".txt", _plain),
        (".jsonl", _lines),
        (".parquet", _parquet),
    )
    files = {}
    for number in range(draw.randint(1, _SAMPLES)):
        suffix, make = draw.choice(makers)
        content = make(draw)
        files[f"{FOLDER}/{draw.choice(('', 'sub/', '漢字/'))}{number}{suffix}"] = (
            raw.broken(content, draw=draw) if draw.random() < 0.3 else content
        )
    return files


def _plain(draw: random.Random) -> bytes:
    words = " ".join(
        draw.choice(("the", "cat", "漢字", "sat", "\n", draw.choice(TEXTS)[:5_000])) for _ in range(draw.randint(0, 300))
    )
    return words.encode(draw.choice(("utf-8", "utf-8", "utf-8", "utf-16", "gb18030", "latin-1")), errors="replace")


def _lines(draw: random.Random) -> bytes:
    tree = Pairs([("text", "The cat sat. " * 20), ("id", 7), ("meta", Pairs([("lang", "en"), ("tags", [1, "a"])]))])
    lines = [
        written.as_json(trees.changed(tree, others=(tree,), draw=draw, dialect="json") if draw.random() < 0.6 else tree)
        for _ in range(6)
    ]
    return b"\n".join(lines)


def _parquet(draw: random.Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    column: list[Any] = ["The cat sat. " * 20, None, "", "漢字 " * 50, "x" * 5_000]
    columns: tuple[tuple[str, list[Any]], ...] = (
        ("text", column),
        ("text", column),
        ("text", [1, 2, 3]),
        ("text", [b"\xff\xfe", b"a", None]),
        ("words", column),
        ("text", [["a"], ["b", "c"], []]),
        ("text", [1.5, float("nan"), None]),
        ("text", [{"a": 1}, {"a": 2}, {"a": 3}]),
        ("text", []),
        ("text", [True, False, None]),
        ("text", [None, None, None]),
    )
    name, values = draw.choice(columns)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: values, "n": list(range(len(values)))}), sink, row_group_size=draw.choice((1, 2, 1000)))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def make_image(draw: random.Random) -> Files:
    """Images, sound and broken, under true and false names."""
    return _folder_of(pictures(), (".jpg", ".png", ".webp", ".jpeg"), draw=draw)


def make_audio(draw: random.Random) -> Files:
    """Recordings, sound and broken, under true and false names."""
    return _folder_of(sounds(), (".wav", ".flac", ".ogg"), draw=draw)


def make_video(draw: random.Random) -> Files:
    """Clips, sound and broken, under true and false names."""
    return _folder_of({**clips(), ".wav": sounds()[".wav"]}, (".mp4", ".mkv", ".webm"), draw=draw)


def _folder_of(sound: dict[str, bytes], suffixes: tuple[str, ...], *, draw: random.Random) -> Files:
    files = {}
    for number in range(draw.randint(1, _SAMPLES)):
        kind = draw.choice(list(sound))
        suffix = kind if kind in suffixes and draw.random() < 0.8 else draw.choice(suffixes)
        content = sound[kind]
        if draw.random() < 0.75:
            content = raw.broken(_deep(content, draw=draw), draw=draw, other=sound[draw.choice(list(sound))])
        files[f"{FOLDER}/{draw.choice(('', 'class-1/', '漢字/'))}{number}{suffix}"] = content
    return files


def _deep(content: bytes, *, draw: random.Random) -> bytes:
    """Half of the time only the header is changed: it holds the sizes, the rates and the counts."""
    made = bytearray(content)
    for _ in range(draw.choice((0, 1, 1, 2, 4))):
        at = draw.randrange(min(len(made), 96))
        made[at : at + draw.choice((1, 2, 4))] = draw.choice(
            (b"\xff", b"\x00", b"\xff\xff\xff\x7f", b"\x80", bytes([draw.randrange(256)]))
        )
    return bytes(made)


def make_shard(draw: random.Random) -> Files:
    """Tar archives of images, with odd members, cut short or with broken headers."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=draw.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    ) as shard:
        for number in range(draw.randint(0, 4)):
            content = pictures()[draw.choice((".jpg", ".png", ".webp"))]
            content = raw.broken(content, draw=draw) if draw.random() < 0.3 else content
            member = tarfile.TarInfo(
                draw.choice(
                    (f"{number}.jpg", f"a/{number}.png", "../../up.jpg", "/etc/x.png", "漢字.webp", "d" * 95 + ".jpg", "x.txt")
                )
            )
            member.size = len(content)
            if draw.random() < 0.15:
                member.type = draw.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE))
                member.linkname, member.size, content = draw.choice(("0.jpg", "/etc/passwd", "x" * 90)), 0, b""
            shard.addfile(member, io.BytesIO(content))
    content = buffer.getvalue()
    content = raw.broken(content, draw=draw) if draw.random() < 0.6 else content
    return {f"{FOLDER}/shard.tar": content, **({f"{FOLDER}/1.png": pictures()[".png"]} if draw.random() < 0.3 else {})}


def read(folder: Path) -> None:
    """Look through the folder, and make a few samples of all that there is, as a run with ``--data`` does."""
    from aigc_bench.data.files import find_files
    from aigc_bench.data.screening import screen
    from aigc_bench.data.screening_process import looks_here

    files = find_files(folder / FOLDER)
    found = [one.model_dump_json() for modality in files.modalities for one in screen(files, modality, look=looks_here).skipped]
    for modality in files.modalities:
        skips: list[Any] = []
        for _ in itertools.islice(_samples(files, modality, skips=skips), _SAMPLES):
            pass
        found += [one.model_dump_json() for one in skips]
    _refuse_bad_words(found)


def _refuse_bad_words(found: list[str]) -> None:
    """What is said of a skipped sample stands in reports and on screens: it is held to the rules of an error."""
    for told in (json.loads(text)["reason"] for text in found):
        fault = fault_of(told)
        if fault is not None:
            raise Fault(f"a reason {fault}: {told!r}")


def _samples(files: Any, modality: str, *, skips: list[Any]) -> Iterator[Any]:
    from aigc_bench.data.audio import decode_audio
    from aigc_bench.data.images import decode_image
    from aigc_bench.data.intake import AudioIntake, ImageIntake, TextIntake, VideoIntake
    from aigc_bench.data.reading import decoded, read_bytes
    from aigc_bench.data.text import documents, token_samples
    from aigc_bench.data.tokenizer import trained
    from aigc_bench.data.video import decode_video

    units = [unit for _, unit in zip(range(_WAYS), itertools.cycle(files.units[modality]), strict=False)]
    if modality == "text":
        texts = decoded(iter(units), lambda unit: documents(unit, is_cold=False, skips=skips), skips=skips)
        tokenizer = trained(files.units["text"], vocab_size=300, sha256=files.sha256)
        return token_samples(texts, tokenizer, TextIntake(length=16, vocab_size=300))
    decoders: dict[str, Callable[[bytes], Any]] = {
        "image": lambda data: decode_image(data, ImageIntake(height=24, width=24)),
        "audio": lambda data: decode_audio(data, AudioIntake(sampling_rate=22_050, num_samples=2_000)),
        "video": lambda data: decode_video(data, VideoIntake(num_frames=4, height=16, width=16)),
    }
    decode = decoders[modality]
    return decoded(iter(units), lambda unit: iter((decode(read_bytes(unit, is_cold=False)),)), skips=skips)


def _prepare() -> None:
    import av  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.signal  # noqa: F401
    import tokenizers  # noqa: F401

    pictures(), sounds(), clips()


KINDS = (
    Kind(name="data-text", title="folders of text, JSON lines and Parquet", make=make_text, read=read, prepare=_prepare),
    Kind(name="data-image", title="folders of images", make=make_image, read=read, prepare=_prepare),
    Kind(name="data-shard", title="tar shards of images", make=make_shard, read=read, prepare=_prepare),
    Kind(name="data-audio", title="folders of audio", make=make_audio, read=read, prepare=_prepare),
    Kind(name="data-video", title="folders of video", make=make_video, read=read, prepare=_prepare),
)

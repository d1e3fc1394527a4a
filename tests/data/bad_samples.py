"""Bad samples of every kind, written by the tests themselves: a name below the folder, what lies there, the reason given."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image

from aigc_bench.core.pipeline import Modality
from aigc_bench.data.encoding import encode_audio, encode_image, encode_video

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
WAVE = (0.3 * np.sin(np.arange(8000) / 7)).astype(np.float32)
JPEG, PNG = encode_image(PIXELS, suffix=".jpg"), encode_image(PIXELS, suffix=".png")
FLAC, WAV = encode_audio(WAVE, rate=16_000, suffix=".flac"), encode_audio(WAVE, rate=16_000)
MP4 = encode_video(np.repeat(PIXELS[None], 9, axis=0), fps=8)
GOOD: dict[Modality, dict[str, bytes]] = {
    "image": {"a/good.jpg": JPEG, "z/good.png": PNG},
    "audio": {"a/good.flac": FLAC, "z/good.wav": WAV},
    "video": {"a/good.mp4": MP4},
    "text": {"a/good.txt": b"tea for two\n", "z/good.jsonl": b'{"text": "two for tea"}\n'},
}


@dataclass(frozen=True)
class Bad:
    """One bad sample: modality, file name, how it is written, what the reason says; ``shown_as`` where its name is another."""

    modality: Modality
    name: str
    write: Callable[[Path], object]
    reason: str
    shown_as: str = ""


def holds(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def png(width: int, height: int, *, data: bytes = b"", mode: bytes = b"\x08\x02") -> bytes:
    """A PNG whose header claims a size, with whatever pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">II", width, height) + mode + b"\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def wav(*, rate: int = 16_000, channels: int = 1, kind: int = 1, bits: int = 16, data: bytes = bytes(200)) -> bytes:
    frame = channels * bits // 8
    about = struct.pack("<HHIIHH", kind, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + about + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def flac_of(num_samples: int) -> bytes:
    """A recording whose header claims another length."""
    data = bytearray(FLAC)
    data[21:26] = (data[21] & 0xF0 | num_samples >> 32).to_bytes(1, "big") + (num_samples & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(data)


def tar(*members: tuple[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda member: None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as shard:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            change(member)
            shard.addfile(member, io.BytesIO(data))
    return made.getvalue()


def header(name: str, *, size: bytes, kind: bytes = b"0") -> bytes:
    """One block of a tar file with any twelve bytes as its size."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136], block[156:157] = size, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def table(**columns: object) -> Callable[[Path], object]:
    return lambda path: pq.write_table(pa.table(columns), path)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    """Bound by a short relative name: the address of a socket has 108 bytes at most."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def audio_of(suffix: str, kind: str) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, WAVE, 16_000, format=kind)
    return made.getvalue()


def picture_as(kind: str) -> bytes:
    made = io.BytesIO()
    Image.fromarray(PIXELS).save(made, kind)
    return made.getvalue()


def many_scans() -> bytes:
    """A progressive JPEG that goes over its stated size thousands of times: minutes of work in a few kB."""
    made = io.BytesIO()
    Image.fromarray(PIXELS).save(made, "JPEG", progressive=True)
    data = bytearray(made.getvalue())
    size = data.find(b"\xff\xc2") + 5
    data[size : size + 4] = struct.pack(">HH", 8_900, 8_900)
    scan = data.find(b"\xff\xda")
    return bytes(data[:scan]) + bytes(data[scan : scan + 40]) * 3_000 + bytes(data[scan : scan + 40]) + b"\xff\xd9"


def clip_of(picture: bytes, *, width: int, height: int) -> bytes:
    """A clip whose one frame is a PNG, under a header that states some size."""
    made = io.BytesIO()
    with av.open(made, "w", format="mov") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        packet = av.Packet(picture)
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1)
        container.mux(packet)
    return made.getvalue()


def sound_only() -> bytes:
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(WAVE[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return made.getvalue()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
DAMAGED_PNG = PNG[:60] + b"\xff" * 40 + PNG[100:]
TIFF = b"II*\0\x08\0\0\0" + b"\x02\0" + b"\x00\x01\x0c\0\xff\xff\0\0\xff\xff\xff\xff" * 2 + b"\0\0\0\0"
DEEP = b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
UNKNOWN = "no image of a known format"

IMAGES = (
    Bad("image", "bomb.png", holds(png(60_000, 60_000)), "more pixels than the limit of 80,000,000"),
    Bad("image", "large.png", holds(png(9_000, 9_000)), r"9,000 x 9,000 pixels, over the limit of 80,000,000"),
    Bad("image", "page.jpg", holds(EPS), UNKNOWN),
    Bad("image", "words.png", holds(b"not an image at all"), UNKNOWN),
    Bad("image", "icon.png", holds(picture_as("ICO")), UNKNOWN),
    Bad("image", "ppm.png", holds(picture_as("PPM")), UNKNOWN),
    Bad("image", "short.jpg", holds(JPEG[:400]), "[Tt]runcated"),
    Bad("image", "headless.jpg", holds(JPEG[200:]), UNKNOWN),
    Bad("image", "empty.jpg", holds(b""), "empty file"),
    Bad("image", "damaged.png", holds(DAMAGED_PNG), "broken|damaged|truncated|decod"),
    Bad("image", "no-pixels.png", holds(png(64, 48)), "decod|truncated"),
    Bad("image", "zero.bmp.jpg", holds(b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 0, 0, 1, 24) + bytes(24)), "."),
    Bad("image", "tags.jpg", holds(TIFF), "."),
    Bad("image", "scans.jpg", holds(many_scans()), "3,001 scans of 8,900 x 8,900 pixels, over 960,000,000"),
    Bad("image", "broken.jpg", link_to("absent.jpg"), "a link to nothing"),
    Bad("image", "loop.jpg", link_to("loop.jpg"), "symbolic links"),
    Bad("image", "up", link_to(".."), "a link to a folder is not followed"),
    Bad("image", "folder.jpg", link_to("."), "a link to a folder is not followed"),
    Bad("image", "pipe.jpg", fifo, "not a regular file: a FIFO"),
    Bad("image", "socket.jpg", bound_socket, "not a regular file: a socket"),
    Bad("image", "device.png", link_to("/dev/zero"), "not a regular file: a device"),
    Bad("image", "\udcff\udcfe.jpg", holds(b"no"), UNKNOWN, shown_as=r"\xff\xfe.jpg"),
    Bad("image", "two\nlines\x1b[31m.jpg", holds(b"no"), UNKNOWN, shown_as=r"two\nlines\x1b[31m.jpg"),
    Bad("image", "\u202egpj.jpg", holds(b"no"), UNKNOWN, shown_as=r"\u202egpj.jpg"),
)
CUT = tar(("0.jpg", JPEG), ("1.jpg", JPEG), ("2.jpg", JPEG))
MEMBER = tarfile.BLOCKSIZE * (1 + -(-len(JPEG) // tarfile.BLOCKSIZE))
"""Bytes of one of its members, with the header."""
LONG = "x" * 9000 + ".jpg"
LINK = tar(("0.jpg", b""), change=lambda member: setattr(member, "type", tarfile.SYMTYPE))
TWICE = tar(("0.jpg", JPEG), ("0.jpg", b"no"))
SHARDS = (
    Bad("image", "cut.tar", holds(CUT[: 2 * MEMBER + 700]), "cut short", shown_as="cut.tar:2.jpg"),
    Bad("image", "torn.tar", holds(CUT[: MEMBER + 100]), "damaged or cut short after byte 512 of"),
    Bad("image", "middle.tar", holds(CUT[:MEMBER] + b"\xff" * 512 + CUT[MEMBER:]), "damaged header; the rest is not read"),
    Bad("image", "noise.tar", holds(b"\xa5" * 4096), "no tar archive"),
    Bad("image", "packed.tar", holds(gzip.compress(CUT, mtime=0)), "no tar archive"),
    Bad("image", "bad.tar", holds(tar(("0.jpg", JPEG), ("1.jpg", b"no"))), UNKNOWN, shown_as="bad.tar:1.jpg"),
    Bad("image", "empty.tar", holds(tar(("0.jpg", b""))), "empty file", shown_as="empty.tar:0.jpg"),
    Bad("image", "texts.tar", holds(tar(("0.txt", b"words"))), "no image in it"),
    Bad("image", "odd.tar", holds(tar(("../\udcff\n.jpg", b"no"))), UNKNOWN, shown_as=r"odd.tar:../\xff\n.jpg"),
    Bad("image", "long.tar", holds(tar((LONG, b"no"))), UNKNOWN, shown_as=f"long.tar:{LONG[:150]} ... {LONG[-150:]}"),
    Bad("image", "twice.tar", holds(TWICE), UNKNOWN, shown_as=f"twice.tar:0.jpg@{MEMBER}"),
    Bad("image", "link.tar", holds(LINK), "not a regular file", shown_as="link.tar:0.jpg"),
    Bad("image", "digits.tar", holds(header("x", size=b"not a number") + bytes(1024)), "no tar archive: a damaged header"),
    Bad("image", "back.tar", holds(header("0.jpg", size=b"\xff" * 10 + b"\xfe\x00") + bytes(1024)), "negative|damaged|no tar"),
    Bad("image", "claim.tar", holds(header("0.jpg", size=b"77777777777\0") + bytes(512)), "cut short", shown_as="claim.tar:0.jpg"),
    Bad("image", "pax.tar", holds(header("x", size=b"77777777777\0", kind=b"x") + bytes(512)), "a header larger than the limit"),
)
RECORDINGS = (
    Bad("audio", "fast.wav", holds(wav(rate=15_999_991)), "a sampling rate of 15,999,991 Hz, outside 1,000 to 384,000"),
    Bad("audio", "slow.wav", holds(wav(rate=1)), "a sampling rate of 1 Hz"),
    Bad("audio", "endless.wav", holds(wav(rate=0xFFFFFFFF)), "damaged or cut short"),
    Bad("audio", "still.wav", holds(wav(rate=0)), "damaged or cut short"),
    Bad("audio", "choir.wav", holds(wav(channels=1000, data=bytes(4000))), "1000 channels, over the limit of 64"),
    Bad("audio", "crowd.wav", holds(wav(channels=65535)), "damaged or cut short"),
    Bad("audio", "nobody.wav", holds(wav(channels=0)), "damaged or cut short"),
    Bad("audio", "none.wav", holds(wav(data=b"")), "no samples in it"),
    Bad("audio", "nan.wav", holds(wav(kind=3, bits=32, data=struct.pack("<4f", 0, float("nan"), 0, 0))), "no finite numbers"),
    Bad("audio", "loud.wav", holds(wav(kind=3, bits=32, data=struct.pack("<4f", 0, 3e38, 0, 0))), "no finite numbers, or beyond"),
    Bad("audio", "codec.wav", holds(wav(kind=0x7777)), "damaged or cut short"),
    Bad("audio", "cut.wav", holds(WAV[: len(WAV) // 2]), "cut short: 8,022 bytes of 16,044"),
    Bad("audio", "cut.flac", holds(FLAC[: len(FLAC) // 2]), "damaged or cut short"),
    Bad("audio", "long.flac", holds(flac_of((1 << 36) - 1)), "damaged or cut short"),
    Bad("audio", "raw.wav", holds(bytes(range(256)) * 8), "no recording of a known format"),
    Bad("audio", "aiff.wav", holds(audio_of(".wav", "AIFF")), "no recording of a known format"),
    Bad("audio", "mat.ogg", holds(audio_of(".ogg", "MAT5")), "no recording of a known format"),
    Bad("audio", "head.ogg", holds(b"OggS" + bytes(40)), "damaged or cut short"),
    Bad("audio", "tag.flac", holds(b"ID3\4\0\0\x7f\x7f\x7f\x7f"), "no recording of a known format"),
    Bad("audio", "pipe.wav", fifo, "not a regular file: a FIFO"),
)
CLIPS = (
    Bad("video", "words.mp4", holds(b"no clip"), "no clip of a known format"),
    Bad("video", "list.mp4", holds(b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"), "no clip of a known format"),
    Bad("video", "concat.mkv", holds(b"ffconcat version 1.0\nfile /etc/passwd\n"), "no clip of a known format"),
    Bad(
        "video",
        "session.webm",
        holds(b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
        "no clip of a known format",
    ),
    Bad("video", "cut.mp4", holds(MP4[: len(MP4) // 2]), "damaged: invalid data"),
    Bad(
        "video",
        "wide.mp4",
        holds(clip_of(png(9_000, 9_000), width=9_000, height=9_000)),
        "frames over the limit of 80,000,000 pixels",
    ),
    Bad("video", "grows.mp4", holds(clip_of(png(9_000, 9_000), width=64, height=48)), "frames over the limit"),
    Bad("video", "sound.mp4", holds(sound_only()), "no video stream in it"),
    Bad("video", "ebml.webm", holds(b"\x1a\x45\xdf\xa3" + bytes(100)), "no clip of a known format"),
)


def lines(*some: bytes) -> Callable[[Path], object]:
    return holds(b"\n".join((*some, b'{"text": "a good line"}')))


def json_line(value: object) -> bytes:
    return json.dumps({"text": value}).encode()


TEXTS = (
    Bad("text", "deep.jsonl", lines(DEEP), "nested too deeply", shown_as="deep.jsonl@0"),
    Bad("text", "half.jsonl", lines(b'{"text": "\\ud800"}'), "half a surrogate pair", shown_as="half.jsonl@0"),
    Bad("text", "number.jsonl", lines(json_line(7)), "the text is a number, not a string", shown_as="number.jsonl@0"),
    Bad("text", "null.jsonl", lines(json_line(None)), "the text is null", shown_as="null.jsonl@0"),
    Bad("text", "list.jsonl", lines(json_line(["a"])), "the text is a list", shown_as="list.jsonl@0"),
    Bad("text", "array.jsonl", lines(b'["text"]'), "not a JSON object", shown_as="array.jsonl@0"),
    Bad("text", "digits.jsonl", lines(b'{"text": ' + b"9" * 5000 + b"}"), "not a JSON object", shown_as="digits.jsonl@0"),
    Bad("text", "latin.jsonl", lines(b'{"text": "caf\xe9"}'), "not UTF-8: byte 0xe9 at 13", shown_as="latin.jsonl@0"),
    Bad("text", "long.jsonl", lines(json_line("x" * 40_000_000)), "longer than the limit of 16 MiB", shown_as="long.jsonl@0"),
    Bad("text", "latin.txt", holds(b"caf\xe9\n"), "not UTF-8: byte 0xe9 at 3", shown_as="latin.txt@0"),
    Bad("text", "utf16.txt", holds("tea".encode("utf-16")), "zero bytes", shown_as="utf16.txt@0"),
    Bad("text", "zeros.txt", holds(bytes(5_000)), "zero bytes, which no text in UTF-8 holds", shown_as="zeros.txt@0"),
    Bad("text", "numbers.parquet", table(text=[1, 2]), "the column 'text' holds int64, not strings"),
    Bad("text", "lists.parquet", table(text=[["a"], ["b"]]), "the column 'text' holds list.*, not strings"),
    Bad("text", "nulls.parquet", table(text=pa.nulls(3)), "the column 'text' holds null, not strings"),
    Bad("text", "bytes.parquet", table(text=[b"a"]), "the column 'text' holds binary, not strings"),
    Bad("text", "other.parquet", table(title=["a"]), "no column 'text' among title"),
    Bad("text", "words.parquet", holds(b"PAR1 no PAR1"), "Parquet"),
    Bad("text", "none.parquet", table(text=pa.array([], pa.string())), "no rows in it"),
    Bad("text", "gap.parquet", table(text=["a", None]), "the text is null, not a string", shown_as="gap.parquet:0@1"),
    Bad("text", "pipe.jsonl", fifo, "not a regular file: a FIFO"),
)
ALL = (*IMAGES, *SHARDS, *RECORDINGS, *CLIPS, *TEXTS)


def write_among_good(folder: Path, *some: Bad) -> None:
    """Write the bad samples, and good ones of their modality that come before and after them."""
    for modality in {one.modality for one in some}:
        for name, data in GOOD[modality].items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    for one in some:
        one.write(folder / one.name)

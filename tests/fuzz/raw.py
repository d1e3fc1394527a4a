"""Changes of bytes: what a disk, a mail program, an editor of another country or a download that was cut off makes of a file."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "gb18030", "latin-1", "utf-32", "cp1252", "utf-7")


def broken(content: bytes, *, draw: random.Random, other: bytes = b"") -> bytes:
    """The bytes with one to three changes; ``other`` is a file to cross over with."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        content = draw.choices(_CHANGES, weights=_WEIGHTS)[0](content, draw, other)
    return content


def _flip(content: bytes, draw: random.Random, _: bytes) -> bytes:
    made = bytearray(content)
    for _time in range(draw.choice((1, 1, 2, 8, 64))):
        if made:
            made[draw.randrange(len(made))] = draw.choice(
                (0, 9, 10, 13, 27, 34, 44, 61, 91, 93, 125, 127, 128, 192, 255, draw.randrange(256))
            )
    return bytes(made)


def _bit(content: bytes, draw: random.Random, _: bytes) -> bytes:
    made = bytearray(content)
    if made:
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def _cut(content: bytes, draw: random.Random, _: bytes) -> bytes:
    return content[: draw.randint(0, len(content))]


def _cut_out(content: bytes, draw: random.Random, _: bytes) -> bytes:
    start = draw.randint(0, len(content))
    return content[:start] + content[start + draw.choice((1, 2, 8, 100, 1000)) :]


def _repeat(content: bytes, draw: random.Random, _: bytes) -> bytes:
    start = draw.randint(0, len(content))
    part = content[start : start + draw.choice((1, 4, 40, 400))]
    return content[:start] + part * draw.choice((2, 3, 30)) + content[start:]


def _insert(content: bytes, draw: random.Random, _: bytes) -> bytes:
    odd = (
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x1b[2J",
        "漢".encode(),
        "漢".encode("gb18030"),
        b"\xed\xa0\x80",
        b"\r",
        b'"',
        b"\n\n",
        b"[" * 500,
    )
    start = draw.randint(0, len(content))
    return content[:start] + draw.choice(odd) + content[start:]


def _cross(content: bytes, draw: random.Random, other: bytes) -> bytes:
    return content[: draw.randint(0, len(content))] + other[draw.randint(0, len(other)) :]


def _recode(content: bytes, draw: random.Random, _: bytes) -> bytes:
    text = content.decode("utf-8", errors="replace")
    return text.encode(draw.choice(ENCODINGS), errors="replace")


def _lines(content: bytes, draw: random.Random, _: bytes) -> bytes:
    return content.replace(b"\n", draw.choice((b"\r\n", b"\r", b"\n\n", b"", b"\x0b", "\u2028".encode())))


def _shuffle(content: bytes, draw: random.Random, _: bytes) -> bytes:
    lines = content.split(b"\n")
    first, second = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _squeeze(content: bytes, draw: random.Random, _: bytes) -> bytes:
    """Gzip where none is expected, whole, cut short, or with a byte flipped."""
    packed = gzip.compress(content, mtime=0)
    return draw.choice((packed, packed[: len(packed) // 2], packed[:-4] + b"\x00\x00\x00\x00"))


def _nothing(_content: bytes, draw: random.Random, _: bytes) -> bytes:
    return draw.choice((b"", b"\n", b"\x00" * 100, b"\xef\xbb\xbf", b"\xff\xfe"))


_CHANGES: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _flip,
    _bit,
    _cut,
    _cut_out,
    _repeat,
    _insert,
    _cross,
    _recode,
    _lines,
    _shuffle,
    _squeeze,
    _nothing,
)
_WEIGHTS = (20, 12, 10, 10, 10, 10, 8, 5, 4, 8, 2, 1)

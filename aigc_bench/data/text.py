"""Text: documents of plain, JSON-lines and parquet files, and the token ids that a tokenizer makes of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data.bad_sample import BadSampleError, reason_of
from aigc_bench.data.files import Unit
from aigc_bench.data.intake import TextIntake
from aigc_bench.data.limits import MAX_LINE_BYTES
from aigc_bench.data.parquet import rows
from aigc_bench.data.regular import open_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


DOCUMENT_BYTES = 4096
"""Plain text is handed on in paragraphs of about this length."""
PIECE_CHARS = 1 << 16
"""Longer texts are handed on in pieces of this length, which bounds what a tokenizer holds of one."""
NAMED_IN_A_UNIT = 20
"""Bad lines of a unit that are named each; the others are counted."""
_CUT_SEARCH_BYTES = 1 << 16
"""A line break is looked for this far behind a unit's end; a text without any is cut between two characters."""


class Tokenizer(Protocol):
    """Text to ids and back."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids; unknown ones are left out."""
        ...


def documents(unit: Unit, *, is_cold: bool, skips: list[SkippedSample]) -> Iterator[str]:
    """The documents of a unit: paragraphs of lines, the ``text`` of JSON lines, or a row group's ``text`` column.

    A bad line, paragraph or row is skipped alone, and named by its offset or its row. Raises where the file cannot be read.
    """
    bad = _BadLines(unit, skips)
    suffix = os.path.splitext(unit.path)[1].lower()  # noqa: PTH122 - called in the hot path of a loader
    if suffix == ".parquet":
        found = _table_texts(unit, bad)
    elif suffix == ".jsonl":
        found = _json_texts(unit, bad, is_cold=is_cold)
    else:
        found = _paragraphs(unit, bad, is_cold=is_cold)
    for text in found:
        yield from (text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS))
    bad.close()


class _BadLines:
    """The bad lines of a unit: the first by name, the others in one line with their number, so that memory stays bounded."""

    def __init__(self, unit: Unit, skips: list[SkippedSample]) -> None:
        self._unit, self._skips = unit, skips
        self._count = 0

    def add(self, place: int, problem: Exception) -> None:
        self._count += 1
        if self._count <= NAMED_IN_A_UNIT:
            self._skips.append(SkippedSample(name=f"{self._unit.name}@{place}", reason=reason_of(problem)))

    def close(self) -> None:
        more = self._count - NAMED_IN_A_UNIT
        if more > 0:
            name = f"{self._unit.name}@{self._unit.start}-{self._unit.end}"
            self._skips.append(
                SkippedSample(name=name, reason=message("{more:,} more bad ones in this part of the file", more=more), count=more)
            )


def _table_texts(unit: Unit, bad: _BadLines) -> Iterator[str]:
    for number, value in rows(unit.path, unit.start):
        try:
            yield _checked(value)
        except Exception as problem:
            bad.add(number, problem)


def _checked(value: object) -> str:
    """The value if it is a text that can be written as UTF-8; raises what it is, or why it could not be read, otherwise."""
    if isinstance(value, Exception):
        raise value
    if not isinstance(value, str):
        raise BadSampleError(message("the text is {kind}, not a string", kind=_KINDS.get(type(value), message("something else"))))
    if len(value) > MAX_LINE_BYTES:
        raise BadSampleError(message("a text longer than the limit of {limit} MiB", limit=MAX_LINE_BYTES >> 20))
    try:
        # CPython knows whether a text is ASCII; only other texts are encoded for the check.
        value.isascii() or value.encode()
    except UnicodeEncodeError:
        raise BadSampleError(message("half a surrogate pair, which is no Unicode text")) from None
    return value


_KINDS = {
    type(None): "null",
    int: message("a number"),
    float: message("a number"),
    bool: message("true or false"),
    list: message("a list"),
    dict: message("an object"),
}


def _json_texts(unit: Unit, bad: _BadLines, *, is_cold: bool) -> Iterator[str]:
    for offset, line in _lines(unit, is_cold=is_cold):
        if line.isspace():
            continue
        try:
            yield _json_text(line)
        except Exception as problem:
            bad.add(offset, problem)


def _json_text(line: bytes) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise BadSampleError(message("a line longer than the limit of {limit} MiB", limit=MAX_LINE_BYTES >> 20))
    # Joined files have a byte-order mark in the middle, too.
    text = line.decode("utf-8-sig")
    try:
        found = json.loads(text)
    except ValueError:
        raise BadSampleError(message('not a JSON object with a string "text"')) from None
    if not isinstance(found, dict) or "text" not in found:
        raise BadSampleError(message('not a JSON object with a string "text"'))
    return _checked(found["text"])


def _lines(unit: Unit, *, is_cold: bool) -> Iterator[tuple[int, bytes]]:
    """Offsets and bytes of the lines that begin inside the unit; the last may end beyond it, and is cut off above the limit."""
    with open_file(unit.path, buffering=1 << 16) as file:
        _size(file, unit)
        if unit.start:
            # One byte back: a line that begins right at the unit's start is known by the break before it.
            file.seek(unit.start - 1)
            if not file.readline(unit.end - unit.start).endswith(b"\n"):
                return  # of a line that began before the unit and ends behind it
        while (offset := file.tell()) < unit.end and (line := file.readline(MAX_LINE_BYTES + 1)):
            yield offset, line
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n") and not _pass_line(file, unit.end):
                break
        if is_cold:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _pass_line(file: BinaryIO, end: int) -> bool:
    """Go to the next line, if it begins before ``end``."""
    while file.tell() < end and (part := file.readline(1 << 20)):
        if part.endswith(b"\n"):
            return True
    return False


def _paragraphs(unit: Unit, bad: _BadLines, *, is_cold: bool) -> Iterator[str]:
    with open_file(unit.path) as file:
        size = _size(file, unit)
        start, end = (_cut(file, at, size=size) for at in (unit.start, unit.end))
        file.seek(start)
        data = file.read(max(0, end - start))
        if is_cold:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    at = 0
    while at < len(data):
        until = _paragraph_end(data, at)
        try:
            yield _plain(data[at:until], is_first=start + at == 0)
        except ValueError as problem:
            bad.add(start + at, problem)
        at = until


def _size(file: BinaryIO, unit: Unit) -> int:
    size = os.fstat(file.fileno()).st_size
    if size < unit.end:
        raise BadSampleError(message("the file has become shorter since it was listed"))
    return size


def _plain(data: bytes, *, is_first: bool) -> str:
    """The text of a paragraph. Zeros are valid UTF-8, but what holds them is UTF-16, or blocks that a crash left unwritten."""
    if b"\0" in data:
        raise BadSampleError(message("zero bytes, which no text in UTF-8 holds"))
    return data.decode("utf-8-sig" if is_first else "utf-8")


def _cut(file: BinaryIO, at: int, *, size: int) -> int:
    """Where the text is cut next to ``at``: behind the line break, or before the next character where there is none near.

    It depends on the file and the place alone, so that the two units that meet there agree.
    """
    if at <= 0 or at >= size:
        return min(max(at, 0), size)
    file.seek(at - 1)
    near = file.read(_CUT_SEARCH_BYTES)
    found = near.find(b"\n")
    return at + found if found >= 0 else at - 1 + _character_start(near, 1)


def _paragraph_end(data: bytes, at: int) -> int:
    """The end of lines of at least ``DOCUMENT_BYTES`` bytes, or of a part of a line that is much longer."""
    found = data.find(b"\n", at + DOCUMENT_BYTES - 1, at + _CUT_SEARCH_BYTES)
    if found >= 0:
        return found + 1
    until = at + _CUT_SEARCH_BYTES
    return _character_start(data, until) if until < len(data) else len(data)


def _character_start(data: bytes, at: int) -> int:
    """The first place from ``at`` on that is not inside a UTF-8 character (of four bytes at most)."""
    for place in range(at, min(at + 3, len(data))):
        # Bytes inside a character are 10xxxxxx.
        if data[place] & 0xC0 != 0x80:
            return place
    return min(at + 3, len(data)) if at < len(data) else at


def token_samples(texts: Iterator[str], tokenizer: Tokenizer, intake: TextIntake) -> Iterator[NDArray[np.int64]]:
    """Documents tokenised, joined and cut into samples of the intake's length: no token is padding."""
    want = intake.length - (intake.closing is not None)
    held: list[int] = []
    for text in texts:
        held += tokenizer.encode(text)
        at = 0
        while len(held) - at >= want:
            ids = np.array(held[at : at + want], dtype=np.int64)
            at += want
            # Ids below `low` are the model's special tokens; the remainder keeps a larger vocabulary's ids in range.
            ids = intake.low + ids % (intake.vocab_size - intake.low)
            yield ids if intake.closing is None else np.append(ids, intake.closing)
        held = held[at:]

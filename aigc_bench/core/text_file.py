"""Text of files that a user passes in, as spreadsheets and editors save it: any of four encodings, gzip or not.

    UTF-8, with or without a byte order mark       UTF-16, with a byte order mark, or plain to see by its zero bytes
    GB18030 (GBK and GB2312 are parts of it)       gzip around any of these, known by its first two bytes

UTF-8 is strict enough to be recognised by decoding it. The others are not, so what was assumed is stated as a ``FileWarning``.
"""

from __future__ import annotations

import codecs
import gzip
import io
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

from aigc_bench.core.errors import FileWarning, UsageError
from aigc_bench.core.messages import message

MAX_TEXT_BYTES = 512 * 2**20
"""Decompressed bytes of a file that is held in memory as one text; a million rows of a wide table are about half of it."""

_ZIP_MAGIC = b"PK\x03\x04"
_GZIP_MAGIC = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAVE_AS = message("Save it as UTF-8 text.")


def read_text(file: Path) -> str:
    """Return the text of a file without its byte order mark; line ends stay as they are.

    Raises ``UsageError`` in one line where there is no such file, gzip is cut short or damaged, the text is too large, or its
    encoding is none of UTF-8, UTF-16 and GB18030. Warns with ``FileWarning`` where the encoding was assumed.
    """
    return _decoded(read_content(file), file=file)


def read_content(file: Path) -> bytes:
    """Return the bytes of a file, unpacked where they are gzip; raises ``UsageError`` like ``read_text``."""
    try:
        with file.open("rb") as raw:
            # peek() takes nothing away: a pipe cannot be read twice.
            content = _unpacked(raw, is_gzip=raw.peek(2)[:2] == _GZIP_MAGIC)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        reason = message("cut short") if isinstance(problem, EOFError) else "damaged"
        raise UsageError(
            message("{file}: the gzip file is {reason}.", file=file, reason=reason), message("Copy or compress it again.")
        ) from None
    except IsADirectoryError:
        raise UsageError(message("{file}: a folder, not a file.", file=file)) from None
    except OSError as problem:
        raise UsageError(
            message("{file}: {strerror}.", file=file, strerror=(problem.strerror or message("cannot be read")).lower())
        ) from None
    # .xlsx files are zip archives.
    if content.startswith(_ZIP_MAGIC):
        raise UsageError(
            message("{file}: an Excel workbook or a zip archive, not text.", file=file),
            message("Save the sheet as CSV, or unpack it."),
        )
    if len(content) > MAX_TEXT_BYTES:
        raise UsageError(
            message("{file}: over {max_size} MiB of text.", file=file, max_size=MAX_TEXT_BYTES // 2**20), message("Split it.")
        )
    return content


def _unpacked(raw: BinaryIO, *, is_gzip: bool) -> bytes:
    """At most one byte more than is allowed, so that a small file cannot unpack to fill the memory."""
    source: io.BufferedIOBase | BinaryIO = gzip.GzipFile(fileobj=raw) if is_gzip else raw
    return source.read(MAX_TEXT_BYTES + 1)


def _decoded(content: bytes, *, file: Path) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding, file=file)
    # Before UTF-8, which takes zero bytes for characters.
    if (guess := _utf16_by_zeros(content)) is not None:
        text = _strict(content, guess, file=file)
        note = message("{file}: read as UTF-16, by its zero bytes; it has no byte order mark.", file=file)
        warnings.warn(note, FileWarning, stacklevel=3)
        return text
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
    chinese = _gb18030(content)
    if chinese is None:
        raise UsageError(
            message("{file}: line {line}: neither UTF-8 nor UTF-16 nor GB18030 (GBK) text.", file=file, line=line), _SAVE_AS
        )
    note = message("{file}: read as GB18030 (GBK), since line {line} is not UTF-8.", file=file, line=line)
    warnings.warn(note, FileWarning, stacklevel=3)
    return chinese


def _strict(content: bytes, encoding: str, *, file: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as problem:
        line = content[: problem.start].decode(encoding, errors="ignore").count("\n") + 1
        raise UsageError(
            message(
                "{file}: line {line}: not valid {encoding} text.", file=file, line=line, encoding=encoding[:6].upper().rstrip("-")
            ),
            _SAVE_AS,
        ) from None


def _utf16_by_zeros(content: bytes) -> str | None:
    """UTF-16 without its mark: the ASCII characters of a header leave every second byte zero."""
    head = content[:256]
    if len(head) < 4 or b"\0" not in head:
        return None
    half = len(head) // 2
    # Most, not all: names in the header may hold characters beyond ASCII.
    if head[1::2].count(0) > 0.7 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _gb18030(content: bytes) -> str | None:
    """The text, or ``None`` where most of its characters are so rare that another encoding is likelier.

    Accented letters of Latin-1 often decode as GB18030, too, as rare characters outside GB2312; Chinese text is nearly all GB2312.
    """
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return None
    other = [character for character in text if ord(character) > 127]
    common = sum(_is_in_gb2312(character) for character in other)
    return text if common >= 0.5 * len(other) else None


def _is_in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True

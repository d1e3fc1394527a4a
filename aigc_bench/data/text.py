"""Text: documents of plain, JSON-lines and parquet files, and the token ids that a tokenizer makes of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data.files import Unit
from aigc_bench.data.intake import TextIntake

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aigc_bench.data.tokenizer import Tokenizer

DOCUMENT_CHARS = 4096
"""Plain text is handed on in paragraphs of about this length."""
_MAX_LINE = 1 << 24


def documents(unit: Unit, *, is_cold: bool, skips: list[SkippedSample]) -> Iterator[str]:
    """The documents of a unit: paragraphs of lines, the ``text`` of JSON lines, or a row group's ``text`` column.

    Raises ``ValueError`` where the bytes are not UTF-8; a bad JSON line is skipped alone.
    """
    if unit.path.endswith(".parquet"):
        yield from _rows(unit)
        return
    lines = _lines(unit, is_cold=is_cold)
    if unit.path.endswith(".jsonl"):
        yield from _json_lines(unit, lines, skips=skips)
    else:
        yield from _paragraphs(lines)


def _rows(unit: Unit) -> Iterator[str]:
    import pyarrow.parquet as pq

    column = pq.ParquetFile(unit.path).read_row_group(unit.start, columns=["text"]).column("text")
    yield from (value for value in column.to_pylist() if value)


def _lines(unit: Unit, *, is_cold: bool) -> Iterator[tuple[int, bytes]]:
    """Offsets and bytes of the lines that begin inside the unit; the last may end beyond it."""
    with open(unit.path, "rb", buffering=1 << 16) as file:  # noqa: PTH123 - called in the hot path of a loader
        if unit.start:
            file.seek(unit.start - 1)
            file.readline(_MAX_LINE)
        while (offset := file.tell()) < unit.end and (line := file.readline(_MAX_LINE)):
            yield offset, line
        if is_cold:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _json_lines(unit: Unit, lines: Iterator[tuple[int, bytes]], *, skips: list[SkippedSample]) -> Iterator[str]:
    for offset, line in lines:
        try:
            text = json.loads(line)["text"]
            if not isinstance(text, str):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            skips.append(SkippedSample(name=f"{unit.name}@{offset}", reason='not a JSON object with a string "text"'))
            continue
        yield text


def _paragraphs(lines: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    parts: list[bytes] = []
    size = 0
    for _, line in lines:
        parts.append(line)
        size += len(line)
        if size >= DOCUMENT_CHARS:
            yield b"".join(parts).decode()
            parts, size = [], 0
    if parts:
        yield b"".join(parts).decode()


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
            ids = intake.low + ids % (intake.vocab_size - intake.low)
            yield ids if intake.closing is None else np.append(ids, intake.closing)
        held = held[at:]

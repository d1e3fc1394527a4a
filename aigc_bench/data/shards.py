"""Shards: images in uncompressed ``.tar`` files, as WebDataset writes them, listed without unpacking anything."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data.bad_sample import BadSampleError, reason_of, shown
from aigc_bench.data.limits import MAX_SAMPLE_BYTES
from aigc_bench.data.regular import open_regular

Span = tuple[str, int, int]
"""The name of a member and the bytes of the shard that it is."""
_CUT = message("cut short: the shard ends before it does")
_MAX_HEADER_BYTES = 1 << 26


def members(path: str, *, name: str, suffixes: frozenset[str]) -> tuple[list[Span], list[SkippedSample]]:
    """Return the members that end in a suffix, and what cannot be read: a member, or the shard from some byte on.

    What was listed before a damage or a cut is kept.
    """
    spans: dict[str, Span] = {}
    skipped: list[SkippedSample] = []
    size, at = 0, 0
    try:
        # "r:" takes uncompressed archives only, whose members lie at fixed offsets and can be read in any order.
        with _Bounded(io.FileIO(open_regular(path))) as file, tarfile.open(fileobj=file, mode="r:") as shard:
            size = os.fstat(file.fileno()).st_size
            for member in _forward(shard):
                at = member.offset_data
                if PurePosixPath(member.name).suffix.lower() not in suffixes or member.isdir():
                    continue
                label = f"{name}:{shown(member.name)}"
                # A tar may hold a name twice.
                label = label if label not in spans else f"{label}@{member.offset}"
                fault = _fault(member, size=size)
                if fault is None:
                    spans[label] = (label, member.offset_data, member.offset_data + member.size)
                else:
                    skipped.append(SkippedSample(name=label, reason=fault))
            _refuse_rest(shard)
    except Exception as problem:
        if not (skipped and skipped[-1].reason == _CUT):
            where = (
                message("damaged or cut short after byte {at} of {size}: ", at=at, size=size) if at else message("no tar archive: ")
            )
            skipped.append(SkippedSample(name=name, reason=where + _reason_of(problem)))
    if not spans and not skipped:
        skipped.append(SkippedSample(name=name, reason=message("no image in it")))
    return list(spans.values()), skipped


def _reason_of(problem: Exception) -> str:
    """Over a damaged header ``tarfile`` raises errors of its own, and those of ``int`` and ``decode``."""
    if isinstance(problem, BadSampleError | OSError | MemoryError) and not isinstance(problem, tarfile.TarError):
        return reason_of(problem)
    return message("the data end early") if "unexpected end" in str(problem) else message("a damaged header")


class _Bounded(io.BufferedReader):
    """A file for ``tarfile``, which reads an extended header whole however large it says that it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MAX_HEADER_BYTES:
            raise BadSampleError(message("a header larger than the limit of {limit} MiB", limit=_MAX_HEADER_BYTES >> 20))
        return super().read(size)


def _forward(shard: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, as long as each begins after the last: a negative size in a header leads back, for ever (CVE-2025-8194)."""
    last = -1
    for member in shard:
        if member.offset <= last or member.size < 0:
            raise BadSampleError(message("a member of negative size"))
        last = member.offset
        yield member


def _fault(member: tarfile.TarInfo, *, size: int) -> str | None:
    """Why a member is no sample."""
    if member.issparse():
        return message("not a regular file: a sparse one")
    if not member.isreg():
        return message("not a regular file")
    if member.size == 0:
        return message("empty file")
    if member.offset_data + member.size > size:
        return _CUT
    return message("larger than the limit of {limit} MiB", limit=MAX_SAMPLE_BYTES >> 20) if member.size > MAX_SAMPLE_BYTES else None


def _refuse_rest(shard: tarfile.TarFile) -> None:
    """``tarfile`` takes a damaged header for the end of the archive: raise where that is not a block of zeros or the file's end."""
    assert shard.fileobj is not None, "an open archive has its file"
    shard.fileobj.seek(shard.offset)
    if shard.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise BadSampleError(message("a damaged header; the rest is not read"))

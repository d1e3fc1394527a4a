"""Reading units: seeded shuffling, sharding over ranks and their workers, and skipping what cannot be read.

``attempted`` is the one place where any failure of a sample is caught and becomes a ``SkippedSample``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data.bad_sample import BadSampleError, reason_of
from aigc_bench.data.files import Unit
from aigc_bench.data.page_cache import drop
from aigc_bench.data.regular import open_regular

T = TypeVar("T")
MAX_BARREN = 10_000
"""Units in a row that give nothing before the data counts as unreadable; fewer where two epochs are shorter than that."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The ``index``-th of ``count`` readers that share the data: no sample of an epoch is read by two of them."""

    index: int = 0
    count: int = 1


class NothingReadableError(AigcBenchError):
    """No unit of the data can be decoded."""


def read_bytes(unit: Unit, *, is_cold: bool) -> bytes:
    """The unit's bytes; a cold reading leaves nothing of the file in the page cache behind.

    Raises ``OSError`` where the file cannot be opened, and ``BadSampleError`` where it has become shorter or another thing.
    """
    handle = open_regular(unit.path)
    try:
        data = os.pread(handle, unit.end - unit.start, unit.start)
        if is_cold:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
    if len(data) < unit.end - unit.start:
        raise BadSampleError(message("the file has become shorter since it was listed"))
    return data


def epochs(units: Sequence[Unit], *, seed: int, shard: Shard) -> Iterator[Unit]:
    """Yield the shard's units without end, in another seeded order each epoch; all shards see the same order and take turns.

    Where there are fewer units than shards every shard reads all of them, each in an order of its own.
    """
    is_shared = len(units) < shard.count
    for epoch in range(1 << 62):
        # A text as seed is hashed by SHA-512, the same in every process; hash() of a text is not.
        draw = random.Random(f"{seed}/{epoch}/{shard.index if is_shared else 0}")
        order = list(range(len(units)))
        draw.shuffle(order)
        mine = order if is_shared else order[shard.index :: shard.count]
        yield from (units[index] for index in mine)


def attempted(unit: Unit, decode: Callable[[Unit], Iterator[T]], *, skips: list[SkippedSample]) -> Iterator[T]:
    """Yield what ``decode`` makes of a unit until it fails; the exception is put into ``skips`` with its reason.

    Decoders raise what they please over bad bytes: Pillow ``SyntaxError`` and ``struct.error``, libraries in C errors of their
    own, all of them ``MemoryError``.
    """
    try:
        yield from decode(unit)
    except Exception as problem:
        skips.append(SkippedSample(name=unit.name, reason=reason_of(problem)))


def decoded(
    units: Iterator[Unit], decode: Callable[[Unit], Iterator[T]], *, skips: list[SkippedSample], num_units: int = MAX_BARREN
) -> Iterator[T]:
    """Everything that ``decode`` makes of the units; what fails is skipped, and reading goes on.

    Raises ``NothingReadableError`` where two epochs of ``num_units``, or ``MAX_BARREN`` units in a row, gave nothing.
    """
    limit = min(MAX_BARREN, 2 * num_units)
    barren = 0
    for unit in units:
        for sample in attempted(unit, decode, skips=skips):
            barren = 0
            yield sample
        barren += 1
        if barren > limit:
            last = f", {skips[-1].name}: {skips[-1].reason}" if skips else ""
            raise NothingReadableError(message("none of the last {limit:,} samples gave anything{last}", limit=limit, last=last))


def drop_all(units: Sequence[Unit]) -> None:
    """Forget every file of the units."""
    for path in dict.fromkeys(unit.path for unit in units):
        drop(path)

"""Reading units: seeded shuffling, sharding over ranks and their workers, and skipping what cannot be read."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.pipeline import SkippedSample
from aigc_bench.data.files import Unit
from aigc_bench.data.page_cache import drop

T = TypeVar("T")
MAX_BARREN = 10_000
"""Units in a row that give nothing before the data counts as unreadable."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The ``index``-th of ``count`` readers that share the data: no sample of an epoch is read by two of them."""

    index: int = 0
    count: int = 1


class NothingReadableError(AigcBenchError):
    """No unit of the data can be decoded."""


def read_bytes(unit: Unit, *, is_cold: bool) -> bytes:
    """The unit's bytes; a cold reading leaves nothing of the file in the page cache behind."""
    handle = os.open(unit.path, os.O_RDONLY)
    try:
        data = os.pread(handle, unit.end - unit.start, unit.start)
        if is_cold:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        return data
    finally:
        os.close(handle)


def epochs(units: Sequence[Unit], *, seed: int, shard: Shard) -> Iterator[Unit]:
    """The shard's units, for ever, in another seeded order each epoch; all shards see the same order and take turns.

    Where there are fewer units than shards every shard reads all of them, each in an order of its own.
    """
    is_shared = len(units) < shard.count
    for epoch in range(1 << 62):
        draw = random.Random(f"{seed}/{epoch}/{shard.index if is_shared else 0}")
        order = list(range(len(units)))
        draw.shuffle(order)
        mine = order if is_shared else order[shard.index :: shard.count]
        yield from (units[index] for index in mine)


def decoded(units: Iterator[Unit], decode: Callable[[Unit], Iterator[T]], *, skips: list[SkippedSample]) -> Iterator[T]:
    """Everything that ``decode`` makes of the units; what raises is put into ``skips`` with its reason, and reading goes on.

    Raises ``NothingReadableError`` where ``MAX_BARREN`` units in a row gave nothing.
    """
    barren = 0
    for unit in units:
        try:
            for sample in decode(unit):
                barren = 0
                yield sample
        except (OSError, ValueError, KeyError, SyntaxError, RuntimeError, MemoryError, EOFError) as problem:
            skips.append(SkippedSample(name=unit.name, reason=reason_of(problem)))
        barren += 1
        if barren > MAX_BARREN:
            raise NothingReadableError(f"the last {MAX_BARREN} samples of {unit.path} and others could not be read")


def reason_of(problem: Exception) -> str:
    """One line for a user: what is wrong with the sample."""
    text = (str(problem).strip().splitlines() or [""])[0]
    return (text or type(problem).__name__)[:160]


def drop_all(units: Sequence[Unit]) -> None:
    """Forget every file of the units."""
    for path in dict.fromkeys(unit.path for unit in units):
        drop(path)

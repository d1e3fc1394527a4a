"""torch's caching allocator, as its source has it: what a sequence of tensors costs beyond the tensors.

Memory that is freed is not always memory that can be used again: an allocator cuts blocks, and what lies between two live
tensors waits for a request that fits. Fed with the order in which a step makes and frees its tensors, it computes how much more
than the live bytes a process holds. Sizes are bytes.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

MIB = 2**20


class Event(NamedTuple):
    """A tensor's memory is taken (``num_bytes`` > 0) or given back (``None``); ``owner`` identifies it."""

    owner: int
    num_bytes: int | None


@dataclass
class FreeBlocks:
    """Free blocks of an address space: the best fit is cut, neighbours grow together."""

    by_size: list[tuple[int, int]] = field(default_factory=list)
    by_start: dict[int, int] = field(default_factory=dict)
    by_end: dict[int, int] = field(default_factory=dict)

    def add(self, start: int, size: int) -> tuple[int, int]:
        """Free a block, merged with free neighbours. Returns the merged block."""
        if start in self.by_end:
            before = self.by_end[start]
            self.remove(before)
            start, size = before, size + start - before
        if start + size in self.by_start:
            size += self.remove(start + size)
        bisect.insort(self.by_size, (size, start))
        self.by_start[start], self.by_end[start + size] = size, start
        return start, size

    def remove(self, start: int) -> int:
        """Take a free block out; returns its size."""
        size = self.by_start.pop(start)
        del self.by_end[start + size]
        del self.by_size[bisect.bisect_left(self.by_size, (size, start))]
        return size

    def best_fit(self, size: int) -> tuple[int, int] | None:
        """Size and start of the smallest free block that holds ``size``."""
        index = bisect.bisect_left(self.by_size, (size, 0))
        return self.by_size[index] if index < len(self.by_size) else None


class CachingAllocator:
    """torch's allocator on accelerators (c10/cuda/CUDACachingAllocator.cpp): ``held_bytes`` is ``memory_reserved``.

    Requests are rounded to 512 B. Up to 1 MiB they come from segments of 2 MiB, up to 10 MiB from segments of 20 MiB, larger
    ones get a segment of their own, rounded to 2 MiB. Blocks are cut where what is left is worth it; segments are kept.
    """

    _ROUND = 512
    _SMALL = MIB
    _SMALL_SEGMENT = 2 * MIB
    _LARGE_SEGMENT = 20 * MIB
    _OWN_SEGMENT = 10 * MIB

    def __init__(self) -> None:
        self.held_bytes = 0
        self.allocated_bytes = 0
        self._next_start = 0
        self._pools = {True: FreeBlocks(), False: FreeBlocks()}
        self._placed: dict[int, tuple[bool, int, int]] = {}

    def take(self, owner: int, num_bytes: int) -> None:
        """Best fit in the pool of the request's size, else a new segment."""
        size = round_up(num_bytes, self._ROUND)
        is_small = size <= self._SMALL
        pool = self._pools[is_small]
        found = pool.best_fit(size)
        if found is None:
            segment = self._segment_bytes(size, is_small=is_small)
            # Segments do not touch: a gap keeps their blocks from growing together.
            start, block_size = self._next_start, segment
            self._next_start += segment + self._ROUND
            self.held_bytes += segment
        else:
            block_size, start = found
            pool.remove(start)
        rest = block_size - size
        if rest >= self._ROUND if is_small else rest > self._SMALL:
            pool.add(start + size, rest)
        else:
            size = block_size
        self.allocated_bytes += size
        self._placed[owner] = (is_small, start, size)

    def _segment_bytes(self, size: int, *, is_small: bool) -> int:
        if is_small:
            return self._SMALL_SEGMENT
        return self._LARGE_SEGMENT if size < self._OWN_SEGMENT else round_up(size, 2 * MIB)

    def give_back(self, owner: int) -> None:
        """Free the block; its segment stays."""
        if owner not in self._placed:
            return
        is_small, start, size = self._placed.pop(owner)
        self.allocated_bytes -= size
        self._pools[is_small].add(start, size)


def peak_held_bytes(allocator: CachingAllocator, events: Iterable[Event]) -> int:
    """Return the peak bytes that the allocator holds while the events pass."""
    peak = allocator.held_bytes
    for owner, num_bytes in events:
        if num_bytes is None:
            allocator.give_back(owner)
        elif num_bytes > 0:
            allocator.take(owner, num_bytes)
            peak = max(peak, allocator.held_bytes)
    return peak


def round_up(size: int, unit: int) -> int:
    """The smallest multiple of ``unit`` that is not below ``size``."""
    return -(-size // unit) * unit

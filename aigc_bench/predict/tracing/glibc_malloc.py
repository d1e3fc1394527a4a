"""glibc's malloc, as its source has it: what a sequence of tensors costs a process on a CPU beyond the tensors.

torch requests memory aligned to 64 bytes. glibc (malloc/malloc.c, 2.36) looks for a block larger by the alignment and a header,
cuts it, and gives both ends back; so a tensor does not fit the hole that an equal one left, unless a neighbour is free too.
Blocks above a threshold are mapped by themselves and leave no hole; the threshold rises to the largest mapped block that was
freed, up to 32 MiB, and with it (twofold) the free memory at the heap's end above which the end is given back. Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from aigc_bench.predict.tracing.caching_allocator import Event, FreeBlocks, round_up

_ALIGN = 64
# Sizes of malloc/malloc.c on 64 bits: a chunk has an 8-byte size field, chunks are multiples of 16 and at least 32.
_HEADER = 8
_CHUNK = 16
_SMALLEST = 32
_PAGE = 4096
_TOP_PAD = 128 * 1024
_FIRST_THRESHOLD = 128 * 1024
LAST_THRESHOLD = 32 * 2**20
"""Blocks from here on are always mapped (DEFAULT_MMAP_THRESHOLD_MAX on 64 bits)."""
_CACHED = 128
"""Up to this size a freed block waits in a cache of its size, and its neighbours do not grow over it."""
_TRIMS_FROM = 64 * 1024
"""Only freeing a block this large makes glibc look at the end of the heap (FASTBIN_CONSOLIDATION_THRESHOLD)."""


class Malloc:
    """The main arena of a process. ``resident_bytes`` are the heap's touched pages and the mapped blocks.

    The ends that are cut off are small and go to caches, where other code takes them; its own lifetimes are not known. Every
    ``keeps_one_in``-th is taken for good: fitted on the peaks of 12 cases of six families (8 and 32 do nearly as well).
    """

    def __init__(self, *, keeps_one_in: int = 16) -> None:
        self._keeps_one_in = keeps_one_in
        self._num_ends = 0
        self._holes = FreeBlocks()
        self._end = 0
        """Where the last block ends: what lies above, up to ``_limit``, is the top."""
        self._limit = 0
        self._touched = 0
        self._mapped_bytes = 0
        self._mmap_threshold = _FIRST_THRESHOLD
        self._trim_threshold = _FIRST_THRESHOLD
        self._placed: dict[int, tuple[int | None, int]] = {}

    @property
    def resident_bytes(self) -> int:
        """Bytes of the process that these blocks account for."""
        return self._touched + self._mapped_bytes

    def take(self, owner: int, num_bytes: int) -> None:
        """posix_memalign: the best hole, else the top, else a mapping of its own, else a longer heap."""
        need = max(_SMALLEST, round_up(num_bytes + _HEADER, _CHUNK))
        # _int_memalign asks for enough to cut an aligned chunk and still leave a whole chunk in front of it.
        asked = need + _ALIGN + _SMALLEST
        found = self._holes.best_fit(asked)
        if found is not None:
            size, start = found
            self._holes.remove(start)
            self._cut(owner, start, size, need=need)
            return
        if self._limit - self._end < asked + _SMALLEST:
            # sysmalloc maps only after holes and top have failed: a large request that fits a hole is taken from it.
            if asked >= self._mmap_threshold:
                size = round_up(asked + _HEADER, _PAGE)
                self._mapped_bytes += size
                self._placed[owner] = (None, size)
                return
            # brk moves the heap's end by whole pages and M_TOP_PAD more than is needed.
            self._limit = round_up(self._end + asked + _TOP_PAD + _SMALLEST, _PAGE)
        start, self._end = self._end, self._end + asked
        # Only pages up to the last block count as resident: the pad above has never been written.
        self._touched = max(self._touched, self._end)
        self._cut(owner, start, asked, need=need)

    def _cut(self, owner: int, start: int, size: int, *, need: int) -> None:
        """Keep ``need`` bytes whose contents are aligned; both ends are free again."""
        # The contents begin two header fields behind the chunk's start, and it is they that are aligned.
        lead = -(start + 2 * _HEADER) % _ALIGN
        if 0 < lead < _SMALLEST:
            # A lead too short to be a chunk of its own cannot be given back: the next aligned place is taken.
            lead += _ALIGN
        rest = size - lead - need
        if rest < _SMALLEST:
            # The same at the end: what is too short for a chunk stays with this one.
            need, rest = need + rest, 0
        self._placed[owner] = (start + lead, need)
        for end, length in ((start, lead), (start + lead + need, rest)):
            if length and not self._is_kept(length):
                self._free(end, length)

    def _is_kept(self, size: int) -> bool:
        if size > _CACHED:
            return False
        self._num_ends += 1
        return self._num_ends % self._keeps_one_in == 0

    def give_back(self, owner: int) -> None:
        """free: a mapping is gone and raises the threshold; a block joins its neighbours and the top."""
        if owner not in self._placed:
            return
        start, size = self._placed.pop(owner)
        if start is not None:
            self._free(start, size)
            return
        self._mapped_bytes -= size
        # free() of a mapped chunk: mp_.mmap_threshold = its size, mp_.trim_threshold = twice that.
        if self._mmap_threshold < size <= LAST_THRESHOLD:
            self._mmap_threshold, self._trim_threshold = size, 2 * size

    def _free(self, start: int, size: int) -> None:
        start, size = self._holes.add(start, size)
        # The freed block borders on the top and becomes part of it.
        if start + size == self._end:
            self._holes.remove(start)
            self._end = start
            size += self._limit - self._end
        if size >= _TRIMS_FROM and self._limit - self._end >= self._trim_threshold:
            self._limit = round_up(self._end + _TOP_PAD + _SMALLEST, _PAGE)
            # systrim gives whole pages back to the kernel, so they are resident no more.
            self._touched = min(self._touched, self._limit)


def peak_resident_bytes(events: Iterable[Event], *, num_unseen: int = 0) -> int:
    """Return the peak bytes that a process holds for these tensors during the events, the first ``num_unseen`` aside."""
    malloc, peak = Malloc(), 0
    for index, (owner, num_bytes) in enumerate(events):
        if num_bytes is None:
            malloc.give_back(owner)
        elif num_bytes > 0:
            malloc.take(owner, num_bytes)
        # Building has a peak of its own, which the memory model states as another moment.
        if index >= num_unseen:
            peak = max(peak, malloc.resident_bytes)
    return peak

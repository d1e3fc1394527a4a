"""The page cache: dropped for a cold reading, filled for a hot one, and queried for the share of the files that it holds."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterable, Iterator, Sequence

from aigc_bench.data.bad_sample import BadSampleError
from aigc_bench.data.regular import open_regular

WARM_LIMIT_BYTES = 4 << 30
_PAGE = 4096
# The standard error of the share is at most sqrt(0.25 / 64), 6 %.
_PROBES = 64


def drop(path: str) -> None:
    """Let the kernel forget the file's pages (``posix_fadvise(2)``, DONTNEED); clean pages go immediately."""
    with _opened(path) as handle:
        if handle is not None:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def warm(paths: Iterable[str], *, limit_bytes: int = WARM_LIMIT_BYTES) -> None:
    """Read the files once, as far as ``limit_bytes`` go."""
    left = limit_bytes
    for path in paths:
        with _opened(path) as handle, contextlib.suppress(OSError):
            while handle is not None and left > 0 and (block := os.read(handle, 1 << 20)):
                left -= len(block)
        if left <= 0:
            return


def cached_fraction(paths: Sequence[str]) -> float | None:
    """Share of ``_PROBES`` seeded places in the files that can be read without waiting for a disk (``preadv2(2)``, RWF_NOWAIT).

    ``None`` where the kernel or the file system does not know.
    """
    if not paths or not hasattr(os, "RWF_NOWAIT"):
        return None
    draw = random.Random(0)
    held = 0
    for _ in range(_PROBES):
        answer = _is_cached(draw.choice(paths), draw)
        if answer is None:
            return None
        held += answer
    return held / _PROBES


def _is_cached(path: str, draw: random.Random) -> bool | None:
    with _opened(path) as handle:
        if handle is None:
            return False  # it is gone, and in no cache
        try:
            offset = draw.randrange(max(1, os.fstat(handle).st_size)) // _PAGE * _PAGE
            # EAGAIN where the page would have to be read from the disk.
            return os.preadv(handle, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
        except BlockingIOError:
            return False
        except OSError:
            return None


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int | None]:
    """A descriptor of the file; ``None`` where it cannot be opened, which is reported when it is read as a sample."""
    try:
        handle = open_regular(path)
    except (OSError, BadSampleError):
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)

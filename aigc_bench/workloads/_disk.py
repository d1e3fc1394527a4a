"""A scratch file with known content, its page cache under control: what ``probe_disk`` reads and writes.

The file has no name once it is open, so that nothing is left behind however the process ends. Every page is stamped with its
number over seeded random bytes: no two pages are alike, so that a file system that compresses or deduplicates gains nothing,
and what was read can be compared with what was written.
"""

from __future__ import annotations

import errno
import mmap
import os
import random
import shutil
import struct
import tempfile
import weakref
import zlib
from contextlib import suppress
from pathlib import Path

from aigc_bench.core.messages import message
from aigc_bench.core.mounts import mount_of

PAGE_BYTES = 4096
UNIT_BYTES = 1024 * 1024
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs", "hugetlbfs")
FREE_FACTOR = 2
"""A folder must have this multiple of the file's size free."""


class ScratchFile:
    """An open, nameless file in ``folder``; ``buffered`` goes through the page cache, ``direct`` (``O_DIRECT``) past it."""

    def __init__(self, folder: Path, *, seed: int, is_direct: bool) -> None:
        self._unit = random.Random(seed).randbytes(UNIT_BYTES)
        self.buffered, name = tempfile.mkstemp(prefix="aigc-bench-", dir=folder)
        # The nameless file is freed by the kernel with its last descriptor.
        weakref.finalize(self, os.close, self.buffered)
        self.direct: int | None = None
        try:
            if is_direct:
                # A descriptor of its own, since O_DIRECT holds for all that goes through one.
                self.direct = os.open(name, os.O_RDWR | os.O_DIRECT)
                weakref.finalize(self, os.close, self.direct)
        finally:
            Path(name).unlink()

    def content(self, offset: int) -> bytes:
        """The unit of ``UNIT_BYTES`` that belongs at ``offset``, a multiple of it."""
        unit = bytearray(self._unit)
        for at in range(0, UNIT_BYTES, PAGE_BYTES):
            struct.pack_into("<Q", unit, at, (offset + at) // PAGE_BYTES)
        return bytes(unit)

    def fill(self, num_bytes: int) -> None:
        """Write the content through the page cache and have it on the disk; ``num_bytes`` is a multiple of ``UNIT_BYTES``."""
        for offset in range(0, num_bytes, UNIT_BYTES):
            os.pwrite(self.buffered, self.content(offset), offset)
        os.fsync(self.buffered)

    def holds(self, page: bytes | memoryview, *, offset: int) -> bool:
        """Whether a page that was read at ``offset`` is the one that was written there."""
        at = offset % UNIT_BYTES
        stamp = struct.pack("<Q", offset // PAGE_BYTES)
        return bytes(page) == stamp + self._unit[at + len(stamp) : at + PAGE_BYTES]

    def drop(self) -> None:
        """Have the kernel drop the file's pages, all of which are on the disk (posix_fadvise, POSIX_FADV_DONTNEED)."""
        # Dirty pages would stay: `fill` has written them out.
        os.posix_fadvise(self.buffered, 0, 0, os.POSIX_FADV_DONTNEED)

    def is_cached(self, offset: int) -> bool | None:
        """Whether the page at ``offset`` is in the page cache; ``None`` where the file system cannot report it without waiting."""
        try:
            return os.preadv(self.buffered, [bytearray(PAGE_BYTES)], offset, os.RWF_NOWAIT) > 0
        except BlockingIOError:
            return False
        except OSError:
            return None


def aligned_buffer(num_bytes: int) -> mmap.mmap:
    """Return memory that starts on a page, as direct input and output require."""
    # Anonymous memory starts on a page, which bytes of Python's own do not.
    return mmap.mmap(-1, num_bytes)


def checksum(page: bytes | memoryview) -> float:
    """CRC-32 of a page."""
    return float(zlib.crc32(page))


def default_folder() -> Path:
    """``$TMPDIR`` where it is set, else ``/var/tmp``, which a system keeps on a disk; else the system's temporary folder."""
    if os.environ.get("TMPDIR"):
        return Path(os.environ["TMPDIR"])
    # /tmp is often in memory.
    persistent = Path("/var/tmp")
    return persistent if persistent.is_dir() else Path(tempfile.gettempdir())


def file_system(folder: Path) -> str | None:
    """Type of the file system that holds ``folder`` (``ext4``), ``None`` where it is not listed."""
    mount = mount_of(folder)
    return mount.kind if mount else None


def refusal(folder: Path, *, num_bytes: int, is_direct: bool) -> str | None:
    """Why a file of that size cannot be probed in ``folder``, or ``None``."""
    other = message("name another folder in settings.folder")
    if not folder.is_dir():
        return message("{folder} is not a folder; {other}", folder=folder, other=other)
    kind = file_system(folder)
    if kind in MEMORY_FILE_SYSTEMS:
        return message("{folder} lies in memory ({kind}), not on a disk; {other}", folder=folder, kind=kind, other=other)
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < FREE_FACTOR * num_bytes:
        return message(
            "{folder} has {free_mib} MiB free, {needed_mib} MiB are needed; {other}",
            folder=folder,
            free_mib=free_bytes // 2**20,
            needed_mib=FREE_FACTOR * num_bytes // 2**20,
            other=other,
        )
    try:
        probe = ScratchFile(folder, seed=0, is_direct=is_direct)
        if probe.direct is not None:
            _read_direct(probe)
    except OSError as problem:
        if is_direct and problem.errno == errno.EINVAL:
            return message(
                "{kind} at {folder} offers no O_DIRECT; use settings.cache = 'dropped'",
                kind=kind or message("the file system"),
                folder=folder,
            )
        reason = problem.strerror.lower() if problem.strerror else message("cannot be written")
        return message("{folder}: {reason}; {other}", folder=folder, reason=reason, other=other)
    return None


def _read_direct(probe: ScratchFile) -> None:
    """Some file systems refuse ``O_DIRECT`` only when it is used."""
    assert probe.direct is not None, "the file was opened for it"
    os.ftruncate(probe.buffered, PAGE_BYTES)
    with suppress(BlockingIOError):
        os.preadv(probe.direct, [aligned_buffer(PAGE_BYTES)], 0)

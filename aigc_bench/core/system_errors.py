"""Errors of the operating system as one line: which file, why, and what to do about it."""

from __future__ import annotations

import errno
import os

from aigc_bench.core.messages import joined, message

REMEDIES = {
    errno.ENOSPC: message("Free some space there, or name another place."),
    errno.EDQUOT: message("Free some of your quota there, or name another place."),
    errno.EFBIG: message("Raise the limit of file sizes: ulimit -f."),
    errno.EACCES: message("Name a place that you may read or write."),
    errno.EPERM: message("Name a place that you may read or write."),
    errno.EROFS: message("It is mounted read-only: name another place."),
    errno.ENOENT: message("Name a place that exists."),
    errno.EEXIST: message("Name a path that does not exist yet, or a folder."),
    errno.ENOTDIR: message("A part of the path is a file, not a folder: name another path."),
    errno.ENAMETOOLONG: message("Name a shorter one."),
    errno.EMFILE: message("Raise the limit of open files: ulimit -n."),
    errno.ENOMEM: message("Free some memory first."),
    errno.EIO: message("The device or its connection fails: see `dmesg`."),
    errno.ESTALE: message("The file server has replaced it: mount it again."),
}
"""Number of an error -> what the user can do."""

CURRENT_FOLDER_GONE = message("the current folder was removed. Change to one that exists: cd.")


def in_one_line(problem: OSError) -> str:
    """``reports/x.html: permission denied. Name a place that you may read or write.``"""
    # Of a rename or link the second name is the place that was to be written.
    where = problem.filename2 or problem.filename
    is_relative = where is None or (isinstance(where, str) and not where.startswith("/"))
    # Every relative path fails then, and the file's own name would mislead.
    if problem.errno == errno.ENOENT and is_relative and is_current_folder_gone():
        return CURRENT_FOLDER_GONE
    said = (problem.strerror or str(problem) or type(problem).__name__).lower().rstrip(".")
    place = f"{where}: " if isinstance(where, str) and where else "" if where is None else f"{where!r}: "
    remedy = REMEDIES.get(problem.errno or 0, "")
    parts = [place + said + "." if place else message("cannot write or read: {said}.", said=said)]
    return joined(" ", [*parts, remedy] if remedy else parts)


def is_current_folder_gone() -> bool:
    """Whether the folder that this process was started in has been removed since."""
    try:
        os.getcwd()  # noqa: PTH109 - nothing is made of the path
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def folder_for_children() -> str | None:
    """Where a child process starts: here (``None``), or at the root where this folder was removed: torch cannot be loaded there."""
    return os.sep if is_current_folder_gone() else None


# glibc's loader, libstdc++, OpenMP and Python have no common code for it, only words.
_NO_ROOM_WORDS = (
    "failed to map segment from shared object",
    "cannot allocate memory",
    "memoryerror",
    "can't allocate memory",
    "bad_alloc",
    "can't start new thread",
    "thread creation failed",
    "pthread_create failed",
    "failed to create thread",
)
"""Messages of loaders, allocators and thread pools that run out of memory (or threads), in lower case."""


def names_exhausted_memory(text: str) -> bool:
    """Whether these last words of a process say that it could not get memory or another thread."""
    lowered = text.lower()
    return any(words in lowered for words in _NO_ROOM_WORDS)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an error, or what it arose from, is that the system gave no more memory or no further thread."""
    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno == errno.ENOMEM):
            return True
        # A library that cannot be mapped is an ImportError, a thread that cannot start a RuntimeError.
        if isinstance(seen, ImportError | RuntimeError | SystemError) and names_exhausted_memory(str(seen)):
            return True
        # Libraries raise errors of their own from the one that says why.
        seen = seen.__cause__ or seen.__context__
    return isinstance(problem, SystemError | ImportError) and _is_near_limit()


def out_of_memory_words() -> str:
    """``memory is exhausted: this process may have 300 MiB (ulimit -v). Raise that limit, or free some memory.``"""
    limit = _limit_bytes()
    if limit is None:
        return message("memory is exhausted. Free some memory, or take a machine or container with more.")
    return message(
        "memory is exhausted: a process may use {limit} MiB here (ulimit -v). Raise that limit: ulimit -v unlimited.",
        limit=limit >> 20,
    )


def _limit_bytes() -> int | None:
    """The limit of this process's address space, ``None`` where there is none."""
    try:
        import resource

        # The soft limit is the one that is enforced.
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit


def _is_near_limit() -> bool:
    """Return whether this process holds most of its allowed address space; C code reports that condition poorly or not at all."""
    limit = _limit_bytes()
    if limit is None:
        return False
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - with next to no memory left
            held = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, MemoryError):
        # Where not even this file can be read, there is no room.
        return True
    return held > limit // 2

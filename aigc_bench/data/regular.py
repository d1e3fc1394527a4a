"""Regular files and nothing else: a FIFO would block the reader, and opening a device may have side effects."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from aigc_bench.core.messages import message
from aigc_bench.data.bad_sample import BadSampleError, reason_of

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

_OF_A_RUN = {"run.json", "results.jsonl"}
"""A run that is written below the data would be read as text, and change the data with every trial."""


class Entry(NamedTuple):
    """A path below a folder, and its status or why it has none; ``is_folder`` where a whole folder is left out."""

    path: str
    status: os.stat_result | None
    problem: str | None = None
    is_folder: bool = False


def open_regular(path: str) -> int:
    """Open a regular file for reading and return its descriptor; raise ``OSError``, or ``BadSampleError`` for any other kind.

    The kind is looked at again once it is open, as the file may have been replaced since it was listed; ``O_NONBLOCK`` lets
    the opening of a FIFO return.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        refuse_irregular(os.fstat(handle).st_mode)
    except BaseException:
        os.close(handle)
        raise
    return handle


def open_file(path: str, *, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading; the errors are those of ``open_regular``."""
    return open(path, "rb", buffering=buffering, opener=lambda name, flags: open_regular(name))


def refuse_irregular(mode: int) -> None:
    """Raise ``BadSampleError`` that says what the thing is, where it is no regular file."""
    if not stat.S_ISREG(mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(mode)), message("something else"))
        raise BadSampleError(message("not a regular file: {kind}", kind=kind))


def walk(root: str, suffixes: frozenset[str]) -> Iterator[Entry]:
    """Yield the files below a folder that end in one of the suffixes, those of a folder before those of its folders, sorted.

    Links to files are followed. Links to folders are not, so that nothing is read twice or without end: they are named, as
    folders that cannot be listed and those of runs are.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as problem:
            yield Entry(folder, None, message("the folder cannot be listed: {reason}", reason=reason_of(problem)), is_folder=True)
            continue
        if {entry.name for entry in entries} >= _OF_A_RUN:
            yield Entry(folder, None, message("a run of aigc-bench is no data"), is_folder=True)
            continue
        # A stack, filled in reverse: folders come out sorted.
        waiting += [entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]
        for entry in entries:
            is_known = os.path.splitext(entry.name)[1].lower() in suffixes  # noqa: PTH122 - a million Path objects are slow
            if (is_known or entry.is_symlink()) and not entry.is_dir(follow_symlinks=False):
                yield from _looked_at(entry, is_known=is_known)


def _looked_at(entry: os.DirEntry[str], *, is_known: bool) -> Iterator[Entry]:
    try:
        status = entry.stat()
        if stat.S_ISDIR(status.st_mode):
            yield Entry(entry.path, None, message("a link to a folder is not followed"), is_folder=True)
            return
        if is_known:
            refuse_irregular(status.st_mode)
            yield Entry(entry.path, status)
    except (OSError, BadSampleError) as problem:
        if is_known:
            words = (
                message("a link to nothing")
                if isinstance(problem, FileNotFoundError) and entry.is_symlink()
                else reason_of(problem)
            )
            yield Entry(entry.path, None, words)

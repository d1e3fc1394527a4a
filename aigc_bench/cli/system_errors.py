"""What the operating system refused, told in one line: which file, why, and what to do about it."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterable
from typing import TextIO

REMEDIES = {
    errno.ENOSPC: "Free some space there, or name another place.",
    errno.EDQUOT: "Free some of your quota there, or name another place.",
    errno.EACCES: "Name a place that you may read or write.",
    errno.EPERM: "Name a place that you may read or write.",
    errno.EROFS: "It is mounted read-only: name another place.",
    errno.ENOENT: "Name a place that exists.",
    errno.EEXIST: "Name another place.",
    errno.ENOTDIR: "Something on its way is a file, not a folder: name another place.",
    errno.ENAMETOOLONG: "Name a shorter one.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n.",
    errno.ENOMEM: "Free some memory first.",
}
"""Number of an error -> what the user can do."""


def in_one_line(problem: OSError) -> str:
    """``reports/x.html: permission denied. Name a place that you may read or write.``"""
    said = (problem.strerror or str(problem) or type(problem).__name__).lower().rstrip(".")
    where = problem.filename2 or problem.filename
    place = f"{where}: " if isinstance(where, str) and where else "" if where is None else f"{where!r}: "
    remedy = REMEDIES.get(problem.errno or 0, "")
    return f"{place}{said}. {remedy}".rstrip() if place else f"cannot write or read: {said}. {remedy}".rstrip()


def show_what_can_be_shown(streams: Iterable[TextIO | None]) -> None:
    """On a terminal that is not UTF-8, write ``?`` for a dash or a micro sign instead of failing in the middle of a table."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            stream.reconfigure(errors="replace")


def is_utf8(stream: TextIO) -> bool:
    """Whether every character can be written to the stream; one that names no encoding takes anything."""
    encoding = getattr(stream, "encoding", None)
    return encoding is None or encoding.lower().replace("-", "").replace("_", "").startswith("utf")

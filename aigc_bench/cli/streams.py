"""Prepare the standard streams, which may be closed, ended early, or in another encoding."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable
from typing import TextIO


def open_missing_streams() -> None:
    """Open closed streams (``>&-``) on ``/dev/null``, so that no other file gets their number and receives stray prints."""
    # In rising order, as each open takes the lowest number that is free.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system hands out the lowest number that is free: this one
    # Python leaves None for a stream that was closed at start; closefd=False keeps the number taken when the object goes.
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, "r", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def restart_in_utf8_mode() -> None:
    """Restart in Python's UTF-8 mode if the locale is ASCII only (``LC_ALL=C PYTHONUTF8=0``).

    Non-ASCII file names are surrogate escapes there, which cannot be written to UTF-8 files or sent to other processes. Names in
    the encoding of another locale (GBK) are read unchanged.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding() not in ("ascii", "us-ascii"):
        return
    os.environ["PYTHONUTF8"] = "1"
    # The mode is fixed at start, so the process replaces itself; orig_argv keeps -m and the interpreter's own options.
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def show_what_can_be_shown(streams: Iterable[TextIO | None]) -> None:
    """On a terminal that is not UTF-8, write ``?`` for a dash or a micro sign instead of failing."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            # Only the handler of errors changes, not the encoding: the terminal still decodes what it expects.
            stream.reconfigure(errors="replace")


def is_utf8(stream: TextIO) -> bool:
    """Return whether every character can be written to the stream; True for a stream without an encoding."""
    encoding = getattr(stream, "encoding", None)
    return encoding is None or encoding.lower().replace("-", "").replace("_", "").startswith("utf")


def give_up_output() -> None:
    """Discard buffered output, so that the interpreter does not fail on it at exit."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            # The buffer then drains into /dev/null when the interpreter flushes it at exit.
            os.dup2(nothing, stream.fileno())
            os.close(nothing)

"""What ends a command from outside: Ctrl-C, SIGTERM, and SIGHUP (the terminal or connection is gone) are one and the same.

    first     raises ``KeyboardInterrupt``; while something is being closed, it waits until that is done
    second    waits until what the first one ended is closed, which then writes nothing more
    third     ends the process where it is

A signal that was ignored when the program started (``nohup``, a background job) stays ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# 128 + SIGINT (2), as shells report it.
EXIT_CODE = 130


class Interrupts:
    """The interrupts since the start of a block, and whether one may break in now."""

    def __init__(self) -> None:
        self.count = 0
        self._is_held = False
        self._is_due = False

    def take(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a signal. One that is raised holds back those after it, so that what it unwinds is unwound to the end."""
        self.count += 1
        if not self._is_held:
            self._is_held = True
            raise KeyboardInterrupt
        if self.count > 2:
            # Not sys.exit(): it raises, and a ``finally`` block that hangs would hold it up.
            os._exit(EXIT_CODE)
        self._is_due = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a block finish before any interrupt is handled."""
        before, self._is_held = self._is_held, True
        try:
            yield
        finally:
            self._is_held = before

    def settle(self) -> None:
        """Raise the interrupt that was held back, if there is one."""
        if self._is_due:
            self._is_due = False
            raise KeyboardInterrupt


@contextmanager
def terminated_as_interrupt() -> Iterator[Interrupts]:
    """Take the signals of a block; outside the main thread they are left alone."""
    interrupts = Interrupts()
    try:
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            # None: a handler that C code installed, which Python could not put back.
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, interrupts.take)
    # signal.signal() raises it outside of the main thread.
    except ValueError:
        yield interrupts
        return
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)

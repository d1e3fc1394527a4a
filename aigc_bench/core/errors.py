"""The errors a user can meet, and the exit code each one ends with.

    AigcBenchError            something went wrong; one line says what, a hint says what to do    exit 1
    └── UsageError            the command, a file or a key is wrong; nothing was written          exit 2
        └── UnknownNameError  a name that is not registered, with the nearest ones that are       exit 2

A failed case is not an error: it is a result with a status. A programmer's mistake is an ``assert`` with a sentence.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar

from aigc_bench.core.messages import message, translated
from aigc_bench.core.visible import visible

options_are_flags: ContextVar[bool] = ContextVar("options_are_flags", default=False)
"""Whether the reader typed flags, as the command line sets it; for a program ``api.arguments`` names keywords instead."""

_MOST_CHARACTERS = 2_400
"""Of an error with all its lines, about as much as a screen shows."""
_MOST_LINES = 20
_BEGIN, _END = 600, 300
"""Of a line that is longer than both."""
_LONGEST_NAME = 80
_MOST_NAMES = 60
"""Known names that one line takes; there are hundreds of regions and accelerators."""


class AigcBenchError(Exception):
    """A problem as one line; printed in one place (``cli.main``), never as a traceback.

    ``details`` are further lines, one for each of several mistakes: a newline inside a message is never the end of a line.
    What does not fit a screen is cut: a file may hold ten thousand mistakes, and a key of a million letters.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    @property
    def lines(self) -> tuple[str, ...]:
        """The message with its hint, then the details."""
        return self._lines(str)

    @property
    def translated_lines(self) -> tuple[str, ...]:
        """The same in the reader's language."""
        return self._lines(translated)

    def _lines(self, show: Callable[[str], str]) -> tuple[str, ...]:
        first = " ".join(_cut(show(part)) for part in (self.message, self.hint) if part is not None)
        details = [_cut(show(line)) for line in self.details]
        # Cut by length and by number of lines, whichever is reached first.
        lengths = itertools.accumulate(map(len, details), initial=len(first))
        ends = itertools.islice(lengths, 1, None)
        fitting = [line for line, end in zip(details, ends, strict=True) if end <= _MOST_CHARACTERS]
        # One line more is allowed where it is the last: "and 1 more" would take as much room.
        kept = details if len(fitting) == len(details) <= _MOST_LINES + 1 else fitting[:_MOST_LINES]
        more = [message("  and {num_more:,} more", num_more=len(details) - len(kept))] if len(details) > len(kept) else []
        return (first, *kept, *map(show, more))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _cut(line: str) -> str:
    """The line, or its begin and its end where it is long: the end says what is wrong."""
    line = visible(line)  # before it is measured: a NUL is shown as four characters
    return line if len(line) <= _BEGIN + _END else f"{line[:_BEGIN]} ... {line[-_END:]}"


class UsageError(AigcBenchError):
    """The user's request cannot be done as written."""

    exit_code = 2


class FileWarning(UserWarning):
    """What was assumed in order to read a file, such as its encoding; the command line prints it as a note."""


class UnknownNameError(UsageError):
    """An unknown name, reported together with the known ones."""

    def __init__(self, kind: str, name: str, *, known: Iterable[str], where: str | None = None) -> None:
        choices = sorted(known)
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
        near = difflib.get_close_matches(shown, choices, n=3, cutoff=0.5)  # its time grows with the length of the name
        place = f"{where}: " if where else ""
        more = message(" and {num_more} more", num_more=len(choices) - _MOST_NAMES) if len(choices) > _MOST_NAMES else ""
        hint = (
            message("Did you mean {near}?", near=" or ".join(near))
            if near
            else message("Known: {choices}{more}.", choices=", ".join(choices[:_MOST_NAMES]) or "none", more=more)
        )
        super().__init__(message("{place}unknown {kind} {shown!r}.", place=place, kind=kind, shown=shown), hint)

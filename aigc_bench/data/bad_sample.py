"""Why a sample cannot be used, in plain words: one printable line of UTF-8 without Python internals."""

from __future__ import annotations

import re

from aigc_bench.core.messages import message
from aigc_bench.core.visible import visible

NAME_CHARS, REASON_CHARS = 300, 200
_OBJECT = re.compile(r"<(?:class |function |module |[\w.]+ object\b)[^<>]*>|<[^<>]*\bat 0x[0-9a-fA-F]+[^<>]*>")
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (MemoryError, message("not enough memory to decode it")),
    (RecursionError, message("nested too deeply")),
)


class BadSampleError(ValueError):
    """A sample that cannot be used; its message is the reason, ready to be read."""


def reason_of(problem: Exception) -> str:
    """Return one line for a user, from any exception: what is wrong with the sample."""
    if isinstance(problem, BadSampleError):
        return shown(str(problem), limit=REASON_CHARS)
    for kind, words in _WORDS:
        if isinstance(problem, kind):
            return words
    if isinstance(problem, UnicodeDecodeError):
        return message("not UTF-8: byte 0x{byte:02x} at {place}", byte=problem.object[problem.start], place=problem.start)
    stated = getattr(problem, "strerror", None)  # of OSError and of PyAV's errors: without the number and the place
    if isinstance(stated, str) and stated:
        return shown(stated[0].lower() + stated[1:], limit=REASON_CHARS)
    text = _OBJECT.sub("the data", (str(problem).strip().splitlines() or [""])[0])
    # The text of a KeyError is the key alone, which says nothing to a user.
    if not text or isinstance(problem, LookupError):
        return message("cannot be decoded ({type})", type=type(problem).__name__)
    return shown(message("cannot be decoded: {text}", text=text), limit=REASON_CHARS)


def shown(text: str, *, limit: int = NAME_CHARS) -> str:
    """Return a name as it can be written anywhere: bytes that are not UTF-8 and characters that do not print become escapes.

    The middle of what is longer than ``limit`` is left out.
    """
    if not text.isprintable():  # lone surrogates do not print either
        try:
            raw = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # a surrogate that stands for no byte
            raw = text.encode("utf-8", "backslashreplace")
        text = raw.decode("utf-8", "backslashreplace")
        text = visible(text)
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]} ... {text[len(text) - limit // 2 :]}"

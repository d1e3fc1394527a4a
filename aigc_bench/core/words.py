"""From the words of a command to settings: ``prompt_len=2048`` is a name and a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MAX_DIGITS, SMALLEST, parse_number, problem_of
from aigc_bench.core.records import Setting

Number = TypeVar("Number", int, float)


def parse_settings(words: Sequence[str], *, option: str = "--set") -> dict[str, Setting]:
    """Return ``("prompt_len=2048", "steps=30")`` as settings, numbers and booleans as such.

    Raises ``UsageError`` for what is no setting, and for a number outside the limits of files (``core.numbers``).
    """
    found: dict[str, Setting] = {}
    for word in words:
        key, separator, text = word.partition("=")
        if not separator or not key:
            raise UsageError(
                message("{option} {word}: not a setting.", option=option, word=word[:60]),
                message("Write {option} name=value.", option=option),
            )
        try:
            found[key.strip()] = _setting(text.strip())
        except ValueError as problem:
            raise UsageError(message("{option} {word}: {problem}.", option=option, word=word[:60], problem=problem)) from None
    return found


_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)|[+-]?\d[\d_]*_[\d_.]*", re.ASCII | re.IGNORECASE)


def _setting(text: str) -> Setting:
    """The value; raises ``ValueError`` for a number that no setting can have."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NO_NUMBER.fullmatch(text):
        parse_number(text)  # says why it is refused
    # int() would lose the sign of -0, which is refused.
    if _WHOLE.fullmatch(text) and text not in ("-0", "+0"):
        if len(text) > MAX_DIGITS:
            raise ValueError(message("must have at most {max_digits} digits", max_digits=MAX_DIGITS))
        return _sound(int(text))
    try:
        number = float(text)
    except ValueError:
        return text
    # float() turns what is too small into 0; it is refused like others that are too small.
    return _sound(number if number or not text.strip("+-.0eE") else SMALLEST / 10)


def _sound(number: Number) -> Number:
    problem = problem_of(number)
    if problem is not None:
        raise ValueError(problem)
    return number

"""JSON as text that is safe to show: the same value for every reader, without terminal control characters."""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from aigc_bench.core.visible import HIDDEN

_CONSTANTS = {True: "true", False: "false", None: "null"}


def json_text(value: Any, *, is_ascii: bool = False) -> str:
    r"""Return ``value`` as indented JSON; raises ``ValueError`` for a number that JSON cannot write (infinity).

    Hidden characters (``core.visible``) stand as ``\u202e`` inside their strings, which every parser reads back as they were; a
    lone surrogate too, so that the text can always be encoded. ``is_ascii`` escapes everything beyond ASCII.
    """
    return _Writer(is_ascii=is_ascii).text(value)


class _Writer:
    """Write the bytes of ``json.dumps(indent=2)``, whose indenting encoder is a generator a level: a plan has 600,000 values."""

    def __init__(self, *, is_ascii: bool) -> None:
        self._quoted = encode_basestring_ascii if is_ascii else encode_basestring
        self._parts: list[str] = []

    def text(self, value: Any) -> str:
        self._write(value, "\n")
        return "".join(self._parts)

    def _write(self, value: Any, line: str) -> None:
        """Write a value; ``line`` begins a line at its own indent."""
        if isinstance(value, str):
            self._parts.append(self._string(value))
        elif value is None or value is True or value is False:
            self._parts.append(_CONSTANTS[value])
        elif isinstance(value, dict):
            self._write_dict(value, line)
        elif isinstance(value, list | tuple):
            self._write_list(value, line)
        else:
            self._parts.append(_number(value))

    def _write_dict(self, value: dict[Any, Any], line: str) -> None:
        deeper, before = line + "  ", "{"
        for key, one in value.items():
            self._parts += (before, deeper, self._string(_key(key)), ": ")
            self._write(one, deeper)
            before = ","
        self._parts.append(f"{line}}}" if value else "{}")

    def _write_list(self, value: list[Any] | tuple[Any, ...], line: str) -> None:
        deeper, before = line + "  ", "["
        for one in value:
            self._parts += (before, deeper)
            self._write(one, deeper)
            before = ","
        self._parts.append(f"{line}]" if value else "[]")

    def _string(self, text: str) -> str:
        quoted = self._quoted(text)
        # The encoder has escaped what is below a space, so most strings are plain and end here.
        return quoted if quoted.isascii() and "\x7f" not in quoted else HIDDEN.sub(_escape, quoted)


def _key(key: Any) -> str:
    """Return a key as JSON writes it: numbers and constants become strings."""
    return key if isinstance(key, str) else json.dumps(key, allow_nan=False)


def _number(value: Any) -> str:
    """Return a number; everything else is left to the standard encoder, which refuses what it does not know."""
    if isinstance(value, float) and math.isfinite(value):
        return float.__repr__(value)
    return json.dumps(value, allow_nan=False)


def _escape(found: re.Match[str]) -> str:
    r"""``\u202e``, of two halves beyond the basic plane."""
    # JSON escapes count UTF-16 units; surrogatepass keeps halves that are not valid text.
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

"""JSON as text that is safe to show: the same value for every reader, without terminal control characters."""

from __future__ import annotations

import json
import re
from typing import Any

from aigc_bench.core.visible import HIDDEN


def json_text(value: Any, *, is_ascii: bool = False) -> str:
    r"""Return ``value`` as indented JSON; raises ``ValueError`` for a number that JSON cannot write (infinity).

    Hidden characters (``core.visible``) stand as ``\u202e`` inside their strings, which every parser reads back as they were; a
    lone surrogate too, so that the text can always be encoded. ``is_ascii`` escapes everything beyond ASCII.
    """
    # Outside of strings this has no hidden character but the newlines of the indent, so one substitution is safe.
    text = json.dumps(value, indent=2, ensure_ascii=is_ascii, allow_nan=False)
    return HIDDEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    r"""``\u202e``, of two halves beyond the basic plane; the newlines between the lines of the document stay."""
    if found[0] == "\n":
        return "\n"
    # JSON escapes count UTF-16 units; surrogatepass keeps halves that are not valid text.
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

"""Text from outside, made safe to show: what a terminal, a browser or a reader would obey or not see is written as an escape.

Names and messages come from files, drivers, libraries and other people. ESC starts a terminal's commands (ECMA-48), a bidi override
turns the order of what follows (UAX #9), a zero-width character makes two names look like one (UTS #39).
"""

from __future__ import annotations

import re

_RANGES = (
    (0x00, 0x1F),  # C0: ESC, BEL, newline, tab ...
    (0x7F, 0x9F),  # DEL, and C1: CSI and OSC in one character
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),  # combining grapheme joiner
    (0x61C, 0x61C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers, blank letters
    (0x180E, 0x180E),  # Mongolian vowel separator
    (0x200B, 0x200F),  # zero width, and the marks of direction
    (0x2028, 0x202E),  # line and paragraph separators, bidi embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidi isolates
    (0x3164, 0x3164),  # Hangul filler
    (0xD800, 0xDFFF),  # lone surrogates: bytes of a file name that are not UTF-8
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xFFF9, 0xFFFB),  # interlinear annotations
    (0x13430, 0x1345F),  # controls of Egyptian hieroglyphs
    (0x1BCA0, 0x1BCA3),  # controls of shorthand
    (0x1D173, 0x1D17A),  # controls of musical notation
    (0xE0000, 0xE0FFF),  # tags: a whole text that is not seen
)
"""Code points that are escaped: of the categories Cc, Cf, Cs, Zl and Zp all but Arabic and Kaithi number signs, which are seen."""

HIDDEN = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in _RANGES)}]")
"""One character that is never shown as it is."""
_HIDDEN_IN_LINES = re.compile(f"(?!\\n){HIDDEN.pattern}")
"""The same without the newline, of which a document has a hundred thousand."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, *, keep: str = "") -> str:
    r"""Return the text with its hidden characters as ``\n``, ``\x1b`` or ``\u202e``, but for those in ``keep``.

    Text without any is returned as it is, and so is what has been through here: it can be applied twice.
    """
    hidden = _HIDDEN_IN_LINES if keep == "\n" else HIDDEN
    return hidden.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

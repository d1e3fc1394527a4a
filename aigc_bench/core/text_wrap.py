"""Wrap text by the cells that a terminal shows: a Chinese character takes two, and a line may break after each."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

_WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
# The wide blocks of Unicode's EastAsianWidth. Closing marks stay with what is before them, opening ones with what follows.
_OPENING, _CLOSING = "（「『《〈【“", "，。、；：？！）」』》〉】”,.;:!?)"
_PIECES = re.compile(rf"\s+|[{_OPENING}]*[{_WIDE}][{_CLOSING}]*|[^\s{_WIDE}]+[{_CLOSING}]*")
_HAS_WIDE = re.compile(f"[{_WIDE}]")


def cells(text: str) -> int:
    """Return the cells of a terminal that a text takes: two for each Chinese character."""
    if text.isascii():
        return len(text)
    # Imported only for text beyond ASCII: ``--help`` and short commands must not wait for rich.
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int, *, initial_indent: str = "", subsequent_indent: str = "", on_hyphens: bool = True) -> list[str]:
    """Return the lines of a text within ``width`` cells; words longer than a line are not broken, Chinese text is."""
    if not _HAS_WIDE.search(text):
        return textwrap.wrap(
            text,
            width=width,
            initial_indent=initial_indent,
            subsequent_indent=subsequent_indent,
            break_long_words=False,
            break_on_hyphens=on_hyphens,
        )
    return list(_lines(" ".join(text.split()), width, initial_indent, subsequent_indent))


def _lines(text: str, width: int, first: str, others: str) -> Iterator[str]:
    line, size, is_empty = first, cells(first), True
    for piece in _PIECES.findall(text):
        wide = cells(piece)
        if not is_empty and size + wide > width and not piece.isspace():
            yield line.rstrip()
            line, size, is_empty = others, cells(others), True
        # A space at the start of a line would shift its indent.
        if is_empty and piece.isspace():
            continue
        line, size, is_empty = line + piece, size + wide, False
    if not is_empty:
        yield line.rstrip()

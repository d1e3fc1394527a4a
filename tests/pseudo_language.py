"""A made-up language, "[Ƥřḗḓīƈŧ]": every message with accents in brackets, so that a text that is not translated is seen."""

from __future__ import annotations

import gettext
import io
import re
import struct

from tools.messages import TEMPLATE, read_template

_PLAIN = "AaBbCcDdEeFfGgHhIiJjKkLlMmNnOoPpQqRrSsTtUuVvWwYyZz"
_ACCENTED = "ȦȧƁƀĆƈĎḓĒḗƑƒĠɠĦħĪīĴĵĶķĿŀḾḿƝƞŌǿƤƥꝖꝗŘřŞşŦŧŬŭṼṽẆẇẎẏẐẑ"
_ACCENTS = str.maketrans(_PLAIN, _ACCENTED)
_KEPT = re.compile(r"\{\{|\}\}|\{[^{}]*\}|<[^>]*>|&\w+;|`[^`]*`")
"""Parts of a template that translators leave as they are: placeholders, tags, entities, commands."""


def pseudo(text: str) -> str:
    """Return ``[Ƥřḗḓīƈŧ {what}]`` for ``Predict {what}``."""
    parts, end = [], 0
    for kept in _KEPT.finditer(text):
        parts += [text[end : kept.start()].translate(_ACCENTS), kept[0]]
        end = kept.end()
    return f"[{''.join(parts)}{text[end:].translate(_ACCENTS)}]"


def catalogue() -> bytes:
    """Return the language's messages as a compiled catalogue, made from the package's template."""
    texts = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"}
    for one, other in read_template(TEMPLATE.read_text(encoding="utf-8")):
        key = f"{one}\0{other}" if other else one
        texts[key] = f"{pseudo(one)}\0{pseudo(other)}" if other else pseudo(one)
    return _compiled(texts)


def _compiled(texts: dict[str, str]) -> bytes:
    """Return a catalogue in the format of GNU gettext (its manual, "The Format of GNU MO Files"), without a hash table."""
    pairs = sorted((key.encode(), text.encode()) for key, text in texts.items())
    start = 28 + 16 * len(pairs)  # 7 words of header, then 2 tables of (length, offset)
    body, tables = b"", ([], [])
    for column, table in enumerate(tables):
        for pair in pairs:
            table += [len(pair[column]), start + len(body)]
            body += pair[column] + b"\0"
    header = [0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start]
    return struct.pack(f"<{len(header) + 4 * len(pairs)}I", *header, *tables[0], *tables[1]) + body


def translations() -> gettext.GNUTranslations:
    """Return the language as the package would load it."""
    return gettext.GNUTranslations(io.BytesIO(catalogue()))

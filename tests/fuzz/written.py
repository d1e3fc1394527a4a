"""Trees as TOML and JSON, odd keys, doubled keys and bare tokens included. Lone surrogates become bytes that are no UTF-8."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from tests.fuzz.values import Pairs, Token


def as_toml(tree: Any) -> bytes:
    """The tree as TOML: tables and lists of tables at the top under headers, all that lies deeper inline."""
    if not isinstance(tree, Pairs):
        return _encoded(f"value = {_inline(tree)}\n")
    lines, sections = [], []
    for key, value in tree:
        if isinstance(value, Pairs) and value and all(isinstance(inner, Pairs) for _, inner in value):
            for name, inner in value:
                sections += [f"[{_key(key)}.{_key(name)}]", *(f"{_key(deep)} = {_inline(given)}" for deep, given in inner)]
        elif isinstance(value, Pairs):
            sections += [f"[{_key(key)}]", *(f"{_key(inner)} = {_inline(given)}" for inner, given in value)]
        elif isinstance(value, list) and not isinstance(value, Pairs) and value and all(isinstance(one, Pairs) for one in value):
            for one in value:
                sections += [f"[[{_key(key)}]]", *(f"{_key(inner)} = {_inline(given)}" for inner, given in one)]
        else:
            lines.append(f"{_key(key)} = {_inline(value)}")
    return _encoded("\n".join([*lines, *sections, ""]))


def as_json(tree: Any) -> bytes:
    """The tree as JSON."""
    return _encoded(_json(tree))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def _key(key: str) -> str:
    return key if key and key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _quoted(key)


def _quoted(text: str) -> str:
    """A basic string; most control characters are escaped, as a file must, a lone surrogate is not."""
    made = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return made if len(text) % 7 else made.replace("\\u001b", "\x1b")


def _inline(value: Any) -> str:
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return '""'
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{_key(key)} = {_inline(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return value.isoformat() if isinstance(value, datetime | date | time) else _quoted(str(value))


def _json(value: Any) -> str:
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_json(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    assert not isinstance(value, Mapping), "tables of a tree are Pairs"
    return json.dumps(value, ensure_ascii=len(str(value)) % 2 == 0)

"""``--set KEY=VALUE``: a demand as its file says, but for single keys.

``services.chat.users=30000`` is the key ``users`` of the ``[[service]]`` named ``chat``; ``site.pue=1.2``,
``constraints.confidence=0`` and ``availability=0.99`` are keys of tables and of the demand itself. A value is written as in the
file: ``30000``, ``"2 s"``, ``true``, ``["us", "eu"]``; a text may stand without quotes.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from aigc_bench.core.document import parse_toml
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message

_LONGEST = 10_000


def changed(raw: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return a demand as read from its file with keys replaced; raise ``UsageError`` for one that leads nowhere.

    Whether a key exists and its value is allowed is checked as for the file itself.
    """
    made: dict[str, Any] = copy.deepcopy(dict(raw))
    for change in changes:
        key, mark, text = change.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not mark or not all(parts):
            raise UsageError(
                message("--set {change!r} must be KEY=VALUE.", change=change), message("Write --set services.chat.users=30000.")
            )
        table, name = _table(made, parts, change=change)
        table[name] = _value(text.strip(), key=key.strip())
    return made


def _table(made: dict[str, Any], parts: Sequence[str], *, change: str) -> tuple[dict[str, Any], str]:
    """Return the table that holds the key, and the key's last name."""
    if len(parts) == 1:
        return made, parts[0]
    for kind in (parts[0], parts[0].removesuffix("s")):
        # [[service]] is a list of tables, of which services.chat names one.
        if isinstance(made.get(kind), list):
            return _named(made, parts, kind=kind, change=change), parts[-1]
    table = made.setdefault(parts[0], {})
    if len(parts) != 2 or not isinstance(table, dict):
        raise UsageError(message("--set {change!r}: {key} is no key of a demand.", change=change, key=".".join(parts)))
    return table, parts[1]


def _named(made: Mapping[str, Any], parts: Sequence[str], *, kind: str, change: str) -> dict[str, Any]:
    tables = [one for one in made.get(kind) or [] if isinstance(one, dict)]
    # A name may hold dots, as a model's does: everything between the kind and the last part is the name.
    name = ".".join(parts[1:-1])
    found = [one for one in tables if str(one.get("name")) == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(one.get("name")) for one in tables) or message("none")
    raise UsageError(
        message("--set {change!r}: the demand has no {kind} named {name!r}.", change=change, kind=kind, name=name),
        message("It has: {names}.", names=names),
    )


def _value(text: str, *, key: str) -> Any:
    """Return a value as TOML has it, with the limits of a file; what is no value of TOML is a text."""
    line = f"value = {text}"
    try:
        is_toml = list(tomllib.loads(line[:_LONGEST])) == ["value"]
    except tomllib.TOMLDecodeError:
        is_toml = False
    except (ValueError, RecursionError):
        is_toml = True  # too many digits, or too deep: the reader of files says so
    return parse_toml(line if is_toml else f"value = {_quoted(text)}", where=f"--set {key}")["value"]


def _quoted(text: str) -> str:
    """Return a text as a TOML string of one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'

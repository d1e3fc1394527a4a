"""A TOML file checked against a record: every mistake at once, one line each, with the key it stands under.

demand.toml: 3 mistakes:
  service 2 (chat), users = -5: must not be negative
  site, colling: unknown key 'colling'. Did you mean cooling?
  finance, life = '3 parsecs': is not a duration; write 90s, 20m, 8h, 7d or 3y
"""

from __future__ import annotations

import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.records import Record

Written = TypeVar("Written", bound=Record)


def read_toml(file: Path) -> dict[str, Any]:
    """The file's tables; raises ``UsageError`` in one line where it cannot be read or is not TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise UsageError(f"{file}: not TOML: {str(problem)[0].lower()}{str(problem)[1:]}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not a text file in UTF-8.") from None
    except OSError as problem:
        raise UsageError(f"{file}: {(problem.strerror or 'cannot be read').lower()}.") from None


def mistakes(file: Path, problems: Sequence[str]) -> UsageError:
    """One mistake is one line; several are one line each."""
    if len(problems) == 1:
        return UsageError(f"{file}: {problems[0].rstrip('.')}.")
    return UsageError(f"{file}: {len(problems)} mistakes:\n  " + "\n  ".join(problem.rstrip(".") for problem in problems))


def told_once(problem: ValidationError) -> list[Any]:
    """Errors without those that are only the other branch of a union."""
    seen: dict[tuple[int | str, ...], Any] = {}
    for error in problem.errors():
        place = tuple(part for part in error["loc"] if not (isinstance(part, str) and part.startswith(("literal[", "tuple["))))
        seen.setdefault(place, {**error, "loc": place})
    return list(seen.values())


def check(raw: Mapping[str, Any], record: type[Written]) -> tuple[Written | None, list[str]]:
    """The record that ``raw`` writes, or ``None`` and its mistakes."""
    try:
        return record.model_validate(raw), []
    except ValidationError as problem:
        return None, [_explain(error, raw, record) for error in told_once(problem)]


def _explain(error: Mapping[str, Any], raw: Mapping[str, Any], record: type[Record]) -> str:
    """``service 2 (chat), users = -5: must not be negative``."""
    place = [part for part in error["loc"] if part in raw or not isinstance(part, str) or not part.startswith("function-")]
    where, last = _place(place, raw)
    prefix = f"{where}, " if where else ""
    if error["type"] == "extra_forbidden":
        known = _fields(record, [part for part in place[:-1] if isinstance(part, str)])
        return f"{prefix}{UnknownNameError('key', last, known=known)}"
    if error["type"] == "missing":
        return f"{prefix}{last} is missing"
    words = str(error["msg"]).removeprefix("Value error, ")
    words = f"{words[0].lower()}{words[1:]}".replace("input should be", "must be")
    if not last:
        return f"{where}: {words}" if where else words
    return f"{prefix}{last} = {error['input']!r}: {words}"


def _place(place: Sequence[object], raw: Any) -> tuple[str, str]:
    """``service 2 (chat), slo`` and the key; numbers of lists count from 1 and carry the entry's name."""
    words: list[str] = []
    node = raw
    for part in place:
        if isinstance(part, int):
            node = node[part] if isinstance(node, list) and part < len(node) else None
            name = node.get("name") if isinstance(node, Mapping) else None
            label = f"{words.pop() if words else 'entry'} {part + 1}"
            words.append(f"{label} ({name})" if name else label)
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
            words.append(str(part))
    if place and isinstance(place[-1], int):
        return ", ".join(words), ""
    return ", ".join(words[:-1]), words[-1] if words else ""


def _fields(record: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The keys that are allowed below ``path``."""
    for name in path:
        if name not in record.model_fields:
            break
        inner = inner_record(record.model_fields[name].annotation)
        if inner is None:
            break
        record = inner
    return list(record.model_fields)


def inner_record(annotation: Any) -> type[BaseModel] | None:
    """The record inside ``Record | None`` or ``tuple[Record, ...]``, ``None`` where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (types.UnionType, typing.Union, tuple, typing.Annotated):
        found = (inner_record(part) for part in typing.get_args(annotation) if part is not Ellipsis)
        return next((record for record in found if record is not None), None)
    return None

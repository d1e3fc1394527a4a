"""A TOML file checked against a record: all mistakes together, one line each, with the key of each.

demand.toml: 3 mistakes:
  service 2 (chat), users = -5: must not be negative
  site, colling: unknown key 'colling'. Did you mean cooling?
  finance, life = '3 parsecs': is not a duration; write 90s, 20m, 8h, 7d or 3y
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from aigc_bench.core.document import place_words, shown
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record

Written = TypeVar("Written", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake of a file. ``place`` holds the keys and list positions that lead to it; ``words`` state what is allowed there."""

    place: tuple[str | int, ...]
    kind: str
    value: object
    words: str


_TABLES = {"profile": ("case", "defaults"), "demand": ("service", "batch", "training")}
"""Tables that only files of that kind have."""


def check_kind(raw: Mapping[str, Any], *, wanted: Literal["profile", "demand"], file: Path) -> None:
    """Raise ``UsageError`` where a file is plainly of the other kind, whose every key would be a mistake here."""
    other: Literal["profile", "demand"] = "demand" if wanted == "profile" else "profile"
    if any(name in raw for name in _TABLES[wanted]) or not any(name in raw for name in _TABLES[other]):
        return
    if other == "demand":
        raise UsageError(message("{file}: this is a demand, not a profile.", file=file), message("Plan it: aigc-bench plan FILE."))
    raise UsageError(
        message("{file}: this is a profile, not a demand.", file=file), message("Run it: aigc-bench run --profile FILE.")
    )


def distinct_mistakes(problem: ValidationError, raw: Mapping[str, Any]) -> list[Mistake]:
    """Every mistake at its place in the file, once: the kinds of value that a key may take are one mistake, not one each."""
    found: dict[tuple[str | int, ...], list[Any]] = {}
    choices: set[tuple[str | int, ...]] = set()
    for error in problem.errors():
        place, is_choice = _in_file(error, raw)
        found.setdefault(place, []).append(error)
        choices |= {place} if is_choice else set()
    # An error inside a table says more than that of the union which the table was one choice of.
    deeper = {place[:end] for place in found for end in range(len(place))}
    return [
        Mistake(place=place, kind=errors[0]["type"], value=errors[0]["input"], words=_words([error["msg"] for error in errors]))
        for place, errors in found.items()
        if not (place in choices and place in deeper)
    ]


def _in_file(error: Any, raw: Any) -> tuple[tuple[str | int, ...], bool]:
    """Where an error stands in the file, and whether it is one of several kinds of value that were tried there."""
    place: list[str | int] = []
    node, is_choice = raw, False
    # pydantic puts the names of union members and validators among the keys, which the file does not have.
    for number, part in enumerate(error["loc"], start=1):
        if (isinstance(part, int) and isinstance(node, list) and part < len(node)) or (isinstance(node, Mapping) and part in node):
            place.append(part)
            node = node[part]
        # A key that is missing is by nature not in the file, and still the place.
        elif number == len(error["loc"]) and error["type"] == "missing":
            place.append(part)
        elif isinstance(part, str):
            is_choice = True
    return tuple(place), is_choice


_KINDS = (
    # Before the shorter pattern that begins alike.
    (r"a valid dictionary or (?:instance of \w+|object to extract fields from)", "a table"),
    (r"a valid dictionary", "a table"),
    (r"a valid (?:tuple|list)", "a list"),
    (r"a valid boolean", "true or false"),
    (r"a valid integer", "a whole number"),
    (r"a valid number", "a number"),
    (r"a valid string", "a text"),
    (r"^Input is not a valid path for .*", "Input should be a path"),
    (r"^Tuple should have", "the list must have"),
    (r", unable to (?:interpret|parse) .*$", ""),
)
"""Words of pydantic -> words of a TOML file."""


def _words(messages: Sequence[str]) -> str:
    """``must be true or false or a table``: what is allowed, of every kind that was tried."""
    said = [message.removeprefix("Value error, ") for message in dict.fromkeys(messages)]
    for pattern, kind in _KINDS:
        said = [re.sub(pattern, kind, message) for message in said]
    allowed = [message.removeprefix("Input should be ") for message in said]
    if len(said) > 1 and all(message.startswith("Input should be ") for message in said):
        return message("must be {allowed}", allowed=" or ".join(allowed))
    first = said[-1] if said[0].startswith("Input should be ") else said[0]
    return f"{first[0].lower()}{first[1:]}".replace("input should be", "must be")


def check(raw: Mapping[str, Any], record: type[Written]) -> tuple[Written | None, list[str]]:
    """The record that ``raw`` writes, or ``None`` and its mistakes."""
    try:
        return record.model_validate(raw), []
    except ValidationError as problem:
        return None, [_explain(mistake, raw, record) for mistake in distinct_mistakes(problem, raw)]


def _explain(mistake: Mistake, raw: Mapping[str, Any], record: type[Record]) -> str:
    """``service 2 (chat), users = -5: must not be negative``."""
    where, last = _place(mistake.place, raw)
    prefix = f"{where}, " if where else ""
    if mistake.kind == "extra_forbidden":
        known = _fields(record, [part for part in mistake.place[:-1] if isinstance(part, str)])
        return f"{prefix}{UnknownNameError('key', last, known=known)}"
    if mistake.kind == "missing":
        return message("{prefix}{last} is missing", prefix=prefix, last=last)
    if not last:
        return f"{where}: {mistake.words}" if where else mistake.words
    return f"{prefix}{last} = {shown(mistake.value)}: {mistake.words}"


def _place(place: Sequence[str | int], raw: Any) -> tuple[str, str]:
    """``service 2 (chat), slo`` and the key, which is empty where a whole entry of a list is meant."""
    if not place or isinstance(place[-1], int):
        return place_words(place, raw), ""
    return place_words(place[:-1], raw), place[-1]


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
    # ``A | B`` and ``Optional[A]`` have different origins until Python 3.14.
    if typing.get_origin(annotation) in (types.UnionType, typing.Union, tuple, typing.Annotated):
        found = (inner_record(part) for part in typing.get_args(annotation) if part is not Ellipsis)
        return next((record for record in found if record is not None), None)
    return None

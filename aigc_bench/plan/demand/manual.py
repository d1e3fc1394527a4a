"""Help to write a demand file: commented examples, one TOML file each in ``scenarios/``, and a table of every key."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.core.toml_file import inner_record
from aigc_bench.plan.demand import amounts
from aigc_bench.plan.demand.site_and_limits import demand_table


def scenario_names() -> tuple[str, ...]:
    """Return the names of the examples, sorted."""
    folder = files(__package__).joinpath("scenarios")
    # importlib.resources and not a path: the package may be installed as a zip.
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def scenario_text(name: str) -> str:
    """Return the text of an example; raise ``UnknownNameError`` with the nearest names."""
    if name not in scenario_names():
        raise UnknownNameError("scenario", name, known=scenario_names())
    return files(__package__).joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


def new_demand(name: str, *, out: Path | None = None) -> Path:
    """Write an example to a new file (by default ``NAME.toml`` here); an existing file is never overwritten."""
    text, file = scenario_text(name), out or Path(f"{name}.toml")
    try:
        # "x" fails if the file exists, in one step: a check before opening could race with another process.
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise UsageError(message("{file}: exists already.", file=file), message("Choose another file with --out.")) from None
    except OSError as problem:
        raise UsageError(
            message("{file}: {strerror}.", file=file, strerror=(problem.strerror or message("cannot be written")).lower())
        ) from None
    return file


class Key(Record):
    """One key: its table, kind, unit, range, default and meaning."""

    table: str
    key: str
    kind: str
    unit: str
    range: str
    default: str
    meaning: str


def keys() -> tuple[Key, ...]:
    """Return every key of a demand file in the order of the records."""
    return tuple(_walk(demand_table(), table=""))


def _walk(record: type[BaseModel], *, table: str) -> Iterator[Key]:
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in record.model_fields.items():
        found = inner_record(field.annotation)
        # Amount is a record to pydantic, but one value to who writes the file.
        if found is not None and found is not amounts.Amount:
            # A tuple of records is a list of tables in TOML: [[service]].
            is_list = "tuple" in str(field.annotation)
            path = f"{table.strip('[]')}.{name}" if table else name
            inner.append((f"[[{path}]]" if is_list else f"[{path}]", found))
        else:
            # Own keys first: in TOML every key after a [table] line would belong to that table.
            yield _key(name, field, table=table)
    for path, found in inner:
        yield from _walk(found, table=path)


def _key(name: str, field: FieldInfo, *, table: str) -> Key:
    extra: Any = field.json_schema_extra or {}
    return Key(
        table=table or "top",
        key=name,
        kind=_kind(str(field.annotation), field),
        unit=str(extra.get("unit", "")),
        range="" if (limits := amounts.range_of(field)) is None else limits.words,
        default="required" if field.is_required() else _plain(field.default),
        meaning=field.description or "",
    )


_KINDS = (
    # Names of our validators come before the plain types that they convert to.
    ("_day", "date"), ("_seconds", "duration"), ("_bound", "duration"), ("_long", "duration"),
    ("_amount", "amount"), ("_names", "names"), ("Literal", "word"),
    ("Mapping", "table"), ("bool", "true or false"), ("int", "whole number"), ("tuple", "numbers"), ("float", "number"),
)  # fmt: skip
"""Part of an annotation -> kind of the key; the first match counts."""


def _kind(text: str, field: FieldInfo) -> str:
    validators = " ".join(str(part) for part in (text, *field.metadata))
    for word, kind in _KINDS:
        if word in validators:
            return kind
    return "text"


def _plain(value: object) -> str:
    if value is None or value == () or value == {}:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value >= 86400:
        return f"{value / 86400 / 365.25:g} y" if value > 86400 else "1 d"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table() -> str:
    """Return the keys as a Markdown table."""
    lines = ["| table | key | kind | unit | range | default | meaning |", "|---|---|---|---|---|---|---|"]
    for key in keys():
        cells = (f"`{key.table}`", f"`{key.key}`", key.kind, key.unit, key.range, key.default, key.meaning)
        # Twice: a replacement consumes the bar that an adjacent empty cell begins with.
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines) + "\n"

"""Print the table of every key of a demand file, generated from the records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aigc_bench.core.records import Record
from aigc_bench.core.toml_file import inner_record
from aigc_bench.plan.demand import amounts
from aigc_bench.plan.demand.site_keys import demand_table


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
        if found is not None and found is not amounts.Amount:
            is_list = "tuple" in str(field.annotation)
            path = f"{table.strip('[]')}.{name}" if table else name
            inner.append((f"[[{path}]]" if is_list else f"[{path}]", found))
        else:
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
    ("_seconds", "duration"), ("_amount", "amount"), ("_names", "names"), ("Literal", "word"),
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
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines) + "\n"

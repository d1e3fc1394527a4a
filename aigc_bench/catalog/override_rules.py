"""What a row of the user's own may hold: cells of the right kind, days that have been, ids that are there, constants near ours.

The records of the catalogue hold what is true of every row; these rules are for rows that no test of this project has seen.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal

from aigc_bench.catalog.table_reader import Cells, Mistake
from aigc_bench.catalog.tables import TABLES, Table
from aigc_bench.core.document import cut, shown
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import Commas, parse_number

Kind = Literal["number", "whole number", "true or false", "text"]
SMALLEST, LARGEST = 1e-12, 1e15
"""Numbers of the catalogue in the units of its columns: 1e15 is beyond the operations of any accelerator in TFLOP/s."""
LARGEST_COUNT = 10**12
MOST_TIMES = 1000.0
"""A constant of the user's own is at most this many times the shipped one, or as much smaller."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 :_.+/()-]{0,119}")
_MOST_NAMED = 12

REFERENCES: Mapping[tuple[str, str], str] = {
    ("servers", "gpu_id"): "accelerators",
    ("measured_power", "gpu_id"): "accelerators",
    ("power_caps", "accelerator_id"): "accelerators",
    ("cloud_prices", "gpu_id"): "accelerators",
    ("carbon", "accelerator_id"): "accelerators",
    ("aliases", "accelerator_id"): "accelerators",
    ("usable_memory", "id"): "accelerators",
    ("sales", "id"): "accelerators",
    ("accelerator_ranges", "id"): "accelerators",
    ("regions", "power_id"): "power",
    ("regions", "carbon_id"): "carbon",
}
"""Table and column that hold the id of a row -> the table of that row."""
RANGED = tuple(
    name
    for name, column in TABLES["accelerators"].columns.items()
    if column.is_number and not column.field.startswith("price.") and not column.field.startswith("usable")
)
"""Columns of accelerators of which a range can be stated."""


def kind_of(table: Table, column: str) -> Kind:
    """What the cells of a column are."""
    known = table.columns.get(column)
    if known is not None:
        return "number" if known.is_number else "text"
    if column not in table.record.model_fields:
        return "text"
    # bool first: as a type of its own, although Python counts it as an int.
    types = set(_plain_types(table.record.model_fields[column].annotation))
    if bool in types:
        return "true or false"
    if float in types:
        return "number"
    return "whole number" if int in types else "text"


def _plain_types(annotation: Any) -> Iterable[Any]:
    inner = typing.get_args(annotation)
    if not inner or typing.get_origin(annotation) is Literal:
        return (annotation,)
    return (found for part in inner for found in _plain_types(part))


def cell_text(value: object, *, kind: Kind, commas: Commas = "thousands") -> str:
    """Return a cell as the catalogue's files write it; raises ``ValueError`` where it is of another kind or out of range."""
    if value == "":
        return ""
    if kind == "text":
        return _plain_text(value)
    if kind == "true or false":
        text = str(value).lower()
        if text not in ("true", "false"):
            raise ValueError(message("must be true or false, not {value}", value=shown(value)))
        return text
    return _number_text(value, is_whole=kind == "whole number", commas=commas)


def _plain_text(value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    # TOML has dates of its own; a datetime is a date to Python.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise ValueError(message("must be a text, not {value}", value=shown(value)))


def _number_text(value: object, *, is_whole: bool, commas: Commas) -> str:
    if isinstance(value, str):
        try:
            # No suffixes: k and M may mean powers of 1,000 or of 1,024.
            number = parse_number(value, commas=commas, suffix=False)
        except ValueError as problem:
            raise ValueError(f"{shown(value)} {problem}") from None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError(message("must be a number, not {value}", value=shown(value)))
    if is_whole and (number != int(number) or not 0 <= number <= LARGEST_COUNT):
        raise ValueError(
            message("must be a whole number from 0 to {largest:,}, not {value}", largest=LARGEST_COUNT, value=shown(value))
        )
    if number != 0 and not SMALLEST <= abs(number) <= LARGEST:
        raise ValueError(
            message(
                "must be 0 or between {smallest:g} and {largest:g} in size, not {value}",
                smallest=SMALLEST,
                largest=LARGEST,
                value=shown(value),
            )
        )
    return str(int(number)) if is_whole else repr(number)


def id_mistakes(row_id: str, *, table: Table, shipped: Iterable[str]) -> list[Mistake]:
    """An id is one word or a few, as a command can name it; that of a constant is one of those that plans use."""
    if not _ID.fullmatch(row_id):
        return [("id", message("{row_id} must be letters, digits and _ . + - / : ( ), at most 120", row_id=shown(row_id)))]
    if table.name == "constants" and row_id not in shipped:
        return [
            (
                "id",
                message(
                    "{row_id} is not a constant that plans use{nearest}", row_id=shown(row_id), nearest=nearest(row_id, shipped)
                ),
            )
        ]
    return []


def date_mistakes(cells: Mapping[str, str], *, today: date) -> list[Mistake]:
    """Facts are known from a day that has been. A date is as exact as it is written; dates themselves: ``records.Date``."""
    return [
        (column, message("must not lie in the future, not {text}", text=shown(text)))
        for column, text in cells.items()
        if column.endswith("as_of") and _begins_after(text, today)
    ]


def _begins_after(text: str, today: date) -> bool:
    """Return whether a date, or the first of two (``2025/2026``), begins after a day, with a day's grace for other time zones."""
    found = re.match(r"\d{4}(-\d\d)?(-\d\d)?", text)
    # Texts of ISO dates are in the order of their days, and the shorter one is compared as far as it goes.
    return found is not None and found[0] > (today + timedelta(days=1)).isoformat()[: len(found[0])]


def constant_mistakes(cells: Cells, *, table: Table, shipped: Mapping[str, Cells]) -> list[Mistake]:
    """Quantities keep the unit and the sign that the formulae expect; a constant is near the shipped one."""
    if "unit" not in table.record.model_fields or "value" not in table.record.model_fields:
        return []
    base = shipped.get(cells["id"])
    unit, found = cells.get("unit", ""), []
    if base is not None and unit != base["unit"]:
        found.append(("unit", message("must stay {base}, not {unit}", base=base["unit"], unit=shown(unit))))
    for end in ("low", "value", "high"):
        problem = _out_of_place(cells, end=end, base=base if table.name == "constants" else None)
        found += [(end, message("{problem}, not {cells:g}", problem=problem, cells=float(cells[end])))] if problem else []
    return found


def _out_of_place(cells: Cells, *, end: str, base: Cells | None) -> str | None:
    if not cells.get(end):
        return None
    number, unit = float(cells[end]), cells.get("unit", "")
    # Temperatures alone may lie below 0.
    if number < 0 and unit != "degC":
        return message("must not be negative")
    if number < 1 and (cells.get("kind") == "pue" or cells["id"].startswith("pue_")):
        return message("must be 1 or more: power of the site over power of IT")
    if base is None:
        return None
    least, most = float(base["low"]), float(base["high"])
    if unit.startswith("fraction") and number > max(1.0, most):
        return message("must be a fraction from 0 to 1 (5 % is 0.05)")
    if (number < least / MOST_TIMES if least > 0 else number < min(least, 0)) or number > max(most, 1.0) * MOST_TIMES:
        return message(
            "must be within {most_times:,.0f} times of the shipped {low} to {high}",
            most_times=MOST_TIMES,
            low=base["low"],
            high=base["high"],
        )
    return None


def reference_mistakes(cells: Cells, *, table: Table, ids: Mapping[str, Iterable[str]]) -> list[Mistake]:
    """Every id that a row names is that of a row; ``ids`` are all there are by table."""
    found: list[Mistake] = []
    for (name, column), target in REFERENCES.items():
        given = cells.get(column, "")
        if name == table.name and given and given not in ids[target]:
            found.append(
                (
                    column,
                    message(
                        "unknown {noun} {given}{nearest}",
                        noun=TABLES[target].noun,
                        given=shown(given),
                        nearest=nearest(given, ids[target]),
                    ),
                )
            )
    if table.name == "accelerator_ranges" and cells.get("column") not in RANGED:
        column = cells.get("column", "")
        found.append(
            (
                "column",
                message("{column} is not a column with a range{nearest}", column=shown(column), nearest=nearest(column, RANGED)),
            )
        )
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest names as the end of a sentence, some of all where none is near."""
    choices = sorted(known)
    near = difflib.get_close_matches(cut(name), choices, n=3, cutoff=0.5)
    if near:
        return message("; did you mean {near}?", near=" or ".join(near))
    more = message(" and {num_more} more", num_more=len(choices) - _MOST_NAMED) if len(choices) > _MOST_NAMED else ""
    return message("; known: {choices}{more}", choices=", ".join(choices[:_MOST_NAMED]), more=more)

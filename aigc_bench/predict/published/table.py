"""Tables of published results: one row, one metric. The schema that ``validate`` reads and that ``show --as published`` writes.

    family task model gpu gpu_count precision software batch concurrency input_len output_len resolution steps metric value unit
    power_w        and, where known: nodes, config_json (parallel layout: tp, pp, dp, ep, mode), run_key, primary

An empty cell is ``None``. A row with a cell that cannot be read, or that holds what cannot be, is refused whole with every reason:
a guess would be scored like a published value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aigc_bench.core.messages import message
from aigc_bench.core.numbers import Commas, as_ascii, parse_number, problem_of
from aigc_bench.core.records import Record
from aigc_bench.core.table_file import read_table
from aigc_bench.predict.published.layout import read_layout
from aigc_bench.predict.published.row import COLUMNS, PublishedQuery, PublishedRow, RefusedRow
from aigc_bench.predict.published.unit_columns import Unit, read_unit

REQUIRED = ("family", "model", "gpu", "metric", "value", "unit")
# Kinds of rank that lie within one replica or copy it: none can exceed the devices.
RANKS = ("tp", "pp", "dp", "ep", "cp", "prefill_tp", "decode_tp", "ulysses", "ring")
MOST_DEVICES = 1e6
MOST_WATTS = 1e12
MOST_ITEMS = 1e9
"""Of sequences, tokens and steps; the model refuses by itself what lies far outside of what it was calibrated on."""

_TASK = re.compile(r"(infer|train)[\w-]*|storage")
_RESOLUTION = re.compile(r"[1-9]\d{0,5}x[1-9]\d{0,5}(x[1-9]\d{0,5}f)?|[1-9]\d{0,5} frames")
_EMPTY_HINT = message("leave it empty where it is not known")

Read = TypeVar("Read")


class PublishedTable(Record):
    """The usable rows of a table, in order, and those that are refused."""

    rows: tuple[PublishedRow, ...]
    refused: tuple[RefusedRow, ...]


def read_published(path: Path) -> PublishedTable:
    """Read a table (``core.table_file``); raises ``UsageError`` where the file cannot be read or a column is missing."""
    table = read_table(path, required=REQUIRED, hint=message("docs/method.md has the columns of a table of published results."))
    rows: list[PublishedRow] = []
    refused: list[RefusedRow] = []
    for row in table.rows:
        reading = _Reading(row.cells, commas=table.commas)
        found = reading.row(line=row.line)
        # A row with more cells than columns has misplaced ones: what they say is not worth reporting.
        problems = [row.problem] if row.problem is not None else reading.problems
        if found is None or problems:
            refused.append(RefusedRow(line=row.line, reason="; ".join(problems), columns=reading.columns))
        else:
            rows.append(found)
    return PublishedTable(rows=tuple(rows), refused=tuple(refused))


def parse_row(cells: Mapping[str, Any], *, line: int = 0, commas: Commas = "thousands") -> PublishedRow:
    """Return one row from its cells as text; raises ``ValueError`` with every reason why it is refused."""
    reading = _Reading(cells, commas=commas)
    found = reading.row(line=line)
    if found is None:
        raise ValueError("; ".join(reading.problems))
    return found


class _Reading:
    """Reads the cells of one row and gathers what is wrong with them, so that a row is refused with every reason."""

    def __init__(self, cells: Mapping[str, Any], *, commas: Commas) -> None:
        self._cells = {name: "" if cell is None else str(cell).strip() for name, cell in cells.items()}
        self._commas = commas
        self._unit: Unit | None = None
        self.problems: list[str] = []
        self.columns: dict[str, str] = {name: self._cells.get(name, "") for name in (*COLUMNS, "nodes")}

    def row(self, *, line: int) -> PublishedRow | None:
        """Return the row, ``None`` where anything is refused."""
        query = self.query()
        value = self._value(self._unit)
        # power_w is not used by a query, and still refuses a row where it cannot be read.
        is_primary, _ = self._try(self._primary), self._number("power_w", most=MOST_WATTS)
        if self.problems or query is None or value is None or is_primary is None:
            return None
        return PublishedRow(line=line, query=query, value=value, is_primary=is_primary, run_key=self._cells.get("run_key") or None)

    def query(self) -> PublishedQuery | None:
        """Return the query, ``None`` where one of its cells is refused."""
        family, metric = self._text("family"), self._text("metric")
        layout = self._try(lambda: read_layout(self._cells.get("config_json", "")))
        self._unit = self._try(lambda: read_unit(self._cells.get("unit", ""), metric=metric, family=family))
        found: dict[str, Any] = {
            "family": family,
            "task": self._try(self._task),
            "model": self._text("model"),
            "gpu": self._text("gpu"),
            "gpu_count": self._devices(),
            "nodes": self._number("nodes", is_whole=True, most=MOST_DEVICES),
            "precision": self._cells.get("precision") or None,
            "software": self._cells.get("software") or None,
            "batch": self._number("batch", is_whole=True),
            "concurrency": self._concurrency(),
            "input_len": self._number("input_len", least=1.0),
            "output_len": self._number("output_len", least=1.0),
            "resolution": self._try(self._resolution),
            "steps": self._number("steps", is_whole=True),
            "metric": metric,
            "unit": self._unit.name if self._unit is not None else None,
        }
        self._fits(layout[0] if layout else {}, devices=found["gpu_count"])
        # Readable cells in their canonical form, so that a refused row falls into the same group as others.
        self.columns |= {name: str(value) for name, value in found.items() if value is not None and name in self.columns}
        if self.problems or layout is None:
            return None
        return PublishedQuery(**found, layout=layout[0], words=layout[1])

    def _fits(self, layout: Mapping[str, float], *, devices: int | None) -> None:
        """Ranks are among the devices: eight of them on an empty ``gpu_count``, which is 1, would be answered for one device."""
        if devices is None:
            return
        ranks = {name: layout.get(name, 1.0) for name in RANKS} | {"tp x pp": layout.get("tp", 1.0) * layout.get("pp", 1.0)}
        name, most = max(ranks.items(), key=lambda rank: rank[1])
        if most > devices:
            self.problems.append(
                message("config_json: {name} {most:g} is more than gpu_count, {devices}", name=name, most=most, devices=devices)
            )

    def _try(self, reader: Callable[[], Read]) -> Read | None:
        try:
            return reader()
        except ValueError as problem:
            self.problems.append(str(problem))
            return None

    def _text(self, column: str) -> str:
        text = self._cells.get(column, "")
        if not text:
            self.problems.append(message("{column} is empty", column=column))
        return text

    def _number(self, column: str, *, is_whole: bool = False, least: float | None = None, most: float = MOST_ITEMS) -> float | None:
        """A positive number, ``None`` where the cell is empty or refused."""
        text = self._cells.get(column, "")
        if not text:
            return None
        return self._try(lambda: _amount(column, text, commas=self._commas, is_whole=is_whole, least=least, most=most))

    def _devices(self) -> int | None:
        """One where the cell is empty, ``None`` where it is refused."""
        if not self._cells.get("gpu_count", ""):
            return 1
        count = self._number("gpu_count", is_whole=True, most=MOST_DEVICES)
        return None if count is None else int(count)

    def _concurrency(self) -> float | None:
        if self._cells.get("concurrency", "").lower() in ("inf", "infinity", "∞"):
            return math.inf
        return self._number("concurrency", is_whole=True)

    def _value(self, unit: Unit | None) -> float | None:
        """The value in the unit of the model."""
        text = self._cells.get("value", "")
        if not text:
            self.problems.append(message("value is empty"))
            return None
        number = self._try(lambda: _amount("value", text, commas=self._commas, suffix=True))
        return None if number is None or unit is None else self._try(lambda: _converted(number, unit, text=text))

    def _task(self) -> str:
        text = self._cells.get("task", "").lower() or "infer"
        if _TASK.fullmatch(text) is None:
            raise ValueError(message("task {text} is none of infer, infer-online, train", text=_short(text)))
        return text

    def _resolution(self) -> str | None:
        text = as_ascii(self._cells.get("resolution", ""))
        if not text:
            return None
        plain = re.sub(r"\s*[x×*]\s*", "x", text.lower())
        if _RESOLUTION.fullmatch(plain) is None:
            raise ValueError(
                message("resolution {text} is not width x height, such as 1024x1024, or 480x832x81f with frames", text=_short(text))
            )
        return plain

    def _primary(self) -> bool:
        text = self._cells.get("primary", "").lower()
        # 0.0 and 1.0 are what spreadsheets make of a column of flags.
        if text not in ("", "0", "1", "0.0", "1.0", "true", "false", "yes", "no"):
            raise ValueError(message("primary {text} is neither 1 nor 0", text=_short(text)))
        return text not in ("0", "0.0", "false", "no")


def _amount(
    column: str, text: str, *, commas: Commas, is_whole: bool = False, least: float | None = None, most: float = math.inf,
    suffix: bool = False,
) -> float:  # fmt: skip
    """A number in its range; raises ``ValueError`` that names column and cell."""
    try:
        number = parse_number(text, commas=commas, suffix=suffix)
    except ValueError as problem:
        raise ValueError(f"{column} {_short(text)} {problem}{'' if column == 'value' else f'; {_EMPTY_HINT}'}") from None
    least = 1.0 if is_whole else least
    if is_whole and (number < 1 or not number.is_integer()):
        raise ValueError(message("{column} {text} is not a whole number from 1", column=column, text=_short(text)))
    if least is not None and number < least:
        raise ValueError(message("{column} {text} is below {least:g}", column=column, text=_short(text), least=least))
    if number <= 0:
        raise ValueError(message("{column} {text} is not above 0", column=column, text=_short(text)))
    if number > most:
        raise ValueError(message("{column} {text} is above {most:,.0f}", column=column, text=_short(text), most=most))
    return number


def _converted(number: float, unit: Unit, *, text: str) -> float:
    value = unit.in_si(number)
    if problem_of(value) is not None:
        raise ValueError(message("value {text} {problem}, in the unit of the model", text=_short(text), problem=problem_of(value)))
    if unit.name in ("%", "fraction") and value > 1:
        raise ValueError(message("value {text} is a share above 100 %", text=_short(text)))
    return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")

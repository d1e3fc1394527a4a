"""A file of recorded requests: one each, with prompt and answer lengths, and the moment of arrival where it is known.

CSV with a header, or JSON lines. Names of columns are those of the traces that are public, or plain ones::

    Azure LLM inference 2023, 2024   TIMESTAMP (date and time), ContextTokens, GeneratedTokens
    BurstGPT                         Timestamp (s), Request tokens, Response tokens
    Mooncake (JSON lines)            timestamp (ms), input_length, output_length; hash_ids, the blocks of the prompt, is not used
    Vidur                            arrived_at (s), num_prefill_tokens, num_decode_tokens
    plain                            arrival_s or arrival_ms, input_tokens, output_tokens

Requests without prompt or answer (BurstGPT marks failures so) are left out, counted and named by line.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from aigc_bench.core.errors import FileWarning, UsageError
from aigc_bench.core.json_lines import is_json_lines, json_rows
from aigc_bench.core.messages import message, plural
from aigc_bench.core.numbers import MAX_MOMENT_S, Commas, parse_number
from aigc_bench.core.records import Positive, Record
from aigc_bench.core.table_file import Row, read_table
from aigc_bench.core.text_file import read_text
from aigc_bench.predict.serving.lengths import MOST_TOKENS

# Names in lower case with underscores for spaces (``_plain``); the first that a file has counts.
ARRIVAL = ("arrival_s", "arrived_at", "timestamp", "time_s", "arrival", "arrival_ms", "timestamp_ms", "time_ms")
IN_MILLISECONDS = ("arrival_ms", "timestamp_ms", "time_ms")
INPUT = ("input_tokens", "contexttokens", "num_prefill_tokens", "request_tokens", "input_length", "input_len", "prompt_tokens")
OUTPUT = ("output_tokens", "generatedtokens", "num_decode_tokens", "response_tokens", "output_length", "output_len")

SHOWN_LINES = 10


class Trace(Record):
    """Recorded requests in order of arrival; ``arrival_s`` is ``None`` where the file has no moments."""

    input_tokens: tuple[Positive, ...] = Field(min_length=1)
    output_tokens: tuple[Positive, ...] = Field(min_length=1)
    arrival_s: tuple[float, ...] | None = None
    num_left_out: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_a_table_in_order(self) -> Self:
        assert len(self.input_tokens) == len(self.output_tokens), "one input and one output per request"
        if self.arrival_s is not None:
            assert len(self.arrival_s) == len(self.input_tokens), "one moment per request"
            assert all(a <= b for a, b in zip(self.arrival_s, self.arrival_s[1:], strict=False)), "moments never go back"
        return self


def read_trace(path: Path) -> Trace:
    """Return the requests of a table in any of its forms (``core.table_file``), sorted by arrival.

    Raises ``UsageError`` with file and line for what cannot be read. Warns with ``FileWarning`` where requests are left out.
    """
    text = read_text(path)
    rows: Iterator[Row]
    names: Sequence[str]
    commas: Commas
    if is_json_lines(text):
        rows = json_rows(text, file=path)
        # The names of the first object are the header; an object that lacks one has an empty cell there.
        first = next(rows)
        rows, names, header_line, commas = itertools.chain((first,), rows), tuple(first.cells), first.line, "thousands"
    else:
        table = read_table(path, hint=message("Give a CSV or JSONL file of requests."), text=text)
        rows, names, header_line, commas = table.rows, table.columns, table.header_line, table.commas
    reader = _Requests(_columns(names, path=path, header_line=header_line), commas=commas)
    for row in rows:
        try:
            reader.add(row)
        except (ValueError, OverflowError) as problem:
            raise UsageError(
                message("{path}: line {line}: {problem}.", path=path, line=row.line, problem=problem),
                message("Lengths are whole numbers; times are all seconds or all ISO dates."),
            ) from None
    if not reader.requests:
        raise UsageError(
            message("{path}: it has no request.", path=path), message("Every line needs at least one input and one output token.")
        )
    if reader.left_out:
        # A warning and no error: BurstGPT's own file has such lines.
        warnings.warn(f"{path}: {_left_out(reader)}", FileWarning, stacklevel=2)
    return reader.trace()


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """The names of the columns as the file has them; ``moments`` is ``None`` without one."""

    inputs: str
    outputs: str
    moments: str | None
    moments_per_s: float


def _columns(names: Sequence[str], *, path: Path, header_line: int) -> _Columns:
    """Return what the columns of a file are; raises ``UsageError`` where there is none of inputs or of outputs."""
    # Reversed, so that of two columns of one name the first is taken.
    known = {_plain(name): name for name in reversed(names)}
    inputs, outputs, moments = (_column(known, choices) for choices in (INPUT, OUTPUT, ARRIVAL))
    if inputs is None or outputs is None:
        missing, allowed = ("input", INPUT) if inputs is None else ("output", OUTPUT)
        raise UsageError(
            message(
                "{path}: line {header_line}: no column of {missing} lengths.", path=path, header_line=header_line, missing=missing
            ),
            message("Name it one of {allowed}.", allowed=", ".join(allowed)),
        )
    # timestamp alone does not say its unit: with Mooncake's lengths it is Mooncake's, else BurstGPT's.
    is_mooncake = moments is not None and _plain(moments) == "timestamp" and _plain(inputs) == "input_length"
    is_ms = is_mooncake or (moments is not None and _plain(moments) in IN_MILLISECONDS)
    return _Columns(inputs=inputs, outputs=outputs, moments=moments, moments_per_s=1000.0 if is_ms else 1.0)


def _left_out(reader: _Requests) -> str:
    count, shown = len(reader.left_out), ", ".join(map(str, reader.left_out[:SHOWN_LINES]))
    more = message(" and {num_more} more", num_more=count - SHOWN_LINES) if count > SHOWN_LINES else ""
    total = count + len(reader.requests)
    return plural(
        "{count} of {total} requests have no input or no output tokens and are left out: line {shown}{more}.",
        "{count} of {total} requests have no input or no output tokens and are left out: lines {shown}{more}.",
        count=count,
        total=total,
        shown=shown,
        more=more,
    )


class _Requests:
    """Gathers moment, input and output of each row."""

    def __init__(self, columns: _Columns, *, commas: Commas) -> None:
        self._columns, self._commas = columns, commas
        # Decided by the first row: seconds and dates cannot be put in one order.
        self._are_dates: bool | None = None
        self.requests: list[tuple[float, int, int]] = []
        self.left_out: list[int] = []

    def add(self, row: Row) -> None:
        """Take one row; raises ``ValueError`` with the reason why it is no request."""
        if row.problem is not None:
            raise ValueError(message("the row {problem}", problem=row.problem))
        columns = self._columns
        inputs, outputs = (self._tokens(name, row.cells.get(name, "")) for name in (columns.inputs, columns.outputs))
        moment = 0.0 if columns.moments is None else self._moment(columns.moments, row.cells.get(columns.moments, ""))
        if inputs == 0 or outputs == 0:
            self.left_out.append(row.line)
        else:
            self.requests.append((moment, inputs, outputs))

    def trace(self) -> Trace:
        """Return the requests in order of arrival."""
        # Stable: without moments all are 0 and stay in the file's order.
        self.requests.sort(key=lambda request: request[0])
        moments, inputs, outputs = zip(*self.requests, strict=True)
        return Trace(
            input_tokens=inputs,
            output_tokens=outputs,
            arrival_s=None if self._columns.moments is None else moments,
            num_left_out=len(self.left_out),
        )

    def _tokens(self, name: str, text: str) -> int:
        try:
            number = parse_number(text, commas=self._commas, suffix=False)
        except ValueError as problem:
            raise ValueError(f"{name} {_short(text)} {problem}") from None
        if not 0 <= number <= MOST_TOKENS or not number.is_integer():
            raise ValueError(
                message(
                    "{name} {text} is not a whole number from 0 to {most_tokens:,}",
                    name=name,
                    text=_short(text),
                    most_tokens=MOST_TOKENS,
                )
            )
        return int(number)

    def _moment(self, name: str, text: str) -> float:
        """Seconds, or a date and time as Unix seconds (UTC where no zone is given; fractions are cut to microseconds)."""
        is_date = _DATE.match(text) is not None
        if self._are_dates not in (None, is_date):
            raise ValueError(
                message(
                    "{name} {text} is {kind}, unlike those of the lines before",
                    name=name,
                    text=_short(text),
                    kind=message("a date") if is_date else message("no date"),
                )
            )
        self._are_dates = is_date
        try:
            if not is_date:
                moment_s = parse_number(text, commas=self._commas, suffix=False) / self._columns.moments_per_s
                if abs(moment_s) > MAX_MOMENT_S:
                    raise ValueError(message("is beyond {most:g} s; is it in another unit?", most=MAX_MOMENT_S))
                return moment_s
            moment = datetime.fromisoformat(text)
        except ValueError as problem:
            said = message("is not an ISO date") if is_date else str(problem)
            raise ValueError(f"{name} {_short(text)} {said}") from None
        # Only differences count; a fixed zone keeps the machine's own summer time out of them.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# Four digits and a dash: a negative number has its dash in front.
_DATE = re.compile(r"\d{4}-\d")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _column(columns: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)

"""A file of recorded requests: one line each, with prompt and answer lengths, and the moment of arrival where it is known.

CSV with a header. Column names are those of the traces that are public: Azure's (TIMESTAMP, ContextTokens, GeneratedTokens),
BurstGPT's (Timestamp, Request tokens, Response tokens), Vidur's (arrived_at, num_prefill_tokens, num_decode_tokens), Mooncake's
words (timestamp, input_length, output_length), or plainly arrival_s, input_tokens, output_tokens. Moments are seconds, or dates
and times in ISO form. Requests without prompt or answer (BurstGPT marks failures so) are left out, counted and named by line.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from aigc_bench.core.errors import FileWarning, UsageError
from aigc_bench.core.messages import message, plural
from aigc_bench.core.numbers import Commas, parse_number
from aigc_bench.core.records import Positive, Record
from aigc_bench.core.table_file import Row, read_table
from aigc_bench.predict.serving.lengths import MOST_TOKENS

# Names in lower case with underscores for spaces (``_plain``); the first that a file has counts.
ARRIVAL = ("arrival_s", "arrived_at", "timestamp", "time_s", "arrival")
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
    table = read_table(path, hint=message("Give a CSV file of requests."))
    # Reversed, so that of two columns of one name the first is taken.
    columns = {_plain(name): name for name in reversed(table.columns)}
    inputs, outputs, moments = (_column(columns, names) for names in (INPUT, OUTPUT, ARRIVAL))
    if inputs is None or outputs is None:
        missing, allowed = ("input", INPUT) if inputs is None else ("output", OUTPUT)
        raise UsageError(
            message(
                "{path}: line {header_line}: no column of {missing} lengths.",
                path=path,
                header_line=table.header_line,
                missing=missing,
            ),
            message("Name it one of {allowed}.", allowed=", ".join(allowed)),
        )
    reader = _Requests(inputs=inputs, outputs=outputs, moments=moments, commas=table.commas)
    for row in table.rows:
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

    def __init__(self, *, inputs: str, outputs: str, moments: str | None, commas: Commas) -> None:
        self._inputs, self._outputs, self._moments, self._commas = inputs, outputs, moments, commas
        # Decided by the first row: seconds and dates cannot be put in one order.
        self._are_dates: bool | None = None
        self.requests: list[tuple[float, int, int]] = []
        self.left_out: list[int] = []

    def add(self, row: Row) -> None:
        """Take one row; raises ``ValueError`` with the reason why it is no request."""
        if row.problem is not None:
            raise ValueError(message("the row {problem}", problem=row.problem))
        inputs, outputs = (self._tokens(name, row.cells[name]) for name in (self._inputs, self._outputs))
        moment = 0.0 if self._moments is None else self._moment(self._moments, row.cells[self._moments])
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
            arrival_s=None if self._moments is None else moments,
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
                return parse_number(text, commas=self._commas, suffix=False)
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

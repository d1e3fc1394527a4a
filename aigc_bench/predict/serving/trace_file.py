"""A file of recorded requests: one line each, with prompt and answer lengths, and the moment of arrival where it is known.

CSV with a header. Column names are those of the traces that are public: Azure's (TIMESTAMP, ContextTokens, GeneratedTokens),
BurstGPT's (Timestamp, Request tokens, Response tokens), Vidur's (arrived_at, num_prefill_tokens, num_decode_tokens), Mooncake's
words (timestamp, input_length, output_length), or plainly arrival_s, input_tokens, output_tokens. Moments are seconds, or dates
and times in ISO form. Requests without prompt or answer (BurstGPT marks failures so) are left out and counted.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Positive, Record

ARRIVAL = ("arrival_s", "arrived_at", "timestamp", "time_s", "arrival")
INPUT = ("input_tokens", "contexttokens", "num_prefill_tokens", "request_tokens", "input_length", "input_len", "prompt_tokens")
OUTPUT = ("output_tokens", "generatedtokens", "num_decode_tokens", "response_tokens", "output_length", "output_len")


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
    """The requests of a CSV file, sorted by arrival; raises ``UsageError`` with file and line for what cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _parse(csv.reader(file), where=str(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}.", "Give a CSV file of requests.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file.", "Give a CSV file of requests.") from None


def _parse(lines: Iterable[list[str]], *, where: str) -> Trace:
    rows = iter(lines)
    header = [_plain(name) for name in next(rows, [])]
    columns = [_column(header, names) for names in (INPUT, OUTPUT, ARRIVAL)]
    if columns[0] is None or columns[1] is None:
        missing = "input" if columns[0] is None else "output"
        allowed = ", ".join(INPUT if columns[0] is None else OUTPUT)
        raise UsageError(f"{where}: line 1: no column of {missing} lengths.", f"Name it one of {allowed}.")
    requests, left_out = [], 0
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        request = _request(row, columns=columns, where=f"{where}: line {number}")
        requests += [request] if request else []
        left_out += request is None
    if not requests:
        raise UsageError(f"{where}: no request in it.", "Every line needs a prompt and an answer of at least one token.")
    requests.sort(key=lambda request: request[0])
    moments, inputs, outputs = zip(*requests, strict=True)
    return Trace(
        input_tokens=inputs, output_tokens=outputs, arrival_s=None if columns[2] is None else moments, num_left_out=left_out
    )


def _request(row: list[str], *, columns: list[int | None], where: str) -> tuple[float, int, int] | None:
    """Moment, input and output of one line; ``None`` where one length is 0."""
    try:
        inputs, outputs, moment = (None if column is None else row[column].strip() for column in columns)
        lengths = [_tokens(inputs or ""), _tokens(outputs or "")]
        return None if 0 in lengths else (0.0 if moment is None else _moment(moment), lengths[0], lengths[1])
    except (ValueError, IndexError):
        raise UsageError(
            f"{where}: {','.join(row)!r} is not a request.", "Lengths are whole, moments are seconds or ISO dates."
        ) from None


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _tokens(text: str) -> int:
    number = float(text)
    if number < 0 or number != int(number):
        raise ValueError("tokens are whole and not negative")
    return int(number)


def _moment(text: str) -> float:
    """Seconds, or a date and time as Unix seconds (UTC where no zone is given; fractions are cut to microseconds)."""
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError("a moment is finite")
    return seconds

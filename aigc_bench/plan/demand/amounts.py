"""Define the values of a key: a number, an interval of three numbers, or a duration, each within the range of its key.

Every key that holds a number has a ``Range`` (enforced by a test), wide enough for any real demand, and narrow enough for
products of several keys to stay finite: every demand that passes can be planned.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|us|µs|μs|s|sec|m|min|h|d|day|days|w|week|weeks|month|months|y|year|years)\s*")


LEAST_BARE_S = 60.0
"""Deadlines and lives are stated in hours, days or years; below a minute a bare number has lost its unit (assumed)."""
DAY_S, YEAR_S = 86400.0, 365.25 * 86400.0
# By the first letter; a month is a twelfth of a year of 365.25 days. The micro sign and the Greek letter are two characters.
_SECONDS = {
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": DAY_S,
    "w": 7 * DAY_S,
    "month": YEAR_S / 12,
    "y": YEAR_S,
}


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers that a key accepts: from ``low`` to ``high``, both included, and optionally 0."""

    low: float
    high: float
    or_zero: bool = False
    are_seconds: bool = False

    @property
    def words(self) -> str:
        """Return the range in words: ``0 or 1 to 10,000``, ``1 s to 10 years``."""
        return f"{'0 or ' if self.or_zero else ''}{' to '.join(self._ends)}"

    @property
    def _ends(self) -> tuple[str, str]:
        write = _time if self.are_seconds else _plain
        return write(self.low), write(self.high)

    def _example(self, number: float) -> str:
        """Return the conversion that the usual mistake needs: percent for a fraction, years for seconds."""
        if self.are_seconds:
            return message(" (a bare number is in seconds; write 200ms, 90s, 8h, 7d or 3y)")
        return message(" (5 % is 0.05)") if 0.99 <= self.high <= 1 < number else ""

    def check(self, given: object) -> None:
        """Raise ``ValueError`` if a number, or an end of an amount, is out of range."""
        for number in _numbers(given):
            # NaN fails every comparison and is refused with the rest.
            if not (self.low <= number <= self.high or (self.or_zero and number == 0)):
                example = self._example(number)
                raise ValueError(
                    message(
                        "must be {more}between {ends}{example}",
                        more="0 or " if self.or_zero else "",
                        ends=" and ".join(self._ends),
                        example=example,
                    )
                )


def between(low: float, high: float) -> Range:
    """Return the range from ``low`` to ``high``."""
    return Range(low=low, high=high)


def zero_or(low: float, high: float) -> Range:
    """Return the range of 0 and from ``low`` to ``high``."""
    return Range(low=low, high=high, or_zero=True)


def lasting(low_s: float, high_s: float) -> Range:
    """Return the range of a duration, in seconds."""
    return Range(low=low_s, high=high_s, are_seconds=True)


def _numbers(given: object) -> tuple[float, ...]:
    if isinstance(given, Amount):
        return (given.low, given.value, given.high)
    if isinstance(given, tuple):
        return tuple(number for part in given for number in _numbers(part))
    # bool is an int in Python, and `true` is no amount.
    return (given,) if isinstance(given, int | float) and not isinstance(given, bool) else ()


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.9f}".rstrip("0").rstrip(".")


def _time(seconds: float) -> str:
    units = (("year", YEAR_S), ("day", DAY_S), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    # A rounding error below a unit still counts as that unit.
    name, size = next(unit for unit in units if seconds >= unit[1] * (1 - 1e-9))
    count = seconds / size
    return f"{count:g} {name}{'s' if count > 1 and name in ('year', 'day') else ''}"


class Table(Record):
    """A table of the file, which checks the range of each key."""

    # "*" runs after each field's own conversion, so the check sees seconds and amounts, not the text of the file.
    @field_validator("*")
    @classmethod
    def _within_its_range(cls, given: Any, info: ValidationInfo) -> Any:
        limits = range_of(cls.model_fields[info.field_name or ""])
        if limits is not None:
            limits.check(given)
        return given


def range_of(field: FieldInfo) -> Range | None:
    """Return the range of a key, ``None`` if it holds no number."""
    extra = field.json_schema_extra
    found = extra.get("range") if isinstance(extra, dict) else None
    return found if isinstance(found, Range) else None


class Amount(Record):
    """A number as written: exact, or ``[low, value, high]``."""

    value: float
    low: float
    high: float

    def estimate(self, unit: str, *, source: str, factor: float = 1.0) -> Estimate:
        """Return the amount times ``factor`` as an Estimate: a figure stated in a demand is an assumption with a source."""
        values = {end: getattr(self, end) * factor for end in ("value", "low", "high")}
        return Estimate(**values, unit=unit, basis="assumed", source=source)


def _amount(given: object) -> object:
    if isinstance(given, Amount):
        return given
    if isinstance(given, list):
        # [high, value, low] is refused rather than sorted: it may be a slip in one of the numbers.
        if len(given) != 3 or not all(_is_number(part) for part in given) or list(given) != sorted(given):
            raise ValueError(message("must be a number or [low, value, high] in rising order"))
        low, value, high = (float(part) for part in given)
    elif _is_number(given):
        assert isinstance(given, int | float), "numbers are int or float"
        low = value = high = float(given)
    else:
        raise ValueError(message("must be a number or [low, value, high]"))
    return Amount(value=value, low=low, high=high)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _number(given: object) -> object:
    if not _is_number(given):
        raise ValueError(message("must be a number"))
    return given


def _seconds(given: object) -> object:
    """Return the seconds of a number or of ``200ms``, ``90s``, ``20m``, ``8h``, ``7d``, ``2w``, ``3y``."""
    seconds = given
    if not _is_number(given):
        match = _DURATION.fullmatch(given.lower()) if isinstance(given, str) else None
        if match is None:
            raise ValueError(message("is not a duration; write 200ms, 90s, 20m, 8h, 7d, 2w or 3y"))
        number, unit = float(match[1]), match[2]
        # "m" and "min" are minutes; only the full word means a month.
        seconds = number * _SECONDS["month" if unit.startswith("month") else unit if unit in _SECONDS else unit[0]]
    return seconds


def _day(given: object) -> object:
    """Return the day of a date of the file, or of a text ``2026-11-30``."""
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, str):
        try:
            return date.fromisoformat(given.strip())
        except ValueError:
            pass
    if not isinstance(given, date):
        raise ValueError(message("is not a day; write 2026-11-30"))
    return given


def _bound(most_bare_s: float, example: str) -> BeforeValidator:
    """Return the reader of a latency bound: a bare number is in seconds, and refused where it looks like milliseconds."""

    def read(given: object) -> object:
        if _is_number(given) and isinstance(given, int | float) and given >= most_bare_s:
            raise ValueError(
                message(
                    "has no unit and may be seconds or milliseconds; write {given:g}ms or {given:g}s, {example}",
                    given=given,
                    example=example,
                )
            )
        return _seconds(given)

    return BeforeValidator(read)


def _long(given: object) -> object:
    """Return the seconds of a time limit; a bare number below a minute is refused, since it is rarely meant in seconds."""
    if _is_number(given) and isinstance(given, int | float) and 0 < given < LEAST_BARE_S:
        raise ValueError(
            message("has no unit and would be {given:g} seconds; write {given:g}s, {given:g}h or {given:g}d", given=given)
        )
    return _seconds(given)


def _names(given: object) -> object:
    return [given] if isinstance(given, str) else given


WrittenAmount = Annotated[Amount, BeforeValidator(_amount)]
Number = Annotated[float, BeforeValidator(_number)]
Duration = Annotated[float, BeforeValidator(_seconds)]
# No service that people wait for has such a bound in seconds: a bare 200 is one of milliseconds.
TokenBound = Annotated[float, _bound(10.0, message("such as 200ms or 2s"))]
LatencyBound = Annotated[float, _bound(200.0, message("such as 500ms or 300s"))]
LongDuration = Annotated[float, BeforeValidator(_long)]
Day = Annotated[date, BeforeValidator(_day)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


def documented(description: str, *, unit: str = "", limits: Range | None = None, default: Any = None) -> Any:
    """Return a field with description, unit and range, as the table of the manual prints them."""
    extra: Any = ({"unit": unit} if unit else {}) | ({"range": limits} if limits is not None else {})
    return Field(default=default, description=description, json_schema_extra=extra or None)

"""What a key may hold: a number, an interval of three numbers, or a duration."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from aigc_bench.core.records import Estimate, Record

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|d|day|days|w|week|weeks|month|months|y|year|years)\s*")
MOST = 1e18
"""Above this no amount is meant: a number of people, tokens or bytes that nobody has."""
SHORTEST_S, LONGEST_S = 1e-6, 1000 * 365.25 * 86400.0
"""Durations between a microsecond and a thousand years can be planned with."""
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "month": 365.25 / 12 * 86400.0, "y": 365.25 * 86400.0}


class Amount(Record):
    """A number as it was written: exact, or ``[low, value, high]``."""

    value: float
    low: float
    high: float

    def estimate(self, unit: str, *, source: str, factor: float = 1.0) -> Estimate:
        """The amount times ``factor`` as an Estimate: what somebody states about a demand is an assumption with a source."""
        values = {end: getattr(self, end) * factor for end in ("value", "low", "high")}
        return Estimate(**values, unit=unit, basis="assumed", source=source)


def _amount(given: object) -> object:
    if isinstance(given, Amount):
        return given
    if isinstance(given, list):
        if len(given) != 3 or not all(_is_number(part) for part in given) or list(given) != sorted(given):
            raise ValueError("must be a number or [low, value, high], rising")
        low, value, high = (float(part) for part in given)
    elif _is_number(given):
        assert isinstance(given, int | float), "numbers are int or float"
        low = value = high = float(given)
    else:
        raise ValueError("must be a number or [low, value, high]")
    if low < 0:
        raise ValueError("must not be negative")
    if high > MOST:
        raise ValueError(f"must not be above {MOST:g}")
    return Amount(value=value, low=low, high=high)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _amount_above_zero(given: object) -> object:
    found = _amount(given)
    if isinstance(found, Amount) and found.low <= 0:
        raise ValueError("must be above 0")
    return found


def _amount_from_one(given: object) -> object:
    found = _amount(given)
    if isinstance(found, Amount) and found.low < 1:
        raise ValueError("must be 1 or more")
    return found


def _share(given: object) -> object:
    found = _amount(given)
    if isinstance(found, Amount) and found.high > 1:
        raise ValueError("must be a fraction from 0 to 1 (5 % is 0.05)")
    return found


def _number(given: object) -> object:
    if not _is_number(given):
        raise ValueError("must be a number")
    return given


def _seconds(given: object) -> object:
    """Seconds of a number or of ``90s``, ``20m``, ``8h``, ``7d``, ``2w``, ``3y``; what is not above 0 is refused by its field."""
    seconds = given
    if not _is_number(given):
        match = _DURATION.fullmatch(given.lower()) if isinstance(given, str) else None
        if match is None:
            raise ValueError("is not a duration; write 90s, 20m, 8h, 7d, 2w or 3y")
        number, unit = float(match[1]), match[2]
        seconds = number * _SECONDS["month" if unit.startswith("month") else unit[0]]
    assert isinstance(seconds, int | float), "a number, or worked out as one"
    if seconds > 0 and not SHORTEST_S <= seconds <= LONGEST_S:
        raise ValueError("must lie between a microsecond and 1000 years")
    return seconds


def _names(given: object) -> object:
    return [given] if isinstance(given, str) else given


WrittenAmount = Annotated[Amount, BeforeValidator(_amount)]
WrittenPositive = Annotated[Amount, BeforeValidator(_amount_above_zero)]
WrittenFactor = Annotated[Amount, BeforeValidator(_amount_from_one)]
WrittenShare = Annotated[Amount, BeforeValidator(_share)]
Number = Annotated[float, BeforeValidator(_number), Field(gt=0)]
Count = Annotated[float, BeforeValidator(_number), Field(ge=0)]
Confidence = Annotated[float, BeforeValidator(_number), Field(ge=0, le=0.99)]
Fraction = Annotated[float, BeforeValidator(_number), Field(gt=0, lt=1)]
Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


def documented(description: str, *, unit: str = "", default: Any = None, **rules: Any) -> Any:
    """A field with what it means and its unit, as the table of the manual prints them."""
    extra: dict[str, Any] | None = {"unit": unit} if unit else None
    return Field(default=default, description=description, json_schema_extra=extra, **rules)

"""What every fact of the catalogue has, and the kinds of its fields: texts, dates of the calendar, numbers above 0."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aigc_bench.core.messages import message
from aigc_bench.core.record import Record

Confidence = Literal["high", "medium", "low"]
FactBasis = Literal["datasheet", "measured", "assumed"]

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?(/\d{4}(-\d{2}(-\d{2})?)?)?")


def _is_date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise ValueError(message("must be a date such as 2026, 2026-11, 2026-11-23 or 2024/2025"))
    # Completes 2026 and 2026-11 to their first day.
    days = [date.fromisoformat((part + "-01-01")[:10]) for part in text.split("/")]  # raises ValueError for 2026-13
    if days != sorted(days):
        raise ValueError(message("must begin before it ends"))
    return text


Date = Annotated[str, AfterValidator(_is_date)]
"""ISO 8601 with reduced precision (``2026``, ``2026-11``, ``2026-11-23``) or an interval of two such (``2024/2025``)."""

Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Celsius = Annotated[float, Field(ge=-60, le=100)]


class Fact(Record):
    """What every row of the catalogue has: a name of its own, its source, its date, and its confidence."""

    id: Text
    source: Text
    as_of: Date
    confidence: Confidence = "medium"
    basis: FactBasis = "datasheet"
    note: str | None = None


def check_rising(fact: Fact, names: Sequence[str]) -> None:
    """Raise ``ValueError`` where fields that are known do not rise in this order."""
    known = [(name, getattr(fact, name)) for name in names if getattr(fact, name) is not None]
    if [value for _, value in known] != sorted(value for _, value in known):
        raise ValueError(message("{known} must rise", known=", ".join((f"{name} {value:g}" for name, value in known))))

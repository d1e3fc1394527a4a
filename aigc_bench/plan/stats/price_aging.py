"""Prices as of a day: the age of a price widens its interval.

A price moves like a random walk in its logarithm, so after ``t`` years its interval is

    ln(high / value) = sqrt(w^2 + (1.2816 x drift x sqrt(t))^2)

wide, with ``w`` the spread when it was listed and ``drift`` the standard deviation of a year (of H100 rents 0.55:
$2.99 in October 2024, 1.70 a year later, 2.35 in March 2026). Low and high are its 10th and 90th percentile.
The day is an input, never the clock: same inputs, same bytes.
"""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.stats.distributions import Z_P90

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec, NetworkItem, ServerSpec

DAYS_PER_YEAR = 365.25


def age_years(as_of: str, *, on: date) -> float:
    """Return years from the middle of the period that ``as_of`` names (a day, month, year or ``from/to``) to ``on``, at least 0."""
    # The middle of the period: a price "of 2026" was seen on some day of it.
    first, _, last = as_of.partition("/")
    middle = (_start(first).toordinal() + _end(last or first).toordinal()) / 2
    return max(0.0, (on.toordinal() - middle) / DAYS_PER_YEAR)


def _start(text: str) -> date:
    parts = [int(part) for part in text.split("-")]
    return date(parts[0], parts[1] if len(parts) > 1 else 1, parts[2] if len(parts) > 2 else 1)


def _end(text: str) -> date:
    """Return the last day of the period, accurate to the days by which months differ."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 3:
        return date(*parts)
    # The 28th exists in every month; three days do not matter to a drift per year.
    return date(parts[0], parts[1], 28) if len(parts) == 2 else date(parts[0], 12, 31)


def aged(price: Estimate, *, as_of: str, on: date, drift: Estimate) -> Estimate:
    """Return the price with its interval on that day; ``drift`` is the standard deviation of its logarithm in a year."""
    assert price.low > 0, "a price is above zero"
    years = age_years(as_of, on=on)
    # A random walk spreads with the root of time; times Z_P90 it reaches the 90th percentile.
    walk = Z_P90 * drift.value * math.sqrt(years)
    # The spread at the listing and the walk since then are independent, so they add in quadrature.
    down = math.hypot(math.log(price.value / price.low), walk)
    up = math.hypot(math.log(price.high / price.value), walk)
    # Below 0.05 years the age would be printed as 0.0.
    source = price.source
    if years >= 0.05:
        source = message("{source}; {years:.1f} years old on {on}", source=source, years=years, on=on.isoformat())
    ends = {"low": price.value * math.exp(-down), "high": price.value * math.exp(up)}
    return price.model_copy(update={**ends, "source": source})


def hardware_price(row: AcceleratorSpec | ServerSpec | NetworkItem, *, catalogue: Catalogue, on: date) -> Estimate | None:
    """Return the purchase price of a row of the catalogue on that day, ``None`` where it has none."""
    price = catalogue.price(row)
    if price is None or row.price is None:
        return None
    return aged(price, as_of=row.price.as_of, on=on, drift=catalogue.constant("hardware_price_drift"))

"""Samples of Estimates, and prices that age: the age of a price widens its interval.

Low and high of an Estimate are P10 and P90 of a lognormal, with a width of its own on each side::

    ln x = ln value + z / 1.2816 x (ln(high / value) if z > 0 else ln(value / low)),   z standard normal

Where ``low`` is not above 0 the same holds without logarithms, cut off at 0. Each name has a random stream of its own that depends
on the name and the seed alone: all compared options share each scenario, and a new input changes no other.

A price moves like a random walk in its logarithm, so after ``t`` years its interval is

    ln(high / value) = sqrt(w^2 + (1.2816 x drift x sqrt(t))^2)

wide, with ``w`` the spread when it was listed and ``drift`` the standard deviation of a year (of H100 rents 0.55:
$2.99 in October 2024, 1.70 a year later, 2.35 in March 2026). Low and high are its 10th and 90th percentile.
The day is an input, never the clock: same inputs, same bytes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec, NetworkItem, ServerSpec


Array: TypeAlias = npt.NDArray[np.float64]
# A probability near 0.5 then has a standard error of 0.8 percentage points.
NUM_DRAWS = 4096
Z_P90 = 1.2815515655446004
"""Standard deviations from the median to the 90th percentile of a normal."""
# exp() overflows a double from 709.8 on.
MAX_LOG = 700.0


def draws(estimate: Estimate, *, name: str, num: int = NUM_DRAWS, seed: int = 0) -> Array:
    """Return ``num`` samples of one estimate in its unit, non-negative where the estimate is."""
    return spread(estimate, normals(name, num=num, seed=seed))


def spread(estimate: Estimate, z: Array) -> Array:
    """Return standard normal samples ``z`` converted to samples of an estimate, of the same shape and in its unit.

    P10, median and P90 are its low, value and high.
    """
    low, value, high = estimate.low, estimate.value, estimate.high
    if low > 0:
        # Each side has its own width, so P10, median and P90 are exactly low, value and high.
        width = np.where(z > 0, np.log(high / value), np.log(value / low))
        return np.asarray(value * np.exp(np.clip(z / Z_P90 * width, -MAX_LOG, MAX_LOG)))
    found = value + z / Z_P90 * np.where(z > 0, high - value, value - low)
    # A low end of 0 has no logarithm; a normal cut off at 0 keeps the sample non-negative.
    return np.asarray(np.maximum(found, 0.0) if low >= 0 else found)


# Planning an option again after its simulation, or another rate, draws the same scenarios.
@lru_cache(maxsize=256)
def normals(name: str, *, num: int = NUM_DRAWS, seed: int = 0) -> Array:
    """Return standard normal samples of the stream of that name."""
    # crc32 and not hash(): Python salts the hash of a text anew in every process.
    found = np.random.default_rng([zlib.crc32(name.encode()), seed]).standard_normal(num)
    # All who ask share it; an accidental += would change every later draw.
    found.setflags(write=False)
    return found


def sample(estimates: Mapping[str, Estimate], *, num: int = NUM_DRAWS, seed: int = 0) -> dict[str, Array]:
    """Return samples of several independent estimates, by name."""
    return {name: draws(estimate, name=name, num=num, seed=seed) for name, estimate in estimates.items()}


def interval_of(samples: Array, *, unit: str, basis: Basis, source: str) -> Estimate:
    """Return median, P10 and P90 of samples of shape (scenarios,), by linear interpolation between ranks; none may be missing."""
    assert samples.size > 0 and not np.isnan(samples).any(), "an interval needs at least one sample"
    low, value, high = (float(number) for number in np.quantile(samples, (0.1, 0.5, 0.9)))
    return Estimate(value=value, low=low, high=high, unit=unit, basis=basis, source=source)


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

"""Samples of Estimates: low and high are P10 and P90 of a lognormal, with a width of its own on each side.

    ln x = ln value + z / 1.2816 x (ln(high / value) if z > 0 else ln(value / low)),   z standard normal

Where ``low`` is not above 0 the same holds without logarithms, cut off at 0. Each name has a random stream of its own that depends
on the name and the seed alone: all compared options share each scenario, and a new input changes no other.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aigc_bench.core.records import Basis, Estimate

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


def normals(name: str, *, num: int = NUM_DRAWS, seed: int = 0) -> Array:
    """Return standard normal samples of the stream of that name."""
    # crc32 and not hash(): Python salts the hash of a text anew in every process.
    return np.random.default_rng([zlib.crc32(name.encode()), seed]).standard_normal(num)


def sample(estimates: Mapping[str, Estimate], *, num: int = NUM_DRAWS, seed: int = 0) -> dict[str, Array]:
    """Return samples of several independent estimates, by name."""
    return {name: draws(estimate, name=name, num=num, seed=seed) for name, estimate in estimates.items()}


def interval_of(samples: Array, *, unit: str, basis: Basis, source: str) -> Estimate:
    """Return median, P10 and P90 of samples of shape (scenarios,), by linear interpolation between ranks; none may be missing."""
    assert samples.size > 0 and not np.isnan(samples).any(), "an interval needs at least one sample"
    low, value, high = (float(number) for number in np.quantile(samples, (0.1, 0.5, 0.9)))
    return Estimate(value=value, low=low, high=high, unit=unit, basis=basis, source=source)

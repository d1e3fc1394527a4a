"""The default day of a service whose hours are not known: 24 shares of the peak, made for a given mean.

The shape is the load-duration curve of two public weeks of requests to language models, laid over a day with its peak in the early
afternoon: the mean of the conversation and the coding trace of the Azure LLM inference dataset 2024 (Stojkovic and others,
DynamoLLM, HPCA 2025). Of the busiest hour of its week the conversation service has 46, 62 and 74 % in its lower quartile, median
and upper quartile of hours, the coding service 13, 20 and 52 %; their busiest hours of a working day are 2 and 10 times their
quietest. The mean of the curve is 0.48, a busiest hour of 2.1 times the mean hour; the catalogue's ``diurnal_peak_factor`` is 2.

    share of hour h    shape_h ^ p,   p so that the mean of the shares is that of the demand
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

HOURS_PER_DAY = 24
FLAT = (1.0,) * HOURS_PER_DAY
QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
LOADS = (0.16, 0.29, 0.41, 0.63, 1.0)
"""Load of the hours at ``QUARTILES`` over that of the busiest: means of the two traces."""
BUSIEST = 14
"""Hour of the day with the peak; only the order of the hours depends on it, no cost does."""
# A power of 64 leaves the busiest hour alone (a mean of 1 / 24), one of 2^-10 a flat day.
POWERS = np.concatenate([[0.0], np.geomspace(2.0**-10, 64.0, 240)])


@lru_cache(maxsize=1)
def shape() -> tuple[float, ...]:
    """Return the 24 loads of the default day over that of its busiest hour."""
    loads = np.interp(np.linspace(1.0, 0.0, HOURS_PER_DAY), QUARTILES, LOADS)
    # From the busiest hour outwards, later and earlier in turn, so that the quiet hours are those of the night.
    places = [(BUSIEST + (step + 1) // 2 * (1 if step % 2 else -1)) % HOURS_PER_DAY for step in range(HOURS_PER_DAY)]
    day = dict(zip(places, loads.tolist(), strict=True))
    return tuple(day[hour] for hour in range(HOURS_PER_DAY))


def day_of(mean_share: float) -> tuple[float, ...]:
    """Return 24 shares of the peak with that mean (0 to 1); the busiest hour has 1, however small the mean is."""
    if mean_share >= 1:
        return FLAT
    return tuple(float(share) for share in with_mean(np.array(shape()), np.array([mean_share]))[:, 0])


def with_mean(day: np.ndarray, mean_share: np.ndarray) -> np.ndarray:
    """Return a day of shape (24,) raised to the powers that give it each of the means, of shape (24, means); a flat day stays."""
    # Means fall as powers rise; interp needs rising abscissae.
    means = (day[:, None] ** POWERS[None, :]).mean(axis=0)
    powers = np.interp(mean_share, means[::-1], POWERS[::-1])
    return np.asarray(day[:, None] ** powers[None, :])

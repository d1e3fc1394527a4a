"""The annuity of a purchase in many Monte Carlo scenarios."""

from __future__ import annotations

import numpy as np

from aigc_bench.plan.stats.distributions import Array


def annuities(capital: Array, rate: Array, residual: Array, *, years: float) -> Array:
    """Return the annuity with residual value, for arrays; without interest the capital is spread evenly."""
    later = np.exp(-years * np.log1p(rate))
    factor = np.full_like(rate, 1 / years)
    np.divide(rate, 1 - later, out=factor, where=rate > 0)
    return np.asarray(capital * (1 - residual * later) * factor)

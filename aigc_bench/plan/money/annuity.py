"""Annuities and residual values. Rates are fractions per year, amounts are in one currency, taxes are left out.

Annuity of a purchase with residual value: ``(C - RV / (1 + r)^n) * r / (1 - (1 + r)^-n)``, for r = 0 ``(C - RV) / n``.
Source: Brealey, Myers, Allen, Principles of Corporate Finance (equivalent annual cost).
"""

from __future__ import annotations

import math

import numpy as np

from aigc_bench.plan.stats.distributions import Array


def annuity_factor(rate: float, *, years: float) -> float:
    """Return the yearly cost of one unit of capital over ``years``: r / (1 - (1 + r)^-n), 1 / n without interest."""
    assert years > 0 and rate > -1, "an annuity needs a life above 0 and a rate above -100 %"
    # 1 - (1 + r)^-n loses all its digits for small rates; expm1 and log1p keep them.
    growth = math.expm1(-years * math.log1p(rate))
    # growth is 0 where rate x years underflows, too.
    return 1.0 / years if rate == 0 or growth == 0 else rate / -growth


def annuity(capital: float, *, rate: float, years: float, residual: float = 0.0) -> float:
    """Return the equal payment at each year's end that pays for ``capital`` less the discounted ``residual``."""
    return (capital - residual * discount(rate, years=years)) * annuity_factor(rate, years=years)


def discount(rate: float, *, years: float) -> float:
    """Return the present value of 1 due in ``years``: (1 + r)^-n."""
    return math.exp(-years * math.log1p(rate))


def annuities(capital: Array, rate: Array, residual: Array, *, years: float) -> Array:
    """Return the annuity with residual value in USD per year, of shape (scenarios,) like its inputs.

    ``capital`` in USD, ``rate`` a fraction per year, ``residual`` a share of the capital.
    Without interest the capital is spread evenly.
    """
    # As in ``annuity_factor``: 1 - (1 + r)^-n would be 0 for every rate below 1e-16, and the factor infinite.
    growth = np.expm1(-years * np.log1p(rate))
    later = 1 + growth
    # The value where no division takes place: rates of 0, and those that underflow.
    factor = np.full_like(rate, 1 / years)
    np.divide(rate, -growth, out=factor, where=growth != 0)
    return np.asarray(capital * (1 - residual * later) * factor)

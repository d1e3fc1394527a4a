"""Annuities, cash flow and residual values. Rates are fractions a year, amounts are in one currency, taxes are left out.

Annuity of a purchase with residual value: ``(C - RV / (1 + r)^n) * r / (1 - (1 + r)^-n)``, for r = 0 ``(C - RV) / n``.
Source: Brealey, Myers, Allen, Principles of Corporate Finance (equivalent annual cost).
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def annuity_factor(rate: float, *, years: float) -> float:
    """What one unit of capital costs a year over ``years``: r / (1 - (1 + r)^-n), 1 / n without interest."""
    assert years > 0 and rate > -1, "an annuity needs a life above 0 and a rate above -100 %"
    growth = math.expm1(-years * math.log1p(rate))
    return 1.0 / years if rate == 0 or growth == 0 else rate / -growth


def annuity(capital: float, *, rate: float, years: float, residual: float = 0.0) -> float:
    """Equal payment at each year's end that pays for ``capital`` less the discounted ``residual``."""
    return (capital - residual * discount(rate, years=years)) * annuity_factor(rate, years=years)


def discount(rate: float, *, years: float) -> float:
    """Present value of 1 due in ``years``: (1 + r)^-n."""
    return math.exp(-years * math.log1p(rate))


def present_value(flows: Sequence[float], *, rate: float) -> float:
    """Sum of the flows at the ends of years 0, 1, 2 ... discounted to now."""
    return math.fsum(flow * discount(rate, years=year) for year, flow in enumerate(flows))


def cash_flow(capital: float, *, opex_per_year: float, years: int, residual: float = 0.0) -> tuple[float, ...]:
    """What is paid at the ends of years 0..n (costs positive); the residual comes back with the last year."""
    assert years >= 1, "a cash flow spans at least one year"
    running = [opex_per_year] * years
    running[-1] -= residual
    return (capital, *running)


def total_cost(capital: float, *, opex_per_year: float, years: int, residual: float = 0.0) -> float:
    """Undiscounted total cost of ownership: what leaves the account over the years less what comes back."""
    return math.fsum(cash_flow(capital, opex_per_year=opex_per_year, years=years, residual=residual))


def break_even_years(capital: float, *, own_per_year: float, rent_per_year: float) -> float | None:
    """Years after which owning has cost less than renting, without interest; ``None`` where that never happens."""
    saving = rent_per_year - own_per_year
    return capital / saving if saving > 0 else None

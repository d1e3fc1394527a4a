"""Movement of a price that is renegotiated over the life of a plan.

    ln p(t)      a random walk with the catalogue's drift (standard deviation of the logarithm in a year) from today's price
    factor       mean of p over the life / p(0); between two contracts the price is constant

On-demand, spot and API prices follow the market every quarter, a reserved rent is renegotiated when it expires. All terms of an
accelerator follow the same walk.
"""

from __future__ import annotations

import math

import numpy as np

from aigc_bench.core.records import Estimate
from aigc_bench.plan.risk.scenarios import Scenarios
from aigc_bench.plan.stats.distributions import Array

STEPS_PER_YEAR = 4
LOCKED_YEARS = {"reserved_1y": 1.0, "reserved_3y": 3.0}
"""Years for which a price is fixed, by term; others are renegotiated every quarter."""


def price_factor(name: str, *, drift: Estimate, term: str, years: float, scenarios: Scenarios) -> Array:
    """Return the mean price over some years over today's, in every scenario; ``name`` identifies the price."""
    locked = max(1, round(LOCKED_YEARS.get(term, 1 / STEPS_PER_YEAR) * STEPS_PER_YEAR))
    count = max(1, math.ceil(years * STEPS_PER_YEAR - 1e-9))
    sigma = scenarios.of(f"volatility of {name}", drift) / math.sqrt(STEPS_PER_YEAR)
    scenarios.inputs.pop(f"volatility of {name}", None)  # it is reported with the walk that it belongs to
    log, paid = np.zeros(scenarios.num), np.zeros(scenarios.num)
    price = np.ones(scenarios.num)
    for step in range(count):
        if step:
            log = log + sigma * scenarios.normals(f"{name}, quarter {step}")
        if step % locked == 0:
            price = np.exp(log)
        paid = paid + price
    factor = paid / count
    if count > locked:
        scenarios.inputs[f"{name} over the years"] = factor
    return factor

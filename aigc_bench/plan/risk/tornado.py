"""Inputs that move the recommendation's cost and P(SLO) most: means over the scenarios where an input is lowest and highest.

An input is reported where the two means differ by more than sampling noise: ``NUM_ERRORS`` standard errors of their difference.
"""

from __future__ import annotations

import math

import numpy as np

from aigc_bench.plan.records.risk import Swing, Tornado
from aigc_bench.plan.risk.probabilities import Seen
from aigc_bench.plan.risk.scenarios import Scenarios
from aigc_bench.plan.stats.distributions import Array

TENTH = 0.1
NUM_ERRORS = 3.0
MOST = 12


def tornado(one: Seen, scenarios: Scenarios) -> Tornado:
    """Return the swings of an option; ``scenarios`` were sampled for it alone."""
    swings = [_swing(name, values, one) for name, values in scenarios.inputs.items() if values.min() < values.max()]
    noise = NUM_ERRORS * math.sqrt(2 / (TENTH * scenarios.num))
    by_cost = [swing for swing in swings if swing.tco_width_usd > noise * float(np.std(one.cost.tco))]
    spread = float(np.std(one.serves)) if one.serves is not None else 0.0
    by_slo = [swing for swing in swings if swing.p_slo_width > noise * spread and spread > 0]
    return Tornado(
        mean_tco_usd=float(np.mean(one.cost.tco)),
        p_slo=one.p_slo,
        cost=tuple(sorted(by_cost, key=lambda swing: (-swing.tco_width_usd, swing.name))[:MOST]),
        slo=tuple(sorted(by_slo, key=lambda swing: (-swing.p_slo_width, swing.name))[:MOST]),
    )


def _swing(name: str, values: Array, one: Seen) -> Swing:
    bottom, middle, top = np.quantile(values, (TENTH, 0.5, 1 - TENTH))
    low, high = values <= bottom, values >= top
    serves = one.serves
    return Swing(
        name=name,
        low=float(bottom / middle) if middle else 1.0,
        high=float(top / middle) if middle else 1.0,
        tco_low_usd=float(one.cost.tco[low].mean()),
        tco_high_usd=float(one.cost.tco[high].mean()),
        p_slo_low=None if serves is None else float(serves[low].mean()),
        p_slo_high=None if serves is None else float(serves[high].mean()),
    )

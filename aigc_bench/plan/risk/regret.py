"""Expected regret of the recommendation and its nearest rivals, over the scenarios in which at least one option meets the demand.

An API is assumed to meet the demand in every scenario: its provider promises that, and there is no data to check it with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_bench.plan.options.wording import what
from aigc_bench.plan.records.risk import Regret
from aigc_bench.plan.risk.probabilities import Seen
from aigc_bench.plan.risk.scenarios import Flags
from aigc_bench.plan.stats.distributions import Array

RIVALS = 4
SAME = 1 + 1e-12


def regrets(options: Sequence[Seen], best: Seen) -> tuple[Regret, ...]:
    """Return the regret of the recommendation, then of its nearest rivals by cost, one of each kind and accelerator.

    Each is compared with the cheapest of all ``options`` in the same scenario.
    """
    capability = np.stack([np.ones_like(one.cost.tco, dtype=bool) if one.serves is None else one.serves for one in options])
    costs = np.where(capability, np.stack([one.cost.tco for one in options]), np.inf)
    least = costs.min(axis=0)
    known = np.isfinite(least)
    shown = [best, *_rivals(options, best)]
    return tuple(_regret(one, least, known) for one in shown)


def _rivals(options: Sequence[Seen], best: Seen) -> list[Seen]:
    taken = {(best.option.kind, best.option.accelerator)}
    found: list[Seen] = []
    for one in sorted(options, key=lambda one: one.option.rank):
        kind = (one.option.kind, one.option.accelerator)
        if kind not in taken and len(found) < RIVALS:
            taken.add(kind)
            found.append(one)
    return found


def _regret(one: Seen, least: Array, known: Flags) -> Regret:
    tco, count = one.cost.tco, max(1, int(known.sum()))
    capability = known if one.serves is None else known & one.serves
    wins = capability & (tco <= np.where(known, least, 0.0) * SAME)
    over = np.maximum(0.0, tco - np.where(known, least, tco))
    return Regret(
        rank=one.option.rank,
        what=what(one.option),
        p_slo=one.p_slo,
        num_worlds=count,
        p_cheapest=float(wins.sum() / count),
        regret_usd=float(over.sum() / count),
        tco_usd=one.option.tco_usd,
    )

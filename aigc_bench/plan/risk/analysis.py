"""Risk analysis of a plan: probabilities and intervals for its options, and the certainty of its recommendation.

The ``CLOSE`` options that rank first are computed in all scenarios, every other one in the first ``FEW`` of the same scenarios.
Ranks do not change: options are ranked by the value at the central values of all inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.risk import Certainty, Tornado
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.counted_risk import risk_of
from aigc_bench.plan.risk.growth_path import growth_path
from aigc_bench.plan.risk.probabilities import Seen, seen, with_probabilities
from aigc_bench.plan.risk.regret import regrets
from aigc_bench.plan.risk.safer import safer
from aigc_bench.plan.risk.scenario_context import Drifts, ScenarioContext, drifts_from
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS, Scenarios
from aigc_bench.plan.risk.tornado import tornado

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.plan.records.demand import Demand

CLOSE = 100
FEW = 256
MANY = 8192
"""Scenarios for the recommended option's tornado: each swing is a mean over a tenth of them, so it needs more."""
METHOD = (
    "Intervals of total cost, purchase, running cost and unit cost are P10 to P90 of {num} Monte Carlo scenarios in which demand, "
    "growth, speed, prices and PUE vary within their intervals; values take every input at its central value, so that lines add up."
)


def certain(plan: Plan, *, catalogue: Catalogue, seed: int = 0) -> Plan:
    """Return the plan with probabilities, intervals and its certainty. Same inputs, same bytes."""
    drifts = drifts_from(catalogue)
    context = context_of(plan.demand, plan.rules, drifts, num=NUM_SCENARIOS, seed=seed)
    few = context_of(plan.demand, plan.rules, drifts, num=FEW, seed=seed)
    close = [seen(option, context) for option in plan.options[:CLOSE]]
    options = [with_probabilities(one, context) for one in close]
    options += [with_probabilities(seen(option, few), few, is_close=False) for option in plan.options[CLOSE:]]
    updated = plan.model_copy(update={"options": tuple(options), "method": f"{plan.method} {METHOD.format(num=NUM_SCENARIOS)}"})
    pairs = [replace(one, option=option) for one, option in zip(close, options[: len(close)], strict=True)]
    found = _certainty(updated, pairs, context, catalogue=catalogue)
    if found is not None:
        found = found.model_copy(update={"derived": risk_of(found, updated, num_many=MANY)})
    return updated.model_copy(update={"certainty": found})


def context_of(demand: Demand, rules: Rules, drifts: Drifts, *, num: int, seed: int = 0) -> ScenarioContext:
    """Return the scenarios of a demand with what all options share."""
    return ScenarioContext(demand=demand, rules=rules, scenarios=Scenarios(num, seed=seed), drifts=drifts)


def _certainty(plan: Plan, close: Sequence[Seen], context: ScenarioContext, *, catalogue: Catalogue) -> Certainty | None:
    """Return the certainty of the recommendation; ``None`` without one."""
    accepted = [one for one in close if one.option.accepted]
    best = next((one for one in accepted if one.option.rank == plan.recommendation), None)
    if best is None:
        return None
    as_safe = [one for one in accepted if one.option.misses_confidence <= best.option.misses_confidence]
    return Certainty(
        num_worlds=context.scenarios.num,
        seed=context.scenarios.seed,
        num_close=len(close),
        median_tco_usd=float(np.median(best.cost.tco)),
        tornado=tornado_of(best.option, context),
        regret=regrets(as_safe, best),
        surer=safer(accepted, best, context),
        growth_path=growth_path(best.option, context, catalogue=catalogue),
    )


def tornado_of(option: Option, context: ScenarioContext) -> Tornado:
    """Return the tornado of an option, in scenarios of its own: more of them, with only this option's inputs sampled."""
    scenarios = context_of(context.demand, context.rules, context.drifts, num=MANY, seed=context.scenarios.seed)
    one = seen(option, scenarios)
    return tornado(one, scenarios.scenarios)

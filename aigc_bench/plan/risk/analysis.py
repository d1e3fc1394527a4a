"""Analyse the risk of a plan: probabilities and intervals for its options, drivers and regret of its recommendation.

The ``CLOSE`` options that rank first are computed in all scenarios, every other one in the first ``FEW`` of the same scenarios.
Ranks do not change: options are ranked by the value at the central values of all inputs.

Drivers are means over the scenarios where an input is lowest and highest; an input is reported where the two differ by more than
sampling noise, ``NUM_ERRORS`` standard errors of their difference. Expected regret is over the scenarios in which at least one
option meets the demand. An API is assumed to meet it in every scenario: its provider promises that, and there is no data to check
it with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.messages import filled, joined, message
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.risk import PlanRisk, Regret, Swing, Tornado
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.counted_risk import risk_of
from aigc_bench.plan.risk.growth_path import growth_path
from aigc_bench.plan.risk.probabilities import SampledOption, sampled_option, with_probabilities
from aigc_bench.plan.risk.safer import safer
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS, Drifts, Flags, ScenarioContext, Scenarios, drifts_from
from aigc_bench.plan.stats.distributions import Array

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.plan.records.demand import Demand


# Low and high of an input are its P10 and P90, as everywhere in a plan.
TENTH = 0.1
# Dozens of inputs are tested; at 3 standard errors less than one in three hundred is reported by chance.
NUM_ERRORS = 3.0
MOST = 12


def tornado(one: SampledOption, scenarios: Scenarios) -> Tornado:
    """Return the swings of an option; ``scenarios`` were sampled for it alone."""
    swings = [_swing(name, values, one) for name, values in scenarios.inputs.items() if values.min() < values.max()]
    # Standard error of the difference of two means over a tenth each, per unit of standard deviation.
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


def _swing(name: str, values: Array, one: SampledOption) -> Swing:
    bottom, middle, top = np.quantile(values, (TENTH, 0.5, 1 - TENTH))
    # Masks and not sorting: the same scenarios select cost and service.
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


RIVALS = 4
SAME = 1 + 1e-12


def regrets(options: Sequence[SampledOption], best: SampledOption) -> tuple[Regret, ...]:
    """Return the regret of the recommendation, then of its nearest rivals by cost, one of each kind and accelerator.

    Each is compared with the cheapest of all ``options`` in the same scenario.
    """
    # (options, scenarios): whether each option meets the demand there.
    capability = np.stack([np.ones_like(one.cost.tco, dtype=bool) if one.serves is None else one.serves for one in options])
    # An option that falls short is no alternative there, however cheap.
    costs = np.where(capability, np.stack([one.cost.tco for one in options]), np.inf)
    least = costs.min(axis=0)
    # Scenarios in which some option meets the demand.
    known = np.isfinite(least)
    shown = [best, *_rivals(options, best)]
    return tuple(_regret(one, least, known) for one in shown)


def _rivals(options: Sequence[SampledOption], best: SampledOption) -> list[SampledOption]:
    taken = {(best.option.kind, best.option.accelerator)}
    found: list[SampledOption] = []
    for one in sorted(options, key=lambda one: one.option.rank):
        kind = (one.option.kind, one.option.accelerator)
        if kind not in taken and len(found) < RIVALS:
            taken.add(kind)
            found.append(one)
    return found


def _regret(one: SampledOption, least: Array, known: Flags) -> Regret:
    tco, count = one.cost.tco, max(1, int(known.sum()))
    capability = known if one.serves is None else known & one.serves
    # SAME: the sums of equal options differ in their last digits.
    wins = capability & (tco <= np.where(known, least, 0.0) * SAME)
    # Cheaper than the cheapest only because it falls short there: no regret, no gain.
    over = np.maximum(0.0, tco - np.where(known, least, tco))
    return Regret(
        rank=one.option.rank,
        what=describe(one.option),
        p_slo=one.p_slo,
        num_worlds=count,
        p_cheapest=float(wins.sum() / count),
        regret_usd=float(over.sum() / count),
        tco_usd=one.option.tco_usd,
    )


CLOSE = 100
FEW = 256
MANY = 8192
"""Scenarios for the recommended option's tornado: each swing is a mean over a tenth of them, so it needs more."""
METHOD = message(
    "Intervals of total cost, purchase, running cost and unit cost are P10 to P90 of {num:,} Monte Carlo scenarios in which "
    "demand, growth, speed, prices and PUE vary within their intervals; values take every input at its central value, so that "
    "lines add up."
)


def with_risk(plan: Plan, *, catalogue: Catalogue, seed: int = 0) -> Plan:
    """Return the plan with probabilities, intervals and its certainty. Same inputs, same bytes."""
    drifts = drifts_from(catalogue)
    context = context_of(plan.demand, plan.rules, drifts, num=NUM_SCENARIOS, seed=seed)
    # A stream's first FEW draws are those of the long one, so both groups are compared in the same scenarios.
    few = context_of(plan.demand, plan.rules, drifts, num=FEW, seed=seed)
    close = [sampled_option(option, context) for option in plan.options[:CLOSE]]
    options = [with_probabilities(one, context) for one in close]
    options += [with_probabilities(sampled_option(option, few), few, is_close=False) for option in plan.options[CLOSE:]]
    updated = plan.model_copy(
        update={"options": tuple(options), "method": joined(" ", (plan.method, filled(METHOD, num=NUM_SCENARIOS)))}
    )
    # Costs in all scenarios are kept; only the record around them has changed.
    pairs = [replace(one, option=option) for one, option in zip(close, options[: len(close)], strict=True)]
    found = _plan_risk(updated, pairs, context, catalogue=catalogue)
    if found is not None:
        found = found.model_copy(update={"derived": risk_of(found, updated, num_many=MANY)})
    return updated.model_copy(update={"certainty": found})


def context_of(demand: Demand, rules: Rules, drifts: Drifts, *, num: int, seed: int = 0) -> ScenarioContext:
    """Return the scenarios of a demand with what all options share."""
    return ScenarioContext(demand=demand, rules=rules, scenarios=Scenarios(num, seed=seed), drifts=drifts)


def _plan_risk(plan: Plan, close: Sequence[SampledOption], context: ScenarioContext, *, catalogue: Catalogue) -> PlanRisk | None:
    """Return the certainty of the recommendation; ``None`` without one."""
    accepted = [one for one in close if one.option.accepted]
    best = next((one for one in accepted if one.option.rank == plan.recommendation), None)
    if best is None:
        return None
    as_safe = [one for one in accepted if one.option.misses_confidence <= best.option.misses_confidence]
    return PlanRisk(
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
    one = sampled_option(option, scenarios)
    return tornado(one, scenarios.scenarios)

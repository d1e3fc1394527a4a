"""Analyse the risk of a plan: probabilities and intervals for its options, drivers and regret of its recommendation.

Options are ranked by what they cost over the scenarios (``ranking``); the first that is confirmed is recommended.

Drivers are means over the scenarios where an input is lowest and highest; an input is reported where the two differ by more than
sampling noise, ``NUM_ERRORS`` standard errors of their difference. Expected regret is over the scenarios in which at least one
option meets the demand. An API is assumed to meet it in every scenario: its provider promises that, and there is no data to check
it with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.messages import filled, joined, message
from aigc_bench.plan.options.measure import NAMES, measure_of
from aigc_bench.plan.options.wording import describe, why_none
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.risk import PlanRisk, Regret, Swing, Tornado
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.counted_risk import risk_of
from aigc_bench.plan.risk.growth_path import growth_path
from aigc_bench.plan.risk.probabilities import SampledOption, sampled_option
from aigc_bench.plan.risk.ranking import FEW, Confirm, Ranking, eligible, excess, least_cost
from aigc_bench.plan.risk.safer import safer
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS, Drifts, ScenarioContext, Scenarios, drifts_from
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
    """Return the regret of the recommendation, then of its nearest rivals by rank, one of each kind and accelerator.

    Each is compared with the cheapest of all ``options`` in the same scenario.
    """
    least = least_cost(options)
    return tuple(_regret(one, least) for one in (best, *_rivals(options, best)))


def _rivals(options: Sequence[SampledOption], best: SampledOption) -> list[SampledOption]:
    taken = {(best.option.kind, best.option.accelerator)}
    found: list[SampledOption] = []
    for one in sorted(options, key=lambda one: one.option.rank):
        kind = (one.option.kind, one.option.accelerator)
        if kind not in taken and len(found) < RIVALS:
            taken.add(kind)
            found.append(one)
    return found


def _regret(one: SampledOption, least: Array) -> Regret:
    # Scenarios in which some option meets the demand.
    known = np.isfinite(least)
    count = max(1, int(known.sum()))
    capability = known if one.serves is None else known & one.serves
    # SAME: the sums of equal options differ in their last digits.
    wins = capability & (one.cost.tco <= np.where(known, least, 0.0) * SAME)
    return Regret(
        rank=one.option.rank,
        what=describe(one.option),
        p_slo=one.p_slo,
        num_worlds=count,
        p_cheapest=float(wins.sum() / count),
        regret_usd=float(excess(one, least).sum() / count),
        tco_usd=one.option.tco_usd,
        expected_cost_usd=measure_of(one.option),
        cost_p90_usd=measure_of(one.option, "p90"),
    )


MANY = 8192
"""Scenarios for the recommended option's tornado: each swing is a mean over a tenth of them, so it needs more."""
METHOD = message(
    "Intervals of total cost, purchase, running cost and unit cost are P10 to P90 of {num:,} Monte Carlo scenarios in which "
    "demand, growth, speed, prices and PUE vary within their intervals; values take every input at its central value, so that "
    "lines add up."
)
RANKED = message("Options that keep every limit are ranked by {measure}, and simulated in that order until one is confirmed.")


def with_risk(plan: Plan, *, catalogue: Catalogue, seed: int = 0, confirm: Confirm | None = None) -> Plan:
    """Return the plan with options ranked by ``constraints.risk``, probabilities, intervals and its certainty.

    ``confirm`` simulates options until one is confirmed, which is recommended; without it the first that P(SLO) does not refuse.
    Same inputs, same bytes.
    """
    ranking = ranking_of(plan, catalogue=catalogue, seed=seed)
    found = [ranking.sampled(option) for option in plan.options]
    found = ranking.ranked(found) if confirm is None else ranking.confirmed(found, confirm)
    first = next(iter(eligible(found)), None)
    best = first if first is not None and (confirm is None or first.option.confirmed) else None
    updated = _recommending(plan, found, best, ranking)
    certainty = None if best is None else _plan_risk(found, best, ranking.context, catalogue=catalogue)
    if certainty is not None:
        certainty = certainty.model_copy(update={"derived": risk_of(certainty, updated, num_many=MANY)})
    return updated.model_copy(update={"certainty": certainty})


def _recommending(plan: Plan, found: Sequence[SampledOption], best: SampledOption | None, ranking: Ranking) -> Plan:
    """Return the plan with its options by rank, and the recommendation or why there is none."""
    words = (filled(METHOD, num=ranking.context.scenarios.num), filled(RANKED, measure=NAMES[plan.demand.constraints.risk]))
    updated = plan.model_copy(
        update={
            "options": tuple(one.option for one in found),
            "recommendation": None if best is None else best.option.rank,
            "method": joined(" ", (plan.method, *words)),
        }
    )
    return updated if best is not None else updated.model_copy(update={"why_none": why_none(updated)})


def ranking_of(plan: Plan, *, catalogue: Catalogue, seed: int = 0) -> Ranking:
    """Return the scenarios in which the options of a plan are ranked."""
    drifts = drifts_from(catalogue)
    # A stream's first FEW draws are those of the long one, so both groups are computed in the same scenarios.
    context, few = (context_of(plan.demand, plan.rules, drifts, num=num, seed=seed) for num in (NUM_SCENARIOS, FEW))
    return Ranking(context=context, few=few)


def context_of(demand: Demand, rules: Rules, drifts: Drifts, *, num: int, seed: int = 0) -> ScenarioContext:
    """Return the scenarios of a demand with what all options share."""
    return ScenarioContext(demand=demand, rules=rules, scenarios=Scenarios(num, seed=seed), drifts=drifts)


def _plan_risk(found: Sequence[SampledOption], best: SampledOption, context: ScenarioContext, *, catalogue: Catalogue) -> PlanRisk:
    """Return the certainty of the recommendation."""
    rivals = eligible(found)
    return PlanRisk(
        num_worlds=context.scenarios.num,
        seed=context.scenarios.seed,
        num_close=sum(one.option.accepted for one in found),
        median_tco_usd=float(np.median(best.cost.tco)),
        tornado=tornado_of(best.option, context),
        regret=regrets(rivals, best),
        surer=safer(rivals, best, context),
        growth_path=growth_path(best.option, context, catalogue=catalogue),
    )


def tornado_of(option: Option, context: ScenarioContext) -> Tornado:
    """Return the tornado of an option, in scenarios of its own: more of them, with only this option's inputs sampled."""
    scenarios = context_of(context.demand, context.rules, context.drifts, num=MANY, seed=context.scenarios.seed)
    one = sampled_option(option, scenarios)
    return tornado(one, scenarios.scenarios)

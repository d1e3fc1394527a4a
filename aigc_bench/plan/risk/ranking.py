"""Rank the options of a plan by what they cost over the scenarios, and confirm the first of them.

    expected   mean of the total cost over all scenarios; with a confidence of 0 the cost at central values
    p90        its 90th percentile
    regret     mean over the scenarios in which some option serves of the cost above that of the cheapest option that serves there

Options whose limits hold are computed in all scenarios, since they are compared; refused ones in the first ``FEW`` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aigc_bench.plan.options.assemble import standing
from aigc_bench.plan.options.measure import is_refused, misses
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.probabilities import SampledOption, sampled_option, with_probabilities
from aigc_bench.plan.risk.scenarios import Flags, ScenarioContext
from aigc_bench.plan.stats.distributions import Array

FEW = 256
"""Scenarios of refused options, which are compared with nothing."""

Confirm = Callable[[Option], Option]
"""Return the option with the verdict of its simulation in ``confirmed``, with more machines where it requires them."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The scenarios that the options of one demand share, and a part of them for refused ones."""

    context: ScenarioContext
    few: ScenarioContext

    def sampled(self, option: Option) -> SampledOption:
        """Return the option in the scenarios with probabilities and costs; ``confirmed`` is ``False`` where P(SLO) is too low."""
        context = self.context if option.accepted else self.few
        one = sampled_option(option, context)
        found = with_probabilities(one, context, is_close=option.accepted)
        if option.accepted and misses(found, confidence=context.demand.constraints.confidence):
            found = found.model_copy(update={"confirmed": False})
        return replace(one, option=found)

    def ranked(self, found: Sequence[SampledOption]) -> list[SampledOption]:
        """Return the options by rank, each with its regret among those that are not refused."""
        risk = self.context.demand.constraints.risk
        order = sorted(_with_regret(found), key=lambda one: standing(one.option, risk))
        return [replace(one, option=one.option.model_copy(update={"rank": rank})) for rank, one in enumerate(order, start=1)]

    def confirmed(self, found: Sequence[SampledOption], confirm: Confirm) -> list[SampledOption]:
        """Return the options by rank, simulated from the first upwards until one is confirmed.

        One that gets more machines is computed and ranked anew, since it costs more.
        """
        options = self.ranked(found)
        # Every turn settles one option for good, so it ends with the last of them.
        while True:
            place = next((at for at, one in enumerate(options) if one.option.accepted and one.option.confirmed is not False), None)
            if place is None or options[place].option.confirmed:
                return options
            settled = confirm(options[place].option)
            options[place] = self._again(options[place], settled)
            options = self.ranked(options)

    def _again(self, before: SampledOption, settled: Option) -> SampledOption:
        """Return the option after its simulation; only one with other machines, or refused by it, is computed again."""
        is_same = settled.accepted and settled.costs is before.option.costs
        return replace(before, option=settled) if is_same else self.sampled(settled)


def eligible(found: Sequence[SampledOption]) -> list[SampledOption]:
    """Return the options that may be recommended: limits hold, and neither P(SLO) nor the simulation refuses them."""
    return [one for one in found if one.option.accepted and not is_refused(one.option)]


def least_cost(found: Sequence[SampledOption]) -> Array:
    """Return the cost of the cheapest option that serves, of shape (scenarios,) in USD; infinite where none does."""
    # An option that falls short is no alternative there, however cheap.
    return np.asarray(np.min([np.where(_serving(one), one.cost.tco, np.inf) for one in found], axis=0))


def _serving(one: SampledOption) -> Flags:
    # A provider is taken to keep what it sells.
    return np.ones_like(one.cost.tco, dtype=bool) if one.serves is None else one.serves


def excess(one: SampledOption, least: Array) -> Array:
    """Return the cost above that of the cheapest option that serves, of shape (scenarios in which one does,) in USD."""
    known = np.isfinite(least)
    # Cheaper than the cheapest only because it falls short there: no regret, no gain.
    return np.asarray(np.maximum(0.0, one.cost.tco[known] - least[known]))


def _with_regret(found: Sequence[SampledOption]) -> list[SampledOption]:
    """Return the options with their expected regret; without one where nothing may be recommended or a limit refuses it."""
    able = eligible(found)
    least = least_cost(able) if able else np.full(1, np.inf)
    if not np.isfinite(least).any():
        return list(found)
    return [
        replace(one, option=one.option.model_copy(update={"expected_regret_usd": float(excess(one, least).mean())}))
        if one.option.accepted
        else one
        for one in found
    ]

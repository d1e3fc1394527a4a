"""Probabilities of an option, and its costs as 80 % intervals of the scenarios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_bench.core.derivation import derivation_of, restated
from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Constraints
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.costs import Cost, cost_of
from aigc_bench.plan.risk.counted_risk import costs_of, probabilities_of, scenarios_of
from aigc_bench.plan.risk.fleet_service import p_out_of_memory, serves
from aigc_bench.plan.risk.scenarios import Flags, ScenarioContext
from aigc_bench.plan.stats.distributions import Array


@dataclass(frozen=True, kw_only=True)
class SampledOption:
    """An option in all scenarios: its cost, and where it meets the demand (``None``: a provider is responsible)."""

    option: Option
    cost: Cost
    serves: Flags | None

    @property
    def p_slo(self) -> float | None:
        """Return the share of scenarios in which it meets the demand."""
        return None if self.serves is None else float(np.mean(self.serves))


def sampled_option(option: Option, context: ScenarioContext) -> SampledOption:
    """Return the option evaluated in the scenarios of ``context``."""
    return SampledOption(option=option, cost=cost_of(option, context), serves=serves(option, context))


def with_probabilities(one: SampledOption, context: ScenarioContext, *, is_close: bool = True) -> Option:
    """Return the option with its probabilities, and with intervals from the scenarios around its values.

    ``is_close``: in all scenarios, as an option that ranks near the first.
    """
    option, cost = one.option, one.cost
    limits, num = context.demand.constraints, context.scenarios.num
    units = {name: interval(value, cost.per_unit.get(name), num) for name, value in option.usd_per_unit.items()}
    found = option.model_copy(
        update={
            "p_slo": one.p_slo,
            "p_budget": p_within(cost, limits),
            "p_oom": p_out_of_memory(option, context.rules),
            **_spread_of(cost, option.tco_usd, limits),
            "capex_usd": interval(option.capex_usd, cost.capex, num),
            "opex_usd_per_year": interval(option.opex_usd_per_year, cost.opex, num),
            "tco_usd": interval(option.tco_usd, cost.tco, num),
            "usd_per_unit": units,
            "parts": tuple(with_probabilities(sampled_option(part, context), context, is_close=is_close) for part in option.parts),
        }
    )
    scenarios = scenarios_of(num, seed=context.scenarios.seed, is_few=not is_close)
    chances = probabilities_of(found, limits, scenarios=scenarios)
    costs = costs_of(found, limits, scenarios=scenarios)
    return found.model_copy(update={"derived": {**option.derived, **chances, **costs}})


def _spread_of(cost: Cost, central: Estimate, limits: Constraints) -> dict[str, float]:
    """Return mean, P10 and P90 of the total cost; without a confidence the mean is the cost at central values."""
    low, high = (float(end) for end in np.quantile(cost.tco, (0.1, 0.9)))
    mean = float(np.mean(cost.tco)) if limits.confidence > 0 else central.value
    return {"expected_cost_usd": mean, "cost_p10_usd": low, "cost_p90_usd": high}


def p_within(cost: Cost, limits: Constraints) -> float | None:
    """Return the probability that upfront and yearly cost stay within the budgets; ``None`` where no budget is stated."""
    pairs = ((limits.budget_usd, cost.capex), (limits.budget_usd_per_year, cost.yearly))
    within = [usd <= limit for limit, usd in pairs if limit is not None]
    return float(np.mean(np.logical_and.reduce(within))) if within else None


def interval(value: Estimate, scenarios: Array | None, num: int) -> Estimate:
    """Return the same value between P10 and P90 of the scenarios; unchanged where there are none."""
    # Nothing was sampled, such as the zero purchase of a rent.
    if scenarios is None or scenarios.min() == scenarios.max():
        return value
    low, high = (float(end) for end in np.quantile(scenarios, (0.1, 0.9)))
    drawn, found = message("interval: P10 to P90 of {num:,} Monte Carlo scenarios", num=num), derivation_of(value)
    source = joined("; ", filter(None, (value.source, drawn)))
    formula = joined("; ", (found.formula, drawn)) if found is not None and found.formula else None
    # The central value can lie outside of P10 to P90 where inputs are skewed.
    return restated(value, formula=formula, low=min(low, value.value), high=max(high, value.value), source=source)

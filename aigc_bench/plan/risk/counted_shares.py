"""Probabilities as Estimates that know their scenarios and inputs.

The arithmetic ends at a count of scenarios: one scenario has too many numbers to print, so its sampling and seed are stated.
"""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Constraints
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.stats.estimates import counted, stated

SCENARIOS, FEW_SCENARIOS = "certainty.num_worlds", "certainty.num_few_worlds"
DRAWN = (
    "drawn with seed {seed}, the same for every option: each input independently from a lognormal with its value as median and the "
    "ends of its interval as P10 and P90 (from a normal if the low end is not above 0); fractions are capped at 1"
)
SERVES = (
    "count of the scenarios in which the machines in service suffice for the SLOs of the services at their peak, and every job "
    "meets its deadline on the machines that services leave off-peak"
)
WITHIN = "count of the scenarios in which the upfront and the yearly cost stay within the budgets"
OUT_OF_MEMORY = "1 - product over the models of P(peak fits), peaks lognormal within their intervals, against the usable memory"
IN_ALL = "scenarios in which it holds / all scenarios"


def scenarios_of(num: int, *, seed: int, is_few: bool = False) -> Estimate:
    """Return the number of scenarios with the way they were drawn; of options that are not near the first the few ones."""
    drawn = DRAWN.format(seed=seed)
    if is_few:
        title = "Monte Carlo scenarios of options that are not near the first"
        return counted(num, "scenarios", f"the first ones of those {drawn}", key=FEW_SCENARIOS, title=title)
    return counted(num, "scenarios", drawn, key=SCENARIOS, title="Monte Carlo scenarios")


def share(
    value: float, key: str, title: str, *, counts: str, inputs: Sequence[Estimate], of: Estimate, formula: str = IN_ALL
) -> Estimate:
    """Return a probability as the scenarios in which something holds over ``of`` all of them."""
    number = round(value * of.value)
    title_of_count = f"scenarios in which {title}"
    held = counted(number, "scenarios", counts, inputs=(of, *inputs), key=f"{key}.worlds", title=title_of_count)
    return fraction(value, Derivation("{0} / {1}", (held, of), formula, None, key, f"probability that {title}"))


def fraction(value: float, derivation: Derivation) -> Estimate:
    """Return a share of scenarios, which is exact, with its derivation."""
    return record(Estimate(value=value, low=value, high=value, unit="fraction", basis="modelled"), derivation)


def probabilities_of(option: Option, limits: Constraints, *, scenarios: Estimate) -> dict[str, Estimate]:
    """Return the probabilities that the option has, by name."""
    found = {}
    if option.p_slo is not None:
        times = [number for load in option.loads for number in (load.latency_s, load.busy_machines) if number is not None]
        serving = option.derived.get("num_serving")
        inputs, title = (*times, *((serving,) if serving else ())), "every SLO and deadline is met"
        found["p_slo"] = share(option.p_slo, ".p_slo", title, counts=SERVES, inputs=inputs, of=scenarios)
    if option.p_budget is not None:
        budgets = {name: getattr(limits, name) for name in ("budget_usd", "budget_usd_per_year")}
        keys = [stated(limit, f"demand.constraints.{name}", unit="usd") for name, limit in budgets.items() if limit is not None]
        inputs, title = (option.capex_usd, option.opex_usd_per_year, *keys), "the cost stays within the budget"
        found["p_budget"] = share(option.p_budget, ".p_budget", title, counts=WITHIN, inputs=inputs, of=scenarios)
    if option.p_oom is not None:
        memory = option.factors.get("memory")
        inputs = tuple(value for name, value in memory.inputs.items() if "memory" in name) if memory else ()
        title = "probability of running out of memory"
        found["p_oom"] = fraction(option.p_oom, Derivation(None, inputs, OUT_OF_MEMORY, None, ".p_oom", title))
    return found

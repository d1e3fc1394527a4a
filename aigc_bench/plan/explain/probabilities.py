"""Build the steps of an option's probabilities: a count of Monte Carlo scenarios over all of them, or a sum of normal tails.

The arithmetic ends at the count: a scenario has too many numbers to print, so its sampling and seed are stated instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from aigc_bench.core.records import Estimate
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.explain.step import Trail, counted
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.analysis import CLOSE, FEW
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS

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


def add_scenarios(trail: Trail, plan: Plan) -> None:
    """Add the number of scenarios, of options near the first and of the others."""
    seed = plan.certainty.seed if plan.certainty else 0
    drawn = DRAWN.format(seed=seed)
    num = plan.certainty.num_worlds if plan.certainty else NUM_SCENARIOS
    trail.leaf(SCENARIOS, "Monte Carlo scenarios", counted(num, "scenarios", drawn))
    trail.leaf(
        FEW_SCENARIOS,
        "Monte Carlo scenarios of options that are not near the first",
        counted(FEW, "scenarios", f"the first ones of those {drawn}"),
    )


def add_probabilities(below: Below) -> None:
    """Add the probabilities that the plan has."""
    option, scenarios = below.option, SCENARIOS if below.option.rank <= CLOSE else FEW_SCENARIOS
    ends = (".latency_s", ".accelerators_busy_at_peak")
    loads = [key for key in below.trail.starting(below.key("loads", "")) if key.endswith(ends)]
    money = [below.key("capex_usd"), below.key("opex_usd_per_year")]
    limits = ["demand.constraints.budget_usd", "demand.constraints.budget_usd_per_year"]
    if option.p_slo is not None:
        inputs = (*loads, below.key("num_serving"))
        add_share(
            below.trail,
            below.key("p_slo"),
            "every SLO and deadline is met",
            option.p_slo,
            counts=SERVES,
            inputs=inputs,
            of=scenarios,
        )
    if option.p_budget is not None:
        inputs = (*money, *limits)
        add_share(
            below.trail,
            below.key("p_budget"),
            "the cost stays within the budget",
            option.p_budget,
            counts=WITHIN,
            inputs=inputs,
            of=scenarios,
        )
    if option.p_oom is not None:
        memory = [key for key in below.trail.starting(below.key("factors", "memory", "inputs", "")) if "memory" in key]
        title = "probability of running out of memory"
        below.trail.computed(below.key("p_oom"), title, share_of(option.p_oom), formula=OUT_OF_MEMORY, inputs=memory)


def add_share(
    trail: Trail, key: str, title: str, share: float, *, counts: str, inputs: Iterable[str], of: str, num: int | None = None
) -> str:
    """Add a probability as the scenarios in which something holds over all of them, or over ``num`` of them."""
    total = of
    if num is not None:
        words = "count of the scenarios in which at least one option meets the demand"
        total = trail.computed(
            f"{of}.able",
            "scenarios in which some option meets the demand",
            counted(num, "scenarios", words),
            formula=words,
            inputs=(of,),
        )
    holds = counted(round(share * trail[total].value.value), "scenarios", counts)
    held = trail.computed(f"{key}.worlds", f"scenarios in which {title}", holds, formula=counts, inputs=(total, *inputs))
    formula = (
        "scenarios in which it holds / all scenarios"
        if num is None
        else "scenarios in which it holds / scenarios in which some option meets the demand"
    )
    return trail.computed(
        key, f"probability that {title}", share_of(share), formula=formula, inputs=(held, total), arithmetic="{0} / {1}"
    )


def share_of(value: float) -> Estimate:
    """Return a probability, exact because scenarios are counted."""
    return Estimate(value=value, low=value, high=value, unit="fraction", basis="modelled")

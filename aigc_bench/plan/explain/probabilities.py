"""The steps of an option's probabilities: a count of drawn worlds over all of them, or a sum of normal tails.

Arithmetic ends at the count: a world is too many numbers to be told, so how it was drawn and with which seed is said instead.
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
    "drawn with seed {seed}, the same for every option: each input by itself from a lognormal that has its value as median and the "
    "ends of its interval as 10th and 90th percentile (from a normal where the low end is not above 0); a fraction is cut off at 1"
)
SERVES = (
    "count of the worlds in which by day the machines that services need for their SLO are no more than those in service, and by "
    "night every job ends in its window on what services leave"
)
WITHIN = "count of the worlds in which what is paid at once and a year stays within the budgets"
OUT_OF_MEMORY = "1 - product over the models of P(its peak fits), peaks lognormal within their intervals, beside the usable memory"


def add_scenarios(trail: Trail, plan: Plan) -> None:
    """How many worlds were drawn, for options that are looked at closely and for the others."""
    seed = plan.certainty.seed if plan.certainty else 0
    drawn = DRAWN.format(seed=seed)
    num = plan.certainty.num_worlds if plan.certainty else NUM_SCENARIOS
    trail.leaf(SCENARIOS, "worlds drawn", counted(num, "worlds", drawn))
    trail.leaf(
        FEW_SCENARIOS,
        "worlds drawn for options that are not near the first",
        counted(FEW, "worlds", f"the first ones of those {drawn}"),
    )


def add_probabilities(below: Below) -> None:
    """Probabilities, where the plan has them."""
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
            "every SLO and deadline is kept",
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
            "it stays within the budget",
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
    """A probability as the number of worlds in which something holds over all of them, or over ``num`` of them."""
    total = of
    if num is not None:
        words = "count of the worlds in which at least one of the options does what is asked"
        total = trail.computed(
            f"{of}.able", "worlds in which some option does it", counted(num, "worlds", words), formula=words, inputs=(of,)
        )
    holds = counted(round(share * trail[total].value.value), "worlds", counts)
    held = trail.computed(f"{key}.worlds", f"worlds in which {title}", holds, formula=counts, inputs=(total, *inputs))
    formula = (
        "worlds in which it holds / worlds drawn" if num is None else "worlds in which it holds / worlds in which some option does"
    )
    return trail.computed(
        key, f"probability that {title}", share_of(share), formula=formula, inputs=(held, total), arithmetic="{0} / {1}"
    )


def share_of(value: float) -> Estimate:
    """A probability, exact as a count of worlds is."""
    return Estimate(value=value, low=value, high=value, unit="fraction", basis="modelled")

"""The risk of a recommendation as rows: probabilities, drivers, safer choices, regret, and the fleet by year."""

from __future__ import annotations

from aigc_bench.core.records import Record
from aigc_bench.plan.output.shown import Chance, key_of
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.risk import Certainty, GrowthPath, Regret, Safer, Swing
from aigc_bench.plan.risk.advice import lower_regret, safer_choices

NUM_DRIVERS = 8
"""Inputs shown as drivers of cost and of P(SLO), the widest first."""


class Chances(Record):
    """Probabilities of an option over the scenarios."""

    slo: Chance
    budget: Chance
    memory: Chance


class RiskView(Record):
    """Risk of the recommended option. ``choices`` are how to reach the wanted confidence, in words; empty if it is reached.

    ``alternative`` is an option with a much lower expected regret, in words. ``is_staged``: something is bought after the
    first year, so that buying in phases can be compared with buying all upfront.
    """

    num_scenarios: int
    chances: Chances
    cost_drivers: tuple[Swing, ...]
    slo_drivers: tuple[Swing, ...]
    safer: Safer | None
    choices: tuple[str, ...]
    regret: tuple[Regret, ...]
    alternative: str | None
    growth_path: GrowthPath | None
    is_staged: bool


def chances(option: Option) -> Chances:
    """Return the probabilities of an option."""
    at = key_of(option)
    return Chances(
        slo=Chance(
            key=f"{at}.p_slo",
            name="P(every SLO and deadline met)",
            share=option.p_slo,
            missing="the provider's responsibility",
        ),
        budget=Chance(key=f"{at}.p_budget", name="P(within budget)", share=option.p_budget, missing="no budget is stated"),
        memory=Chance(key=f"{at}.p_oom", name="P(out of memory)", share=option.p_oom, missing="peak or memory size is unknown"),
    )


def risk_view(option: Option, found: Certainty) -> RiskView:
    """Return the risk of the recommended option."""
    path = found.growth_path
    return RiskView(
        num_scenarios=found.num_worlds,
        chances=chances(option),
        cost_drivers=found.tornado.cost[:NUM_DRIVERS],
        slo_drivers=found.tornado.slo[:NUM_DRIVERS],
        safer=found.surer,
        choices=safer_choices(found.surer) if found.surer else (),
        regret=found.regret,
        alternative=lower_regret(found.regret),
        growth_path=path,
        is_staged=path is not None and path.staged_usd is not None and any(one.bought for one in path.years[1:]),
    )

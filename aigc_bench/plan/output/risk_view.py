"""The risk of a recommendation: probabilities, drivers, regret, the fleet by year, and how to lower the risk in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aigc_bench.core.messages import message, plural
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.options.measure import NAMES, is_refused, measure_of
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.output.risk_rows import (
    Drivers,
    GrowthRows,
    RegretRow,
    cost_drivers,
    cost_of,
    growth_rows,
    number_of,
    regret_row,
    slo_drivers,
)
from aigc_bench.plan.output.shown_number import Shown, ShownProbability, key_of
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.risk import MoreServers, PlanRisk, Safer, SaferOption

MUCH_LESS = 0.9
"""A choice by another measure is named where it is below this share of the recommendation's (assumed)."""
NOTHING = message("neither more servers nor another accepted option reaches that confidence")


def safer_choices(found: Safer) -> tuple[str, ...]:
    """Return one phrase for each safer choice, the cheapest first; ``NOTHING`` where there is none."""
    procurements: list[SaferOption | MoreServers | None] = [found.more_servers, found.option]
    known = sorted((one for one in procurements if one is not None), key=lambda one: (_is_over_limit(one), one.tco_usd))
    return tuple(" ".join(_words(one)) for one in known) or (NOTHING,)


def _is_over_limit(one: SaferOption | MoreServers) -> bool:
    return isinstance(one, MoreServers) and one.hindrance is not None


def _words(one: SaferOption | MoreServers) -> Iterator[str]:
    price = f"{quantity(one.p_slo, 'fraction')}, {quantity(one.tco_usd, 'usd')}"
    if isinstance(one, MoreServers):
        yield message(
            "{more_servers}, {num_servers} in total ({price})",
            more_servers=_more_servers(one.count),
            num_servers=one.num_servers,
            price=price,
        )
        if one.hindrance is not None:
            yield message("which exceeds {hindrance}", hindrance=one.hindrance)
    else:
        yield message("option {rank}, {what} ({price})", rank=one.rank, what=one.what, price=price)


def _more_servers(count: int) -> str:
    return plural("{count} more server", "{count} more servers", count=count)


def other_choices(plan: Plan) -> tuple[str, ...]:
    """Return what another attitude to risk would choose, where the option is much better by that measure; one phrase each.

    They are options that P(SLO) does not refuse; all but the recommended one would still be simulated.
    """
    best, own = plan.recommended, plan.demand.constraints.risk
    able = [one for one in plan.options if one.accepted and not is_refused(one)]
    if best is None:
        return ()
    found = []
    for risk, name in NAMES.items():
        first = min(able, key=partial(measure_of, risk=risk), default=best)
        if risk != own and measure_of(first, risk) < MUCH_LESS * measure_of(best, risk):
            found.append(
                message(
                    "by {name} (constraints.risk = {risk!r}) option {rank}, to {what}: {least} instead of {value}",
                    name=name,
                    risk=risk,
                    rank=first.rank,
                    what=describe(first),
                    least=quantity(measure_of(first, risk), "usd"),
                    value=quantity(measure_of(best, risk), "usd"),
                )
            )
    return tuple(found)


class Probabilities(Record):
    """Probabilities of an option over the scenarios."""

    slo: ShownProbability
    budget: ShownProbability
    memory: ShownProbability


class RiskView(Record):
    """Risk of the recommended option. ``choices`` are how to reach the wanted confidence, in words; empty if it is reached.

    ``median`` and ``mean`` are of the total cost over the scenarios. ``regret`` are the recommendation and its closest
    alternatives, ``other_choices`` what other measures of risk would choose, in words. ``growth`` is ``None`` without growth.
    """

    num_scenarios: int
    median: Shown
    mean: Shown
    probabilities: Probabilities
    cost_drivers: Drivers
    slo_drivers: Drivers
    safer: Safer | None
    choices: tuple[Sentence, ...]
    regret: tuple[RegretRow, ...]
    other_choices: tuple[Sentence, ...]
    growth: GrowthRows | None


def probabilities(option: Option) -> Probabilities:
    """Return the probabilities of an option."""
    at = key_of(option)
    return Probabilities(
        slo=ShownProbability(
            key=f"{at}.p_slo",
            name=message("P(every SLO and deadline met)"),
            share=option.p_slo,
            missing=message("the provider's responsibility"),
        ),
        budget=ShownProbability(
            key=f"{at}.p_budget", name=message("P(within budget)"), share=option.p_budget, missing=message("no budget is stated")
        ),
        memory=ShownProbability(
            key=f"{at}.p_oom",
            name=message("P(out of memory)"),
            share=option.p_oom,
            missing=message("peak or memory size is unknown"),
        ),
    )


def risk_view(plan: Plan, option: Option, found: PlanRisk) -> RiskView:
    """Return the risk of the recommended option of a plan."""
    # Without a confidence the expected cost is the one at central values, so the mean is that of the drivers' scenarios.
    is_expected = plan.demand.constraints.confidence > 0
    expected, mean = message("mean total cost"), "certainty.tornado.mean_tco_usd"
    return RiskView(
        num_scenarios=found.num_worlds,
        median=number_of(found, "certainty.median_tco_usd", message("median total cost")),
        mean=cost_of(option, "expected_cost_usd", expected) if is_expected else number_of(found, mean, expected),
        probabilities=probabilities(option),
        cost_drivers=cost_drivers(found),
        slo_drivers=slo_drivers(found),
        safer=found.surer,
        choices=safer_choices(found.surer) if found.surer else (),
        regret=tuple(regret_row(one, plan=plan, found=found) for one in found.regret),
        other_choices=other_choices(plan),
        growth=growth_rows(found.growth_path, found) if found.growth_path is not None else None,
    )

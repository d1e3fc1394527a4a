"""The risk of a recommendation as rows: probabilities, drivers, regret, the fleet by year, and how to lower the risk in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aigc_bench.core.messages import message, plural
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.options.measure import NAMES, is_refused, measure_of
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.output.shown_number import ShownProbability, key_of
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.replay import ReplayedJob, ReplayedService
from aigc_bench.plan.records.risk import GrowthPath, MoreServers, PlanRisk, Regret, Safer, SaferOption, Swing


class Latency(Record):
    """A latency at the percentile of the SLO, simulated and analytic; ``limit_s`` is the SLO."""

    name: Sentence
    share: float
    simulated_s: float
    analytic_s: float | None
    limit_s: float | None


class CheckedService(Record):
    """A service as simulated; ``num_added`` accelerators were added beyond the analytic model until it held."""

    found: ReplayedService
    latencies: tuple[Latency, ...]
    num_added: int


class CheckView(Record):
    """A simulation and whether it confirms the plan. ``notes`` of all services, each once."""

    seed: int
    is_met: bool
    services: tuple[CheckedService, ...]
    jobs: tuple[ReplayedJob, ...]
    notes: tuple[Sentence, ...]


def check_view(option: Option) -> CheckView | None:
    """Return the simulation of an option; ``None`` if it was not simulated, such as an API."""
    replay = option.replay
    if replay is None:
        return None
    return CheckView(
        seed=replay.seed,
        is_met=replay.is_met,
        services=tuple(
            CheckedService(found=one, latencies=tuple(_latencies(one)), num_added=replay.added_machines.get(one.name, 0))
            for one in replay.services
        ),
        jobs=replay.jobs,
        notes=tuple(dict.fromkeys(note for one in replay.services for note in one.notes)),
    )


def _latencies(one: ReplayedService) -> Iterator[Latency]:
    for name, found in one.percentiles.items():
        if found.simulated_s is not None:
            yield Latency(
                name=name if name == "latency" else name.upper(),
                share=found.share,
                simulated_s=found.simulated_s,
                analytic_s=found.analytic_s,
                limit_s=found.limit_s,
            )


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


NUM_DRIVERS = 8
"""Inputs shown as drivers of cost and of P(SLO), the widest first."""


class Probabilities(Record):
    """Probabilities of an option over the scenarios."""

    slo: ShownProbability
    budget: ShownProbability
    memory: ShownProbability


class RiskView(Record):
    """Risk of the recommended option. ``choices`` are how to reach the wanted confidence, in words; empty if it is reached.

    ``other_choices`` are what other measures of risk would choose, in words. ``is_staged``: something is bought after the
    first year, so that buying in phases can be compared with buying all upfront.
    """

    num_scenarios: int
    probabilities: Probabilities
    cost_drivers: tuple[Swing, ...]
    slo_drivers: tuple[Swing, ...]
    safer: Safer | None
    choices: tuple[Sentence, ...]
    regret: tuple[Regret, ...]
    other_choices: tuple[Sentence, ...]
    growth_path: GrowthPath | None
    is_staged: bool


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
    path = found.growth_path
    return RiskView(
        num_scenarios=found.num_worlds,
        probabilities=probabilities(option),
        cost_drivers=found.tornado.cost[:NUM_DRIVERS],
        slo_drivers=found.tornado.slo[:NUM_DRIVERS],
        safer=found.surer,
        choices=safer_choices(found.surer) if found.surer else (),
        regret=found.regret,
        other_choices=other_choices(plan),
        growth_path=path,
        is_staged=path is not None and path.staged_usd is not None and any(one.bought for one in path.years[1:]),
    )

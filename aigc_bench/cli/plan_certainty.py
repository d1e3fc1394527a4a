"""Print the risk of a plan in a few lines: probabilities, cost drivers, safer alternatives, phased growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView
    from aigc_bench.plan.output.risk_view import RiskView
    from aigc_bench.plan.records.risk import GrowthPath, Swing

TOP = 3


def risk(view: PlanView) -> Iterator[str]:
    """Yield the lines; none if the plan was made without Monte Carlo scenarios."""
    found = view.risk
    if found is None:
        return
    yield from wrapped(f"risk: {', '.join(_probabilities(found))}", indent=2, hang=4)
    yield from _drivers("cost drivers", found.cost_drivers, is_slo=False)
    yield from _drivers("P(SLO) drivers", found.slo_drivers, is_slo=True)
    if found.alternative is not None:
        yield from wrapped(f"lower expected regret: {found.alternative}", indent=2, hang=4)
    if found.safer is not None:
        yield from wrapped(_safer(found.safer.wanted, found.choices), indent=2, hang=4)
    if found.growth_path is not None:
        yield from wrapped(_path(found.growth_path, is_staged=found.is_staged), indent=2, hang=4)


def _probabilities(found: RiskView) -> Iterator[str]:
    from aigc_bench.core.units import chance, quantity

    for one in (found.chances.slo, found.chances.budget, found.chances.memory):
        if one.share is not None:
            scenarios = f" over {found.num_scenarios:,} Monte Carlo scenarios" if one is found.chances.slo else ""
            yield f"{one.name} {chance(one.share)}{scenarios}"
    first = next(iter(found.regret), None)
    if first is not None:
        yield f"P(cheapest that meets the demand) {chance(first.p_cheapest)}"
        yield f"expected regret {quantity(first.regret_usd, 'usd')}"


def _drivers(title: str, swings: Sequence[Swing], *, is_slo: bool) -> Iterator[str]:
    from aigc_bench.core.units import chance, quantity

    drivers = []
    for one in swings[:TOP]:
        ends = (one.p_slo_low, one.p_slo_high) if is_slo else (one.tco_low_usd, one.tco_high_usd)
        low, high = (chance(end or 0.0) if is_slo else quantity(end, "usd") for end in ends)
        drivers.append(f"{one.name} ({low} to {high})")
    if drivers:
        yield from wrapped(f"{title} (P10 to P90): {', '.join(drivers)}", indent=2, hang=4)


def _safer(wanted: float, choices: Sequence[str]) -> str:
    from aigc_bench.core.units import quantity

    return f"to reach {quantity(wanted, 'fraction')} confidence: {'; or '.join(choices)}"


def _path(found: GrowthPath, *, is_staged: bool) -> str:
    from aigc_bench.core.units import quantity

    counts = ", ".join(f"{one.num_servers}" for one in found.years)
    text = f"servers required at the end of each year: {counts}"
    if not is_staged or found.staged_usd is None or found.at_once_usd is None:
        return text
    staged, upfront = (quantity(one.value, "usd") for one in (found.staged_usd, found.at_once_usd))
    return f"{text}; phased purchase {staged}, all upfront {upfront}"

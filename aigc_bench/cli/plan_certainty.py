"""Print the risk of a plan in a few lines: probabilities, cost drivers, safer alternatives, phased growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.records.plan import Option, Plan
    from aigc_bench.plan.records.risk import Certainty, GrowthPath, Safer, Swing

TOP = 3


def risk(plan: Plan) -> Iterator[str]:
    """Yield the lines; none if the plan was made without Monte Carlo scenarios."""
    from aigc_bench.plan.risk.advice import lower_regret

    best, found = plan.recommended, plan.certainty
    if best is None or found is None:
        return
    yield from wrapped(f"risk: {', '.join(_probabilities(best, found))}", indent=2, hang=4)
    yield from _drivers("cost drivers", found.tornado.cost, is_slo=False)
    yield from _drivers("P(SLO) drivers", found.tornado.slo, is_slo=True)
    alternative = lower_regret(found.regret)
    if alternative is not None:
        yield from wrapped(f"lower expected regret: {alternative}", indent=2, hang=4)
    if found.surer is not None:
        yield from wrapped(_safer(found.surer), indent=2, hang=4)
    if found.growth_path is not None:
        yield from wrapped(_path(found.growth_path), indent=2, hang=4)


def _probabilities(best: Option, found: Certainty) -> Iterator[str]:
    from aigc_bench.core.units import chance, quantity

    if best.p_slo is not None:
        yield f"P(every SLO and deadline met) {chance(best.p_slo)} over {found.num_worlds:,} Monte Carlo scenarios"
    if best.p_budget is not None:
        yield f"P(within budget) {chance(best.p_budget)}"
    if best.p_oom is not None:
        yield f"P(out of memory) {chance(best.p_oom)}"
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


def _safer(found: Safer) -> str:
    from aigc_bench.core.units import quantity
    from aigc_bench.plan.risk.advice import safer_choices

    return f"to reach {quantity(found.wanted, 'fraction')} confidence: {'; or '.join(safer_choices(found))}"


def _path(found: GrowthPath) -> str:
    from aigc_bench.core.units import quantity

    counts = ", ".join(f"{one.num_servers}" for one in found.years)
    text = f"servers required at the end of each year: {counts}"
    if found.staged_usd is None or found.at_once_usd is None or not any(one.bought for one in found.years[1:]):
        return text
    staged, upfront = (quantity(one.value, "usd") for one in (found.staged_usd, found.at_once_usd))
    return f"{text}; phased purchase {staged}, all upfront {upfront}"

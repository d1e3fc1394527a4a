"""How sure a plan is, in a few lines of the screen: probabilities, what moves cost and P(SLO), what is surer, growth in stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.records.plan import Option, Plan
    from aigc_bench.plan.records.risk import Certainty, GrowthPath, Safer, Swing

TOP = 3


def sureness(plan: Plan) -> Iterator[str]:
    """Nothing where no certainty was computed."""
    from aigc_bench.plan.risk.advice import lower_regret

    best, found = plan.recommended, plan.certainty
    if best is None or found is None:
        return
    yield from wrapped(f"how sure: {', '.join(_chances(best, found))}", indent=2, hang=4)
    yield from _moves("cost moves with", found.tornado.cost, is_slo=False)
    yield from _moves("P(SLO) moves with", found.tornado.slo, is_slo=True)
    prudent = lower_regret(found.regret)
    if prudent is not None:
        yield from wrapped(f"more prudent: {prudent}", indent=2, hang=4)
    if found.surer is not None:
        yield from wrapped(_surer(found.surer), indent=2, hang=4)
    if found.growth_path is not None:
        yield from wrapped(_path(found.growth_path), indent=2, hang=4)


def _chances(best: Option, found: Certainty) -> Iterator[str]:
    from aigc_bench.core.units import chance, quantity

    if best.p_slo is not None:
        yield f"every SLO and deadline kept in {chance(best.p_slo)} of {found.num_worlds:,} drawn worlds"
    if best.p_budget is not None:
        yield f"within the budget in {chance(best.p_budget)}"
    if best.p_oom is not None:
        yield f"P(out of memory) {chance(best.p_oom)}"
    first = next(iter(found.regret), None)
    if first is not None:
        yield f"the cheapest that serves in {chance(first.p_cheapest)}, mean regret {quantity(first.regret_usd, 'usd')}"


def _moves(words: str, swings: Sequence[Swing], *, is_slo: bool) -> Iterator[str]:
    from aigc_bench.core.units import chance, quantity

    told = []
    for one in swings[:TOP]:
        ends = (one.p_slo_low, one.p_slo_high) if is_slo else (one.tco_low_usd, one.tco_high_usd)
        low, high = (chance(end or 0.0) if is_slo else quantity(end, "usd") for end in ends)
        told.append(f"{one.name} ({low} to {high})")
    if told:
        yield from wrapped(f"{words} (its lowest to its highest tenth): {', '.join(told)}", indent=2, hang=4)


def _surer(found: Safer) -> str:
    from aigc_bench.core.units import quantity
    from aigc_bench.plan.risk.advice import safer_choices

    return f"to be {quantity(found.wanted, 'fraction')} sure: {'; or '.join(safer_choices(found))}"


def _path(found: GrowthPath) -> str:
    from aigc_bench.core.units import quantity

    counts = ", ".join(f"{one.num_servers}" for one in found.years)
    text = f"servers needed at the end of each year: {counts}"
    if found.staged_usd is None or found.at_once_usd is None or not any(one.bought for one in found.years[1:]):
        return text
    staged, at_once = (quantity(one.value, "usd") for one in (found.staged_usd, found.at_once_usd))
    return f"{text}; bought as needed {staged}, all at once {at_once}"

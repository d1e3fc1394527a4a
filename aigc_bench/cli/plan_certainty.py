"""How sure a plan is, in a few lines of the screen: probabilities, what moves cost and P(SLO), what is surer, growth in stages."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc_bench.plan.certainty.records import Certainty, GrowthPath, Surer, Swing
    from aigc_bench.plan.records import Option, Plan

WIDTH = 108
TOP = 3


def sureness(plan: Plan) -> Iterator[str]:
    """Nothing where no certainty was computed."""
    best, found = plan.recommended, plan.certainty
    if best is None or found is None:
        return
    yield from _wrap(f"how sure: {', '.join(_chances(best, found))}")
    yield from _moves("cost moves with", found.tornado.cost, is_slo=False)
    yield from _moves("P(SLO) moves with", found.tornado.slo, is_slo=True)
    if found.surer is not None:
        yield from _wrap(_surer(found.surer))
    if found.growth_path is not None:
        yield from _wrap(_path(found.growth_path))


def _chances(best: Option, found: Certainty) -> Iterator[str]:
    from aigc_bench.core.units import quantity

    if best.p_slo is not None:
        yield f"every SLO and deadline kept in {best.p_slo:.0%} of {found.num_worlds:,} drawn worlds"
    if best.p_budget is not None:
        yield f"within the budget in {best.p_budget:.0%}"
    if best.p_oom is not None:
        yield f"P(out of memory) {quantity(best.p_oom, 'fraction')}"
    first = next(iter(found.regret), None)
    if first is not None:
        yield f"the cheapest that serves in {first.p_cheapest:.0%}, regret {quantity(first.regret_usd, 'usd')}"


def _moves(words: str, swings: Sequence[Swing], *, is_slo: bool) -> Iterator[str]:
    from aigc_bench.core.units import quantity

    told = []
    for one in swings[:TOP]:
        ends = (one.p_slo_low, one.p_slo_high) if is_slo else (one.tco_low_usd, one.tco_high_usd)
        low, high = (quantity(end or 0.0, "fraction" if is_slo else "usd") for end in ends)
        told.append(f"{one.name} ({low} to {high})")
    if told:
        yield from _wrap(f"{words} {', '.join(told)}")


def _surer(found: Surer) -> str:
    from aigc_bench.core.units import quantity
    from aigc_bench.plan.certainty.told import ways_to_be_surer

    return f"to be {quantity(found.wanted, 'fraction')} sure: {'; or '.join(ways_to_be_surer(found))}"


def _path(found: GrowthPath) -> str:
    from aigc_bench.core.units import quantity

    counts = ", ".join(f"{one.num_servers}" for one in found.years)
    text = f"servers needed at the end of each year: {counts}"
    if found.staged_usd is None or found.at_once_usd is None:
        return text
    staged, at_once = (quantity(one.value, "usd") for one in (found.staged_usd, found.at_once_usd))
    return f"{text}; bought as needed {staged}, all at once {at_once}"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, width=WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)

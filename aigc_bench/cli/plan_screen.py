"""Print a plan on one screen: what to buy, how much of it, the factors, cost, risk and alternatives."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import width, wrapped
from aigc_bench.cli.plan_certainty import risk
from aigc_bench.cli.plan_check import next_measurement, simulated, warnings
from aigc_bench.cli.plan_refused import nothing
from aigc_bench.core.visible import visible

if TYPE_CHECKING:
    from aigc_bench.core.records import Estimate
    from aigc_bench.plan.output.plan_view import PlanView
    from aigc_bench.plan.output.recommendation_view import FactorRow, LoadRow, RecommendationView
    from aigc_bench.plan.output.shown import Shown

NUMBERS_WIDTH = 30
"""Characters that the columns of cost and relative cost take, with the gaps before them."""
NUM_ASSUMPTIONS = 3


def screen(view: PlanView) -> str:
    """Return the plan as text, about forty lines."""
    best = view.recommendation
    lines = [view.plan.demand.name, ""]
    if best is None or not best.is_accepted:
        lines += list(nothing(view))
    else:
        lines += [
            *wrapped(_headline(best), indent=0),
            *_caveats(best),
            "",
            *_loads(best),
            "",
            *_money(view),
            "",
            *_factors(best),
            "",
            *_bottlenecks(best),
            "",
            *simulated(view),
            *risk(view),
            *next_measurement(view),
            *warnings(view),
        ]
        lines += ["", *_alternatives(view)]
    lines += ["", *_footing(view)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(visible(line.rstrip()) for line in lines))


def _headline(best: RecommendationView) -> str:
    """Return what to buy or rent, the racks, and how many of the servers are spares and safety margin."""
    text, racks, reserve = best.what, best.option.num_racks, ", ".join(best.reserve)
    in_racks = f", {racks} rack{'s' if racks != 1 else ''}" if racks else ""
    return f"{text[0].upper()}{text[1:]}{in_racks}{f', including {reserve}' if reserve else ''}."


def _caveats(best: RecommendationView) -> Iterator[str]:
    """Yield the options that are statistically tied, then the open questions other than unknown factors."""
    for text in (*([best.tie] if best.tie else []), *best.questions):
        yield from wrapped(f"{text[0].upper()}{text[1:]}.", indent=2)


def _loads(best: RecommendationView) -> Iterator[str]:
    for load in best.loads:
        yield from wrapped(f"{load.name}: {_setting(load)}", indent=2)


def _setting(load: LoadRow) -> str:
    from aigc_bench.core.units import digits, quantity

    peak, setting = load.peak.printed, load.setting
    words = [f"peak {digits(peak.value)} {peak.unit}"] if peak else []
    if setting is not None:
        ranks = f"{setting.num_per_replica} accelerator{'s' if setting.num_per_replica > 1 else ''} per replica"
        cap = f", power limit {setting.power_cap:.0%}" if setting.power_cap < 1 else ""
        words.append(f"{setting.preset} on {setting.engine or 'torch'} in {setting.precision or 'its native precision'}")
        words.append(f"{ranks}, batch {setting.batch_size}{cap}")
        times = (("TTFT", load.ttft), ("TPOT", load.tpot), ("request", load.latency))
        words += [f"{name} {quantity(one.value.value, 's')}" for name, one in times if one.value is not None]
        words.append(setting.basis)
    return ", ".join(words)


def _money(view: PlanView) -> Iterator[str]:
    money = view.totals
    if money is None:
        return
    years = view.plan.demand.finance.life_years
    yield f"  total cost over {years:g} years   {_between(money.total)}"
    yield f"  upfront {_between(money.upfront)}, per year {_between(money.per_year)}"
    for one in view.unit_costs:
        yield f"  {one.name}: {_between(one.cost)} per {one.per}"
    carbon = money.carbon.printed
    if carbon is not None:
        yield f"  carbon {carbon.value:,.1f} t CO2e ({carbon.low:,.1f} to {carbon.high:,.1f})"


def _between(number: Shown) -> str:
    """Return an amount with its interval."""
    from aigc_bench.core.units import quantity

    value = number.printed
    if value is None or value.low == value.high:
        return _amount(value)
    return f"{_amount(value)} ({quantity(value.low, value.unit)} to {quantity(value.high, value.unit)})"


def _amount(value: Estimate | None) -> str:
    from aigc_bench.core.units import quantity

    return "–" if value is None else quantity(value.value, value.unit)


def _factors(best: RecommendationView) -> Iterator[str]:
    yield f"  {'FACTOR':<9} {'REQUIRED':>14} {'AVAILABLE':>14} {'HEAD-ROOM':>9}  VERDICT"
    for one in best.factors:
        yield from wrapped(_factor(one), indent=2, hang=51)


def _factor(one: FactorRow) -> str:
    required, available = (_amount(number.printed) for number in (one.required, one.available))
    return f"{one.name:<9} {required:>14} {available:>14} {_room(one.found.headroom):>9}  {one.found.verdict}: {one.found.why}"


def _room(headroom: float | None) -> str:
    return "–" if headroom is None else f"{headroom:.0%}"


def _bottlenecks(best: RecommendationView) -> Iterator[str]:
    words = [f"{one.name}, {_room(one.headroom)}" for one in best.bottlenecks]
    if words:
        after = f"; next bottleneck: {words[1]}" if len(words) > 1 else ""
        yield f"  bottleneck: {words[0]} head-room{after}"


def _alternatives(view: PlanView) -> Iterator[str]:
    """Yield a table of the best option of every other kind, then of other accelerators."""
    shown = view.options.short
    if not shown:
        return
    room = width() - NUMBERS_WIDTH
    yield f"  {'ALTERNATIVE':<{room}} {'TOTAL COST':>12} {'RELATIVE COST':>13}"
    for one in shown:
        relative = f"{one.relative_cost:.1f}x" if one.relative_cost is not None else "–"
        below = " (below the required confidence)" if one.is_below_confidence else ""
        lines = textwrap.wrap(f"{one.what}{below}", width=room - 2, break_long_words=False, break_on_hyphens=False)
        yield f"  {lines[0]:<{room}} {_amount(one.option.tco_usd):>12} {relative:>13}"
        yield from (f"    {line}" for line in lines[1:])


def _footing(view: PlanView) -> Iterator[str]:
    options = f"{len(view.plan.options)} options, {len(view.options.refused)} refused"
    yield f"  {view.plan.num_candidates:,} candidates evaluated, {options}; --json lists every reason."
    widest = view.assumptions[:NUM_ASSUMPTIONS]
    if widest:
        names = "; ".join(f"{one.title} [{one.key}]" for one in widest)
        yield from wrapped(
            f"Widest of {len(view.assumptions)} assumptions: {names}. --explain KEY shows how a number is derived.", indent=2
        )

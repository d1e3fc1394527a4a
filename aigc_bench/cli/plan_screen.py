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
    from aigc_bench.plan.records.assessment import Assessment
    from aigc_bench.plan.records.loads import Load
    from aigc_bench.plan.records.plan import Option, Plan

NUM_ALTERNATIVES = 6
NUMBERS_WIDTH = 30
"""Characters that the columns of cost and relative cost take, with the gaps before them."""


def screen(plan: Plan) -> str:
    """Return the plan as text, about forty lines."""
    best = plan.recommended
    lines = [plan.demand.name, ""]
    if best is None:
        lines += list(nothing(plan))
    else:
        lines += [
            *wrapped(_headline(best, confidence=plan.demand.constraints.confidence), indent=0),
            *_caveats(plan, best),
            "",
            *_loads(best),
            "",
            *_money(plan, best),
            "",
            *_factors(best),
            "",
            *_bottlenecks(best),
            "",
            *simulated(best),
            *risk(plan),
            *next_measurement(plan),
            *warnings(plan),
        ]
        lines += ["", *_alternatives(plan, best)]
    lines += ["", *_footing(plan)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(visible(line.rstrip()) for line in lines))


def _headline(option: Option, *, confidence: float) -> str:
    """Return what to buy or rent, the racks, and how many of the servers are spares and safety margin."""
    from aigc_bench.plan.options.wording import reserve_words, what

    text = what(option)
    reserve = ", ".join(reserve_words(option, confidence=confidence))
    racks = f", {option.num_racks} rack{'s' if option.num_racks != 1 else ''}" if option.num_racks else ""
    return f"{text[0].upper()}{text[1:]}{racks}{f', including {reserve}' if reserve else ''}."


def _caveats(plan: Plan, best: Option) -> Iterator[str]:
    """Yield the options that are statistically tied, then the open questions other than unknown factors."""
    from aigc_bench.plan.options.wording import tie

    near = tie(plan)
    questions = [one for one in best.reasons if not any(one.startswith(f"{name} is unknown") for name in best.factors)]
    for text in (*([near] if near else []), *questions):
        yield from wrapped(f"{text[0].upper()}{text[1:]}.", indent=2)


def _loads(option: Option) -> Iterator[str]:
    for part in option.parts or (option,):
        for load in part.loads:
            yield from wrapped(f"{load.name}: {_setting(load, part)}", indent=2)


def _setting(load: Load, option: Option) -> str:
    from aigc_bench.core.units import digits, quantity

    machine = option.machine
    capability = next((one for one in machine.capabilities if one.case == load.case), None) if machine else None
    words = [f"peak {digits(load.rate_items_per_s.value)} {load.rate_items_per_s.unit}"]
    if capability is not None:
        ranks = f"{capability.machines_per_replica} accelerator{'s' if capability.machines_per_replica > 1 else ''} per replica"
        cap = f", power limit {capability.power_cap:.0%}" if capability.power_cap < 1 else ""
        words.append(f"{capability.preset} on {capability.engine or 'torch'} in {capability.precision or 'its native precision'}")
        words.append(f"{ranks}, batch {capability.batch_size}{cap}")
        times = (("TTFT", capability.ttft_s), ("TPOT", capability.tpot_s), ("request", load.latency_s))
        words += [f"{name} {quantity(value.value, 's')}" for name, value in times if value is not None]
        words.append(capability.throughput.basis)
    return ", ".join(words)


def _money(plan: Plan, option: Option) -> Iterator[str]:
    from aigc_bench.report.plan.units import round_counts

    years = plan.demand.finance.life_years
    yield f"  total cost over {years:g} years   {_between(option.tco_usd)}"
    yield f"  upfront {_between(option.capex_usd)}, per year {_between(option.opex_usd_per_year)}"
    for name, (count, words) in round_counts(option.usd_per_unit).items():
        yield f"  {name}: {_each(option.usd_per_unit[name], count)} per {words}"
    if option.carbon_kg is not None:
        low, value, high = (getattr(option.carbon_kg, end) / 1000 for end in ("low", "value", "high"))
        yield f"  carbon {value:,.1f} t CO2e ({low:,.1f} to {high:,.1f})"


def _each(cost: Estimate, count: float) -> str:
    """Return the cost of ``count`` units with its interval."""
    from aigc_bench.core.units import quantity

    ends = " to ".join(quantity(end * count, "usd") for end in (cost.low, cost.high))
    return f"{quantity(cost.value * count, 'usd')} ({ends})"


def _between(value: Estimate) -> str:
    from aigc_bench.core.units import quantity

    text = quantity(value.value, value.unit.partition("/")[0])
    if value.low == value.high:
        return text
    unit = value.unit.partition("/")[0]
    return f"{text} ({quantity(value.low, unit)} to {quantity(value.high, unit)})"


def _factors(option: Option) -> Iterator[str]:
    yield f"  {'FACTOR':<9} {'REQUIRED':>14} {'AVAILABLE':>14} {'HEAD-ROOM':>9}  VERDICT"
    for name, found in option.factors.items():
        yield from wrapped(_factor(name, found), indent=2, hang=51)


def _factor(name: str, found: Assessment) -> str:
    from aigc_bench.core.units import quantity

    headroom = f"{found.headroom:.0%}" if found.headroom is not None else "–"
    required, available = (quantity(value.value, value.unit) if value else "–" for value in (found.required, found.available))
    return f"{name:<9} {required:>14} {available:>14} {headroom:>9}  {found.verdict}: {found.why}"


def _bottlenecks(option: Option) -> Iterator[str]:
    if option.bottleneck is None:
        return
    first = option.factors[option.bottleneck]
    text = f"  bottleneck: {option.bottleneck}, {first.headroom or 0.0:.0%} head-room"
    if option.next_bottleneck is not None:
        then = option.factors[option.next_bottleneck]
        text += f"; next bottleneck: {option.next_bottleneck}, {then.headroom or 0.0:.0%}"
    yield text


def _alternatives(plan: Plan, best: Option) -> Iterator[str]:
    """Yield a table of the best option of every other kind, then of other accelerators."""
    from aigc_bench.plan.options.wording import what

    seen: dict[tuple[str, str], Option] = {}
    accepted = [option for option in plan.options if option.accepted and option is not best]
    for option in accepted:
        seen.setdefault((option.kind, option.term), option)
    shown = list(seen.values())
    known = {option.accelerator for option in (*shown, best)}
    for option in accepted:
        if len(shown) >= NUM_ALTERNATIVES:
            break
        if option.accelerator not in known:
            known.add(option.accelerator)
            shown.append(option)
    if not shown:
        return
    room = width() - NUMBERS_WIDTH
    yield f"  {'ALTERNATIVE':<{room}} {'TOTAL COST':>12} {'RELATIVE COST':>13}"
    for option in sorted(shown, key=lambda one: one.rank)[: NUM_ALTERNATIVES + 2]:
        relative = option.tco_usd.value / best.tco_usd.value if best.tco_usd.value else 0.0
        cost = _between(option.tco_usd).partition(" ")[0]
        below = " (below the required confidence)" if option.misses_confidence else ""
        lines = textwrap.wrap(f"{what(option)}{below}", width=room - 2, break_long_words=False, break_on_hyphens=False)
        yield f"  {lines[0]:<{room}} {cost:>12} {relative:>12.1f}x"
        yield from (f"    {line}" for line in lines[1:])


def _footing(plan: Plan) -> Iterator[str]:
    refused = sum(not option.accepted for option in plan.options)
    widest = sorted(plan.assumptions, key=lambda one: -_width(one.value))[:3]
    options = f"{len(plan.options)} options, {refused} refused"
    yield f"  {plan.num_candidates:,} candidates evaluated, {options}; --json lists every reason."
    if widest:
        names = "; ".join(f"{one.title} [{one.key}]" for one in widest)
        yield from wrapped(
            f"Widest of {len(plan.assumptions)} assumptions: {names}. --explain KEY shows how a number is derived.", indent=2
        )


def _width(value: Estimate) -> float:
    return value.high / value.low if value.low > 0 else 0.0


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"

"""A plan on one screen: what to buy, how many, what it needs, what it costs, how sure that is, and what binds next."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import width, wrapped
from aigc_bench.cli.plan_certainty import sureness
from aigc_bench.cli.plan_check import next_measurement, simulated, warnings
from aigc_bench.cli.plan_refused import nothing
from aigc_bench.core.visible import visible

if TYPE_CHECKING:
    from aigc_bench.core.records import Estimate
    from aigc_bench.plan.records.assessment import Assessment
    from aigc_bench.plan.records.loads import Load
    from aigc_bench.plan.records.plan import Option, Plan

OTHERS = 6
NUMBERS_WIDTH = 24
"""Characters of a line that cost, times and the gaps before them take."""


def screen(plan: Plan) -> str:
    """The plan as text, about forty lines."""
    best = plan.recommended
    lines = [plan.demand.name, ""]
    if best is None:
        lines += list(nothing(plan))
    else:
        lines += [
            *wrapped(_headline(best), indent=0),
            *_beside(plan, best),
            "",
            *_loads(best),
            "",
            *_money(plan, best),
            "",
            *_factors(best),
            "",
            *_next(best),
            "",
            *simulated(best),
            *sureness(plan),
            *next_measurement(plan),
            *warnings(plan),
        ]
        lines += ["", *_others(plan, best)]
    lines += ["", *_footing(plan)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(visible(line.rstrip()) for line in lines))


def _headline(option: Option) -> str:
    from aigc_bench.plan.options.wording import what

    text = what(option)
    beside = ((option.num_spares, "spare"), (option.num_margin, "for what is not known"))
    kept = " and ".join(f"{count} {words}" for count, words in beside if count)
    spare = f", {kept}" if kept else ""
    racks = f", {option.num_racks} rack{'s' if option.num_racks != 1 else ''}" if option.num_racks else ""
    return f"{text[0].upper()}{text[1:]}{spare}{racks}."


def _beside(plan: Plan, best: Option) -> Iterator[str]:
    """What is as good as the recommendation, and what is open about it beside factors that are not known."""
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

    able = next((one for one in option.machine.capabilities if one.case == load.case), None) if option.machine else None
    words = [f"{digits(load.rate_items_per_s.value)} {load.rate_items_per_s.unit} at the peak"]
    if able is not None:
        ranks = f"{able.machines_per_replica} accelerator{'s' if able.machines_per_replica > 1 else ''} a replica"
        cap = f", power limit {able.power_cap:.0%}" if able.power_cap < 1 else ""
        words.append(f"{able.preset} on {able.engine or 'torch'} in {able.precision or 'its own format'}")
        words.append(f"{ranks}, batch {able.batch_size}{cap}")
        times = (("TTFT", able.ttft_s), ("TPOT", able.tpot_s), ("request", load.latency_s))
        words += [f"{name} {quantity(value.value, 's')}" for name, value in times if value is not None]
        words.append(able.throughput.basis)
    return ", ".join(words)


def _money(plan: Plan, option: Option) -> Iterator[str]:
    from aigc_bench.report.plan.units import round_counts

    years = plan.demand.finance.life_years
    yield f"  cost over {years:g} years   {_between(option.tco_usd)}"
    yield f"  at once {_between(option.capex_usd)}; a year {_between(option.opex_usd_per_year)}"
    for name, (count, words) in round_counts(option.usd_per_unit).items():
        yield f"  {name}: {_each(option.usd_per_unit[name], count)} {_many(words, count)}"
    if option.carbon_kg is not None:
        low, value, high = (getattr(option.carbon_kg, end) / 1000 for end in ("low", "value", "high"))
        yield f"  carbon {value:,.1f} t CO2e ({low:,.1f} to {high:,.1f})"


def _each(cost: Estimate, count: float) -> str:
    """The cost of so many units."""
    from aigc_bench.core.units import quantity

    ends = " to ".join(quantity(end * count, "usd") for end in (cost.low, cost.high))
    return f"{quantity(cost.value * count, 'usd')} ({ends}) for"


def _many(words: str, count: float) -> str:
    """``one image``, ``1,000 images``, ``a million tokens``."""
    if count == 1:
        return f"one {words}"
    return words if words[:1].isdigit() else f"a {words}"


def _between(value: Estimate) -> str:
    from aigc_bench.core.units import quantity

    text = quantity(value.value, value.unit.partition("/")[0])
    if value.low == value.high:
        return text
    unit = value.unit.partition("/")[0]
    return f"{text} ({quantity(value.low, unit)} to {quantity(value.high, unit)})"


def _factors(option: Option) -> Iterator[str]:
    yield f"  {'FACTOR':<9} {'NEEDED':>14} {'THERE':>14} {'LEFT':>6}  VERDICT"
    for name, found in option.factors.items():
        yield from wrapped(_factor(name, found), indent=2, hang=48)


def _factor(name: str, found: Assessment) -> str:
    from aigc_bench.core.units import quantity

    left = f"{found.headroom:.0%}" if found.headroom is not None else "–"
    needed, there = (quantity(value.value, value.unit) if value else "–" for value in (found.required, found.available))
    return f"{name:<9} {needed:>14} {there:>14} {left:>6}  {found.verdict}: {found.why}"


def _next(option: Option) -> Iterator[str]:
    if option.bottleneck is None:
        return
    first = option.factors[option.bottleneck]
    text = f"  {option.bottleneck} binds first, with {first.headroom or 0.0:.0%} left"
    if option.next_bottleneck is not None:
        then = option.factors[option.next_bottleneck]
        text += f"; then {option.next_bottleneck}, with {then.headroom or 0.0:.0%} left"
    yield f"{text}."


def _others(plan: Plan, best: Option) -> Iterator[str]:
    """The best option of every other kind, then the best of other accelerators."""
    from aigc_bench.plan.options.wording import what

    seen: dict[tuple[str, str], Option] = {}
    accepted = [option for option in plan.options if option.accepted and option is not best]
    for option in accepted:
        seen.setdefault((option.kind, option.term), option)
    shown = list(seen.values())
    known = {option.accelerator for option in (*shown, best)}
    for option in accepted:
        if len(shown) >= OTHERS:
            break
        if option.accelerator not in known:
            known.add(option.accelerator)
            shown.append(option)
    if not shown:
        return
    room = width() - NUMBERS_WIDTH
    yield f"  {'INSTEAD':<{room}} {'COST':>12} {'TIMES':>7}"
    for option in sorted(shown, key=lambda one: one.rank)[: OTHERS + 2]:
        times = option.tco_usd.value / best.tco_usd.value if best.tco_usd.value else 0.0
        cost = _between(option.tco_usd).partition(" ")[0]
        unsure = " (not sure enough)" if option.misses_confidence else ""
        lines = textwrap.wrap(f"{what(option)}{unsure}", width=room - 2, break_long_words=False, break_on_hyphens=False)
        yield f"  {lines[0]:<{room}} {cost:>12} {times:>6.1f}x"
        yield from (f"    {line}" for line in lines[1:])


def _footing(plan: Plan) -> Iterator[str]:
    refused = sum(not option.accepted for option in plan.options)
    widest = sorted(plan.assumptions, key=lambda one: -_width(one.value))[:3]
    yield f"  {plan.num_candidates:,} candidates, {len(plan.options)} options, {refused} refused; --json has the reasons of each."
    if widest:
        names = "; ".join(f"{one.title} [{one.key}]" for one in widest)
        yield from wrapped(
            f"Widest of {len(plan.assumptions)} assumptions: {names}. --explain KEY says how any figure follows.", indent=2
        )


def _width(value: Estimate) -> float:
    return value.high / value.low if value.low > 0 else 0.0


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"

"""Print a plan on one screen: what to buy, how much of it, the factors, cost, risk and alternatives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.no_plan import nothing
from aigc_bench.cli.output import width, wrapped
from aigc_bench.cli.plan_most import most
from aigc_bench.cli.plan_owned import owned
from aigc_bench.cli.plan_quotes import quotes
from aigc_bench.cli.plan_risk import risk
from aigc_bench.cli.plan_simulation import next_measurement, simulated, warnings
from aigc_bench.core.messages import capitalized, joined, looked_up, message, plural, translated
from aigc_bench.core.text_wrap import cells, wrap
from aigc_bench.core.units import money_in
from aigc_bench.core.visible import visible

if TYPE_CHECKING:
    from aigc_bench.core.records import Estimate
    from aigc_bench.plan.output.plan_view import PlanView
    from aigc_bench.plan.output.recommendation_view import FactorRow, LoadRow, RecommendationView
    from aigc_bench.plan.output.shown_number import Shown

NUMBERS_WIDTH = 43
"""Characters that the columns of cost and relative cost take, with the gaps before them."""
NUM_ASSUMPTIONS = 3


def screen(view: PlanView) -> str:
    """Return the plan as text, about forty lines, with money in the currency of its demand."""
    with money_in(view.plan.demand.finance.shown_in):
        return _screen(view)


def _screen(view: PlanView) -> str:
    best = view.recommendation
    lines = [view.plan.demand.name, "", *most(view)]
    if best is None or not best.is_recommended:
        lines += list(nothing(view))
    else:
        lines += [
            *wrapped(_headline(best), indent=0),
            *_caveats(best),
            *owned(view),
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
    lines += list(quotes(view))
    lines += ["", *_footing(view)]
    # Parts that yield nothing leave their blank lines behind.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(visible(translated(line).rstrip()) for line in lines))


def _headline(best: RecommendationView) -> str:
    """Return what to buy or rent, the racks, and how many of the servers are spares and safety margin."""
    text, racks, reserve = translated(best.what), best.option.num_racks, joined(", ", best.reserve)
    what = capitalized(text)
    if reserve:
        in_racks = plural("; {count} rack", "; {count} racks", count=racks) if racks else ""
        return message("{what}, including {reserve}{in_racks}.", what=what, in_racks=in_racks, reserve=reserve)
    in_racks = plural(", {count} rack", ", {count} racks", count=racks) if racks else ""
    return message("{what}{in_racks}.", what=what, in_racks=in_racks)


def _caveats(best: RecommendationView) -> Iterator[str]:
    """Yield what is reserved and paid of a rent, the tied options, then the open questions other than unknown factors."""
    for text in map(translated, (*best.rents, *([best.tie] if best.tie else []), *best.questions)):
        yield from wrapped(message("{text}.", text=capitalized(text)), indent=2)


def _loads(best: RecommendationView) -> Iterator[str]:
    for load in best.loads:
        yield from wrapped(message("{name}: {setting}", name=load.name, setting=_setting(load)), indent=2)
    for name, words in best.chains:
        for text in words:
            yield from wrapped(message("{name}: {text}", name=name, text=text), indent=2)


def _setting(load: LoadRow) -> str:
    from aigc_bench.core.units import digits, quantity

    peak, setting = load.peak.printed, load.setting
    words = [message("peak {peak} {unit}", peak=digits(peak.value), unit=peak.unit)] if peak else []
    if setting is not None:
        ranks = plural("{count} accelerator per replica", "{count} accelerators per replica", count=setting.num_per_replica)
        cap = message(", power limit {percent:.0f} %", percent=100 * setting.power_cap) if setting.power_cap < 1 else ""
        precision = setting.precision or message("its native precision")
        engine = setting.engine or "torch"
        words.append(message("{preset} on {engine} in {precision}", preset=setting.preset, engine=engine, precision=precision))
        words.append(message("{ranks}, batch {batch_size}{cap}", ranks=ranks, batch_size=setting.batch_size, cap=cap))
        words += setting.options
        times = (("TTFT", load.ttft), ("TPOT", load.tpot), ("request", load.latency))
        words += [f"{name} {quantity(one.value.value, 's')}" for name, one in times if one.value is not None]
        words.append(setting.basis)
    return joined(", ", words)


def _money(view: PlanView) -> Iterator[str]:
    from aigc_bench.core.units import digits

    money = view.totals
    if money is None:
        return
    years = view.plan.demand.finance.life_years
    yield message("  total cost over {years:g} years   {total}", years=years, total=_between(money.total))
    if money.expected.value is not None:
        yield message("  expected cost {expected}", expected=_between(money.expected))
    yield message("  upfront {upfront}, per year {per_year}", upfront=_between(money.upfront), per_year=_between(money.per_year))
    for one in view.unit_costs:
        yield message("  {name}: {cost} per {per}", name=one.name, cost=_between(one.cost), per=one.per)
    yield from money_notes(view)
    carbon = money.carbon.printed
    if carbon is not None:
        yield message(
            "  carbon over {years:g} years {carbon} t CO2e ({low} to {high})",
            years=years,
            carbon=digits(carbon.value),
            low=digits(carbon.low),
            high=digits(carbon.high),
        )


def money_notes(view: PlanView) -> Iterator[str]:
    """Yield the exchange rate in which money is shown, and the total with tax, where the demand states them."""
    for words in view.money_notes:
        yield from wrapped(words, indent=2)


def _between(number: Shown) -> str:
    """Return an amount with its interval."""
    from aigc_bench.core.units import quantity

    value = number.printed
    if value is None or value.low == value.high:
        return _amount(value)
    low, high = quantity(value.low, value.unit), quantity(value.high, value.unit)
    return message("{amount} ({low} to {high})", amount=_amount(value), low=low, high=high)


def _amount(value: Estimate | None) -> str:
    from aigc_bench.core.units import quantity

    return "–" if value is None else quantity(value.value, value.unit)


def _factors(best: RecommendationView) -> Iterator[str]:
    heads = (message("FACTOR"), message("REQUIRED"), message("AVAILABLE"), message("HEAD-ROOM"), message("VERDICT"))
    factor, required, available, room, verdict = map(translated, heads)
    yield f"  {_left(factor)} {_right(required, 14)} {_right(available, 14)} {_right(room, 9)}  {verdict}"
    for one in best.factors:
        yield from wrapped(_factor(one), indent=2, hang=53)


def _factor(one: FactorRow) -> str:
    required, available = (_amount(number.printed) for number in (one.required, one.available))
    name, why = translated(one.name), translated(one.found.why)
    numbers = f"{_right(required, 14)} {_right(available, 14)} {_right(_room(one.found.headroom), 9)}"
    return f"{_left(name)} {numbers}  {looked_up(one.found.verdict)}: {why}"


def _left(text: str) -> str:
    """Return the first cell of the table of factors, by the cells of a terminal: a Chinese character takes two."""
    return text + " " * (9 - cells(text))


def _right(text: str, width: int) -> str:
    return " " * (width - cells(text)) + text


def _room(headroom: float | None) -> str:
    return "–" if headroom is None else f"{100 * headroom:.0f} %"


def _bottlenecks(best: RecommendationView) -> Iterator[str]:
    words = [f"{one.name}, {_room(one.headroom)}" for one in best.bottlenecks]
    if words:
        after = message("; next bottleneck: {words}", words=words[1]) if len(words) > 1 else ""
        yield message("  bottleneck: {words} head-room{after}", words=words[0], after=after)


def _alternatives(view: PlanView) -> Iterator[str]:
    """Yield a table of the best option of every other kind, then of other accelerators."""
    shown = view.options.short
    if not shown:
        return
    from aigc_bench.core.units import digits, quantity

    room = width() - NUMBERS_WIDTH
    measured = message("P90 COST") if view.options.is_ranked_by_p90 else message("EXPECTED COST")
    heads = (message("ALTERNATIVE"), message("TOTAL COST"), measured, message("RELATIVE COST"))
    what, cost, compared, ratio = map(translated, heads)
    yield f"  {what}{' ' * (room - cells(what))} {_right(cost, 11)} {_right(compared, 13)} {_right(ratio, 13)}"
    for one in shown:
        relative = f"{digits(one.relative_cost, significant=2)}x" if one.relative_cost is not None else "–"
        below = message(" ({refused_by})", refused_by=one.refused_by) if one.refused_by else ""
        what = translated(one.what) + translated(below)
        # Two less: following lines are indented by two more.
        lines = wrap(what, room - 2, on_hyphens=False)
        costs = f"{_amount(one.option.tco_usd):>11} {quantity(one.compared_usd, 'usd'):>13}"
        yield f"  {lines[0]}{' ' * (room - cells(lines[0]))} {costs} {relative:>13}"
        yield from (f"    {line}" for line in lines[1:])


def _footing(view: PlanView) -> Iterator[str]:
    options = message(
        "{num_options} options, {num_refused} refused", num_options=len(view.plan.options), num_refused=len(view.options.refused)
    )
    yield message(
        "  {num_candidates:,} candidates evaluated, {options}; --json lists every reason.",
        num_candidates=view.plan.num_candidates,
        options=options,
    )
    widest = view.assumptions[:NUM_ASSUMPTIONS]
    if widest:
        names = joined("; ", (message("{title} [{key}]", title=one.title, key=one.key) for one in widest))
        yield from wrapped(
            message(
                "Widest of {num_assumptions} assumptions: {names}. --explain KEY shows how a number is derived.",
                num_assumptions=len(view.assumptions),
                names=names,
            ),
            indent=2,
        )

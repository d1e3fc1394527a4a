"""``plan --explain KEY``: print how a number of the plan is derived, down to its leaves, with formulae, sources and basis."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from aigc_bench.core.arithmetic import in_words
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import digits
from aigc_bench.core.visible import visible
from aigc_bench.plan.explain.demand import add_demand
from aigc_bench.plan.explain.listing import listing, nearest, said
from aigc_bench.plan.explain.option import Place, add_option
from aigc_bench.plan.explain.replayed import add_replay
from aigc_bench.plan.explain.risk import add_risk, add_scenarios
from aigc_bench.plan.explain.step import SAME, Step, Trail
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.stats.estimates import counted

LIST = "list"
WIDTH = 116
LEAST = 44
"""Least width of a line, however deep it is indented."""
PLAIN = ("ratio", "fraction", "count")
"""Units that are not printed in a calculation."""
ENDS = ("required", "available", "headroom", "usd", "peak", "accelerators_busy_at_peak", "p_cheapest", "regret_usd", "low", "high")
"""Numbers shown for a key that stands for several: a factor, a line of the bill, a load, an alternative, a tornado bar."""
CERTAINTY = ("p_slo", "p_budget", "p_oom")
"""Numbers that ``certainty`` alone stands for."""


def trail_of(plan: Plan, *options: Option) -> Trail:
    """Return the steps of the demand, the rules and some options: by default the recommended one, or the first."""
    trail = Trail()
    add_demand(trail, plan)
    evaluated = counted(plan.num_candidates, "candidates", "counted in the search")
    trail.add("num_candidates", "candidates evaluated", evaluated)
    add_scenarios(trail, plan)
    for option in options or _best(plan):
        place = Place(trail=trail, option=option, demand=plan.demand, at=f"options.{option.rank}")
        add_option(place)
        add_replay(place)
    add_risk(trail, plan)
    trail.link()
    return trail


def explain(plan: Plan, key: str, *, width: int = WIDTH) -> str:
    """Return a number and its derivation: ``tco_usd``, ``power``, ``costs.electricity``, ``options.3.capex_usd``.

    A key without ``options.N`` is of the recommended option; ``list`` lists all keys. Raises ``UsageError`` with the nearest keys.
    """
    trail = trail_of(plan, *_named(plan, key))
    if key == LIST:
        return listing(trail, {short(one, plan): one for one in trail})
    found = resolve(trail, plan, key)
    if not found:
        keys = [short(one, plan) for one in trail]
        near = nearest(key, keys)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"unknown key of the plan {key!r}.", f"{hint}`--explain list` lists all {len(keys)} keys.")
    return "\n\n".join("\n".join(_derivation(trail, one, plan, width=width)) for one in found)


def resolve(trail: Trail, plan: Plan, key: str) -> list[str]:
    """Return the full keys that a key stands for: itself, or below the recommended option, its factors, costs, bill, loads."""
    bests = [f"options.{option.rank}" for option in _best(plan)]
    if key == "certainty":
        return [one for best in bests for name in CERTAINTY if (one := f"{best}.{name}") in trail]
    below = [f"{best}{part}.{key}" for part in ("", ".factors", ".costs", ".bill", ".loads") for best in bests]
    for candidate in (key, *below):
        if candidate in trail:
            return [candidate]
        ends = [f"{candidate}.{name}" for name in ENDS]
        if any(one in trail for one in ends):
            return [one for one in ends if one in trail]
    return []


def short(key: str, plan: Plan) -> str:
    """Return the key without the prefix of the recommended option."""
    return next((key.removeprefix(f"options.{option.rank}.") for option in _best(plan)), key)


def printed(value: Estimate) -> str:
    """Return a number with its interval and its basis."""
    text = said(value.value, value.unit)
    if value.low != value.high:
        text += f" ({said(value.low, value.unit)} to {said(value.high, value.unit)})"
    return f"{text}, {value.basis}"


def in_numbers(trail: Trail, step: Step) -> str | None:
    """Return the step's arithmetic with the numbers of its inputs in SI units; ``None`` if it has none."""
    if step.arithmetic is None or step.arithmetic == "{0}":
        return None
    return in_words(step.arithmetic, [_plain(trail[key].value) for key in step.inputs])


def _plain(value: Estimate) -> str:
    number = digits(value.value, significant=4) if value.value % 1 or abs(value.value) >= 1e6 else f"{value.value:,.0f}"
    if value.unit.lower().startswith("usd"):
        return f"${number}{value.unit[3:]}"
    return number if value.unit in PLAIN else f"{number} {value.unit}"


def _best(plan: Plan) -> tuple[Option, ...]:
    return (plan.recommended,) if plan.recommended else plan.options[:1]


def _named(plan: Plan, key: str) -> tuple[Option, ...]:
    """Return the option that a key names; raise ``UsageError`` if the plan has none of that rank."""
    head, _, rest = key.partition(".")
    rank = rest.partition(".")[0]
    if head != "options" or not rank.isdigit():
        return ()
    found = tuple(option for option in plan.options if option.rank == int(rank))
    if not found:
        raise UsageError(f"unknown key of the plan {key!r}: it has options 1 to {len(plan.options)}.")
    return found


def _derivation(trail: Trail, key: str, plan: Plan, *, width: int) -> Iterator[str]:
    """Yield the lines of a step and everything below it; repeated steps are only named."""
    seen: set[str] = set()

    def lines(one: str, depth: int) -> Iterator[str]:
        """Yield the lines of a step, indented by its depth, and of its inputs."""
        step, indent = trail[one], "  " * depth
        name = step.title if depth else step.title[:1].upper() + step.title[1:]
        again = ", see above" if one in seen and (step.inputs or step.source) else ""
        yield from _wrapped(f"{name}: {printed(step.value)}{again}  [{short(one, plan)}]", indent, width=width)
        if one in seen:
            return
        seen.add(one)
        if step.formula and step.formula != SAME:
            yield from _wrapped(f"formula: {step.formula}", f"{indent}  ", width=width)
        numbers = in_numbers(trail, step)
        if numbers:
            yield from _wrapped(f"= {numbers}", f"{indent}  ", width=width)
        if step.source:
            yield from _wrapped(f"source: {step.source}", f"{indent}  ", width=width)
        for child in step.inputs:
            yield from lines(child, depth + 1)

    yield from lines(key, 0)


def _wrapped(text: str, indent: str, *, width: int) -> list[str]:
    return textwrap.wrap(
        visible(text),
        width=max(width, len(indent) + LEAST),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )

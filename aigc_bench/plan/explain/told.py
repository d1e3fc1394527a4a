"""``plan --explain KEY``: one number of the plan with its formula, its inputs, their sources and basis, as text."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.explain.ground import add_ground
from aigc_bench.plan.explain.option import add_option
from aigc_bench.plan.explain.step import Step, Trail, counted
from aigc_bench.plan.records import Option, Plan

LIST = "list"
DEPTH = 2
"""Levels of inputs that are told below a number; each of them is a key of its own."""


def trail_of(plan: Plan, *options: Option) -> Trail:
    """The steps of the demand, the rules and some options: the recommended one, or the first, where none is named."""
    trail = Trail()
    add_ground(trail, plan)
    looked = counted(plan.num_candidates, "candidates", "counted in the search")
    trail.leaf("num_candidates", "candidates looked at", looked)
    for option in options or _best(plan):
        add_option(trail, option, plan.demand, at=f"options.{option.rank}")
    return trail


def explain(plan: Plan, key: str) -> str:
    """Several lines about a number: ``tco_usd``, ``power``, ``costs.electricity``, ``options.3.capex_usd``, ``rules.job_goodput``.

    A key without ``options.N`` is of the recommended option; ``list`` names them all. Raises ``UnknownNameError`` with the nearest.
    """
    trail = trail_of(plan, *_named(plan, key))
    if key == LIST:
        return "\n".join(f"{short(one, plan):<60}  {told(trail[one].value)}" for one in trail)
    found = resolve(trail, plan, key)
    if not found:
        known = {short(one, plan) for one in trail} | {name for option in _best(plan) for name in option.factors}
        raise UnknownNameError("key of the plan", key, known=known)
    return "\n\n".join("\n".join(_lines(trail, trail[one])) for one in found)


def resolve(trail: Trail, plan: Plan, key: str) -> list[str]:
    """The full keys that a key stands for: itself, of the recommended option, of one of its factors or of its machine."""
    bests = [f"options.{option.rank}" for option in _best(plan)]
    for candidate in (key, *(f"{best}.{key}" for best in bests), *(f"{best}.factors.{key}" for best in bests)):
        if candidate in trail:
            return [candidate]
        ends = [f"{candidate}.{name}" for name in ("required", "available", "headroom", "usd", "peak")]
        if any(one in trail for one in ends):
            return [one for one in ends if one in trail]
    return []


def short(key: str, plan: Plan) -> str:
    """The key without the recommended option's place."""
    return next((key.removeprefix(f"options.{option.rank}.") for option in _best(plan)), key)


def told(value: Estimate) -> str:
    """A number with its interval and its basis."""
    text = quantity(value.value, value.unit)
    if value.low != value.high:
        text += f" ({quantity(value.low, value.unit)} to {quantity(value.high, value.unit)})"
    return f"{text}, {value.basis}"


def _best(plan: Plan) -> tuple[Option, ...]:
    return (plan.recommended,) if plan.recommended else plan.options[:1]


def _named(plan: Plan, key: str) -> tuple[Option, ...]:
    """The option that a key names, beside the recommended one."""
    head, _, rest = key.partition(".")
    rank = rest.partition(".")[0]
    if head != "options" or not rank.isdigit():
        return ()
    return tuple(option for option in plan.options if option.rank == int(rank))


def _lines(trail: Trail, step: Step, *, depth: int = 0) -> Iterator[str]:
    """The step, then what it follows from, further in."""
    indent = "  " * depth
    yield f"{indent}{step.title}: {told(step.value)}" if depth else f"{step.title}\n  {told(step.value)}"
    if step.formula and step.formula != "the same number":
        yield f"{indent}  formula  {step.formula}"
    if step.source:
        yield f"{indent}  source   {step.source}"
    for key in step.inputs:
        if depth < DEPTH:
            yield from _lines(trail, trail[key], depth=depth + 1)
        else:
            yield f"{indent}  {trail[key].title}: {told(trail[key].value)}, --explain {key}"

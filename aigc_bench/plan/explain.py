"""``plan --explain KEY``: how one number of the recommended option follows: formula, inputs, source, basis."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.records import Assessment, Option, Plan


def explain(plan: Plan, key: str) -> str:
    """Several lines about a factor (``power``), a cost line (``costs.electricity``) or an assumption by its key.

    Raises ``UnknownNameError`` with the nearest keys.
    """
    option = plan.recommended or next(iter(plan.options), None)
    found = dict(_explanations(plan, option))
    if key not in found:
        raise UnknownNameError("key of the plan", key, known=found)
    return found[key]


def keys(plan: Plan) -> tuple[str, ...]:
    """Every key that can be explained."""
    return tuple(name for name, _ in _explanations(plan, plan.recommended or next(iter(plan.options), None)))


def _explanations(plan: Plan, option: Option | None) -> Iterator[tuple[str, str]]:
    if option is not None:
        for name, factor in option.factors.items():
            yield name, _factor(factor)
        for line in option.costs:
            yield f"costs.{line.key}", f"{line.name}\n  {told(line.usd_per_year)}\n  formula  {line.formula}"
        for name in ("capex_usd", "opex_usd_per_year", "tco_usd", "carbon_kg", "energy_kwh_per_year"):
            value = getattr(option, name)
            if value is not None:
                yield name, f"{name}\n  {told(value)}\n  formula  {value.source or 'see the cost lines'}"
        for name, value in option.usd_per_unit.items():
            yield f"usd_per_unit.{name}", f"{name}\n  {told(value)}\n  formula  total a year x share of busy time / units a year"
    for one in plan.assumptions:
        yield one.key, f"{one.title}\n  {told(one.value)}\n  source   {one.value.source or 'computed'}"


def _factor(found: Assessment) -> str:
    lines = [f"{found.title}: {found.verdict}, {found.why}", f"  formula  {found.formula}", f"  source   {found.source}"]
    pairs = (("required", found.required), ("available", found.available), *found.inputs.items())
    return "\n".join([*lines, *(f"  {name:<34} {told(value)}" for name, value in pairs if value is not None)])


def told(value: Estimate) -> str:
    """A number with its interval and its basis."""
    text = quantity(value.value, value.unit)
    if value.low != value.high:
        text += f" ({quantity(value.low, value.unit)} to {quantity(value.high, value.unit)})"
    return f"{text}, {value.basis}"

"""Energy and greenhouse gases of an option as rows: over the life, by cause, per unit."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.trail import Trail
from aigc_bench.plan.explain.option_steps import FOOTPRINT
from aigc_bench.plan.output.shown_number import Shown, item_of, key_of, number_at, round_counts
from aigc_bench.plan.records.plan import Option, Plan

A_KILOGRAM = 1.0
"""Emissions of a count of units from which they are printed in kg; below it in g."""


class UnitCarbon(Record):
    """Greenhouse gases of a count of units of one load, in kg where it is one at least, else in g."""

    name: Sentence
    per: Sentence
    carbon: Shown


class CarbonView(Record):
    """Greenhouse gases over the life of the servers by cause; ``embodied_share`` is ``None`` for a mix of machines.

    ``parts`` are what operation and the making of the servers emit, empty where the share is unknown.
    """

    life_years: float
    is_rented: bool
    parts: tuple[Shown, ...]
    embodied_share: float | None
    pue: Shown
    grid: Shown


def carbon_view(plan: Plan, option: Option, trail: Trail) -> CarbonView | None:
    """Return what an option emits; ``None`` if its energy is unknown (providers of APIs do not publish it)."""
    if option.carbon_kg is None:
        return None
    names = (message("operational"), message("embodied in the servers"))
    parts = tuple(
        number_at(trail, f"{key_of(option)}.{key}", name, times=0.001, unit="t CO₂e")
        for key, name in zip(FOOTPRINT, names, strict=True)
    )
    making = parts[1].value
    is_known = all(one.value is not None for one in parts) and making is not None
    return CarbonView(
        life_years=plan.demand.finance.life_years,
        is_rented=option.kind == "cloud",
        parts=parts if is_known else (),
        embodied_share=min(1.0, making.value / max(option.carbon_kg.value, 1e-9)) if is_known and making else None,
        pue=number_at(trail, "demand.site.pue", "PUE"),
        grid=number_at(trail, "demand.site.grid_g_per_kwh", message("grid carbon intensity")),
    )


def unit_carbon(option: Option) -> tuple[UnitCarbon, ...]:
    """Return the greenhouse gases of every load, for the same count of units as its cost."""
    counts = round_counts(option.usd_per_unit)
    return tuple(
        _unit_carbon(option, name, value, *counts.get(name, (1.0, item_of(value))))
        for name, value in option.carbon_kg_per_unit.items()
    )


def _unit_carbon(option: Option, name: str, value: Estimate, count: float, per: str) -> UnitCarbon:
    is_much = value.value * count >= A_KILOGRAM
    times, unit = (count, "kg CO₂e") if is_much else (1000 * count, "g CO₂e")
    key = f"{key_of(option)}.carbon_kg_per_unit.{name}"
    return UnitCarbon(name=name, per=per, carbon=Shown(key=key, name=name, value=value, times=times, unit=unit))

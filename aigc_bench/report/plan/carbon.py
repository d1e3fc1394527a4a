"""Render energy and greenhouse gases: operational and embodied, with the range of published embodied figures."""

from __future__ import annotations

from aigc_bench.plan.explain.money import FOOTPRINT
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.markup import template
from aigc_bench.report.plan.units import item_of, round_counts
from aigc_bench.report.plan.view import PlanView

NAME = "plan-carbon"
TITLE = "Energy and carbon"


def render(view: PlanView) -> str | None:
    """Return the section; ``None`` if the energy is unknown (providers of APIs do not publish it)."""
    best = view.best
    if best is None or best.carbon_kg is None:
        return None
    at = view.at(best)
    parts = [view.figures.trail[key].value for key in (f"{at}.{name}" for name, _ in FOOTPRINT) if key in view.figures.trail]
    values = {
        "best": best,
        "at": at,
        "figures": view.figures,
        "share": min(1.0, parts[1].value / max(best.carbon_kg.value, 1e-9)) if len(parts) == len(FOOTPRINT) else None,
        "units": units(best),
        "years": view.plan.demand.finance.life_years,
        "is_rented": best.kind == "cloud",
    }
    return template("plan_carbon.html.j2", values)


def units(option: Option) -> list[tuple[str, float, str, str]]:
    """Return for each service and job the factor from kg per unit, the printed unit, and the count of units, as for its cost."""
    rounds = round_counts(option.usd_per_unit)
    found = []
    for name, value in option.carbon_kg_per_unit.items():
        count, words = rounds.get(name, (1.0, item_of(value)))
        is_much = value.value * count >= 1
        found.append((name, count if is_much else 1000 * count, "kg CO₂e" if is_much else "g CO₂e", words))
    return found

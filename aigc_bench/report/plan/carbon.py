"""Energy and greenhouse gases: of running and of making, with the range that published figures of making have."""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.plan.explain.money import FOOTPRINT
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanView

NAME = "plan-carbon"
TITLE = "Energy and carbon"
GRAMS = ((1.0, ""), (1e3, "1,000 "), (1e6, "million "))


def render(view: PlanView) -> str | None:
    """``None`` where no energy is known (an API's provider tells none)."""
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
        "units": [(name, *_round(value)) for name, value in best.carbon_kg_per_unit.items()],
        "years": view.plan.demand.finance.life_years,
        "is_rented": best.kind == "cloud",
    }
    return template("plan_carbon.html.j2", values)


def _round(value: Estimate) -> tuple[float, str]:
    """For how many units there is at least a tenth of a gram, as a factor to grams, and in words."""
    item = value.unit.partition("/")[2] or "unit"
    count, words = next((pair for pair in GRAMS if value.value * 1000 * pair[0] >= 0.1), GRAMS[-1])
    return 1000 * count, f"{words}{item}{'s' if count > 1 else ''}"

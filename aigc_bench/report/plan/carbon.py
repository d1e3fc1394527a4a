"""Render energy and greenhouse gases: operational and embodied, with the range of published embodied figures."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.plan.explain.option_steps import FOOTPRINT
from aigc_bench.plan.output.shown_number import key_of
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-carbon"
TITLE = message("Energy and carbon")


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if the energy is unknown (providers of APIs do not publish it)."""
    view, best, trail = page.view, page.view.best, page.figures.trail
    if best is None or best.carbon_kg is None:
        return None
    at = key_of(best)
    parts = [trail[key].value for key in (f"{at}.{name}" for name in FOOTPRINT) if key in trail]
    values = {
        "best": best,
        "at": at,
        "figures": page.figures,
        "share": min(1.0, parts[1].value / max(best.carbon_kg.value, 1e-9)) if len(parts) == len(FOOTPRINT) else None,
        "totals": view.totals,
        "units": view.unit_carbon,
        "years": view.plan.demand.finance.life_years,
        "is_rented": best.kind == "cloud",
    }
    return template("plan_carbon.html.j2", values)

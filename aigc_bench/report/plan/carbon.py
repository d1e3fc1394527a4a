"""Render energy and greenhouse gases: operational and embodied, with the range of published embodied figures."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-carbon"
TITLE = message("Energy and carbon")
COLORS = ("c2", "c6")
"""Of what operation emits, and of what the making of the servers did."""


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if the energy is unknown (providers of APIs do not publish it)."""
    view, carbon = page.view, page.view.carbon
    if carbon is None:
        return None
    values = {
        "view": carbon,
        "figures": page.figures,
        "parts": list(zip(carbon.parts, COLORS, strict=False)),
        "totals": view.totals,
        "units": view.unit_carbon,
    }
    return template("plan_carbon.html.j2", values)

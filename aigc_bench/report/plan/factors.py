"""Render the deployment factors: required, available, a bar of the used share, the verdict, why, and the inputs of the formula."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-factors"
TITLE = message("Deployment factors")
TONE = {"ok": "ok", "tight": "warn", "short": "bad", "unknown": "", "provider": ""}


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing could be planned."""
    best = page.view.recommendation
    if best is None:
        return None
    values = {"best": best.option, "figures": page.figures, "factors": best.factors, "tone": TONE}
    return template("plan_factors.html.j2", values)

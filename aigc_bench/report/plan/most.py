"""Render the most that the limits of a demand carry."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-most"
TITLE = message("The most within the limits")


def render(page: PlanPage) -> str | None:
    """Return the multiple of the demand and what stops it; ``None`` where least cost is asked."""
    found = page.view.plan.most
    return None if found is None else template("plan_most.html.j2", {"most": found})

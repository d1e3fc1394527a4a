"""Render the demand: every service and job as the demand file states it, the site and the limits."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-demand"
TITLE = message("Demand")


def render(page: PlanPage) -> str | None:
    """Return the tables of services, jobs, the site and the limits."""
    return template("plan_demand.html.j2", {"demand": page.view.demand, "figures": page.figures})

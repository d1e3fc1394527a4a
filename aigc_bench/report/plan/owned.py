"""Render the machines that are there already: what each kind carries, whether it stays, and what either course costs."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-owned"
TITLE = message("What is there already")


def render(page: PlanPage) -> str | None:
    """Return the table of owned machines; ``None`` without any."""
    found = page.view.owned
    if found is None:
        return None
    return template("plan_owned.html.j2", {"view": found, "figures": page.figures})

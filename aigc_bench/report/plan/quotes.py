"""Render vendors' quotes: unit price, total over the life, the comparisons, and what would change them."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-quotes"
TITLE = message("Quotes")


def render(page: PlanPage) -> str | None:
    """Return the table of quotes; ``None`` without any."""
    found = page.view.quotes
    if found is None:
        return None
    return template(
        "plan_quotes.html.j2", {"quotes": found, "figures": page.figures, "years": page.view.plan.demand.finance.life_years}
    )

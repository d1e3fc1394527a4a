"""Render the bill of materials by category; a line without a price states why and is in no sum."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-bill"
TITLE = message("Bill of materials")


def render(page: PlanPage) -> str | None:
    """Return the bill; ``None`` if no accepted option has a room."""
    view, bought = page.view, page.view.bought
    if bought is None:
        return None
    values = {
        "figures": page.figures,
        "what": view.bought_what,
        # The recommended option may be rented: then the bill is that of the best purchase.
        "is_instead": bought is not view.best,
        "is_rented": view.best is not None and view.best.kind in ("cloud", "api"),
        "rooms": view.bill_rooms,
    }
    return template("plan_bill.html.j2", values)

"""Render the check by simulation: every service at its peak and every job in its windows, next to the analytic result."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.units import quantity
from aigc_bench.plan.output.check_view import Latency
from aigc_bench.plan.output.shown_number import duration_text
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-simulation"
TITLE = message("Check by simulation")


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if the option was not simulated, such as an API."""
    check = page.view.check
    if check is None:
        return None
    values = {
        "check": check,
        "figures": page.figures,
        "services": [(one, [latency_words(latency) for latency in one.latencies]) for one in check.services],
    }
    return template("plan_simulation.html.j2", values)


def _analytic(one: Latency) -> str:
    if one.analytic_s is None:
        return ""
    seconds = quantity(one.analytic_s, "s")
    # A long answer takes longer than any queue: the two are not the same percentile of one thing.
    if one.name == "latency":
        return message(", analytic {analytic} for a request of mean length", analytic=seconds)
    return message(", analytic {analytic}", analytic=seconds)


def latency_words(one: Latency) -> str:
    """Return a latency at the percentile of the SLO: simulated, its bound, and analytic."""
    bound = message(" (SLO {limit})", limit=duration_text(one.limit_s)) if one.limit_s is not None else ""
    analytic = _analytic(one)
    return message(
        "p{share:g} {name} {simulated}{bound}{analytic}",
        share=100 * one.share,
        name=one.name,
        simulated=quantity(one.simulated_s, "s"),
        bound=bound,
        analytic=analytic,
    )

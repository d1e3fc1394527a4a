"""Render the check by simulation: every service at its peak and every job in its windows, next to the analytic result."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.units import quantity
from aigc_bench.plan.output.shown import key_of
from aigc_bench.plan.records.replay import ReplayedService
from aigc_bench.report.markup import template
from aigc_bench.report.plan.asked import stated
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-simulation"
TITLE = "Check by simulation"


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if the option was not simulated, such as an API."""
    best = page.view.best
    if best is None or best.replay is None:
        return None
    replay = best.replay
    values = {
        "replay": replay,
        "at": key_of(best),
        "figures": page.figures,
        "services": [(one, list(percentiles(one)), replay.added_machines.get(one.name, 0)) for one in replay.services],
        "notes": list(dict.fromkeys(note for one in replay.services for note in one.notes)),
    }
    return template("plan_simulation.html.j2", values)


def percentiles(one: ReplayedService) -> Iterator[str]:
    """Yield each latency at the percentile of the SLO: simulated, its bound, and analytic."""
    for name, found in one.percentiles.items():
        if found.simulated_s is None:
            continue
        label = name if name == "latency" else name.upper()
        words = f"p{100 * found.share:g} {label} {quantity(found.simulated_s, 's')}"
        words += f" (SLO {stated(found.limit_s)})" if found.limit_s is not None else ""
        words += f", analytic {quantity(found.analytic_s, 's')}" if found.analytic_s is not None else ""
        yield words

"""The check by simulation: every service at its peak and every job in its windows, beside what the formulae say."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.units import quantity
from aigc_bench.plan.records.replay import ReplayedService
from aigc_bench.report.markup import template
from aigc_bench.report.plan.asked import stated
from aigc_bench.report.plan.view import PlanView

NAME = "plan-simulation"
TITLE = "Check by simulation"


def render(view: PlanView) -> str | None:
    """``None`` where the option was not replayed: an API, or one that no model of a service stands behind."""
    best = view.best
    if best is None or best.replay is None:
        return None
    replay = best.replay
    values = {
        "replay": replay,
        "at": view.at(best),
        "figures": view.figures,
        "services": [(one, list(percentiles(one)), replay.added_machines.get(one.name, 0)) for one in replay.services],
        "notes": list(dict.fromkeys(note for one in replay.services for note in one.notes)),
    }
    return template("plan_simulation.html.j2", values)


def percentiles(one: ReplayedService) -> Iterator[str]:
    """Each latency at the asked percentile: simulated, reckoned, and its bound."""
    for name, found in one.percentiles.items():
        if found.simulated_s is None:
            continue
        label = name if name == "latency" else name.upper()
        words = f"p{100 * found.share:g} {label} {quantity(found.simulated_s, 's')}"
        words += f" of {stated(found.limit_s)} allowed" if found.limit_s is not None else ""
        words += f", by formula {quantity(found.analytic_s, 's')}" if found.analytic_s is not None else ""
        yield words

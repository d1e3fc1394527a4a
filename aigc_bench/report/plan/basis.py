"""Render the basis of the recommended option: which numbers are measured, modelled or assumed, and what to measure next."""

from __future__ import annotations

from aigc_bench.core.messages import message, plural
from aigc_bench.plan.output.basis_view import BasisView
from aigc_bench.report.markup import MARKS, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-basis"
TITLE = message("Basis")
NUM_RUNS = 4


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing could be planned. An API rests on prices alone."""
    best, basis = page.view.best, page.view.basis
    if best is None:
        return None
    values = {
        "rows": basis.rows,
        "counts": basis.counts,
        "meaning": {name: meaning for name, (_, meaning) in MARKS.items()},
        "next": basis.worthwhile[:NUM_RUNS],
        "doubts": basis.doubts,
        "is_api": best.kind == "api",
    }
    return template("plan_basis.html.j2", values)


def in_a_line(basis: BasisView) -> str:
    """Return ``speed, memory and power rest on 2 measured, 6 modelled numbers``; empty if there are none."""
    words = [f"{count} {name}" for name, count in basis.counts]
    return (
        plural(
            "speed, memory and power rest on {listed} number",
            "speed, memory and power rest on {listed} numbers",
            count=len(basis.numbers),
            listed=", ".join(words),
        )
        if words
        else ""
    )

"""What the recommended option stands on: each number as measured, modelled or assumed, and the run that would tell most."""

from __future__ import annotations

from collections import Counter

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.value_of_information import RestsOn, basis_of, best_measurements, doubts_of
from aigc_bench.report.markup import MARKS, template
from aigc_bench.report.plan.view import PlanView

NAME = "plan-rests"
TITLE = "What it rests on"
NUM_RUNS = 4
TELLING = 0.01
"""Share of the interval below which a measurement is not worth naming."""


def render(view: PlanView) -> str | None:
    """``None`` where nothing could be planned; an API rests on prices alone."""
    best = view.best
    if best is None:
        return None
    found = basis_of(best)
    values = {
        "found": [(one, _estimate(one)) for one in found],
        "counts": counts(found),
        "meaning": {basis: meaning for basis, (_, meaning) in MARKS.items()},
        "next": [one for one in best_measurements(view.plan) if one.shrinks_by >= TELLING][:NUM_RUNS],
        "doubts": (*doubts_of(best), *view.plan.notes),
        "is_api": best.kind == "api",
    }
    return template("plan_rests.html.j2", values)


def counts(found: tuple[RestsOn, ...]) -> list[tuple[str, int]]:
    """How many numbers rest on what, the surest first."""
    number = Counter(one.basis for one in found)
    return [(basis, number[basis]) for basis in MARKS if number[basis]]


def in_a_line(plan: Plan) -> str:
    """``speed, memory and watts rest on 2 measured, 6 modelled numbers``; empty where there are none."""
    found = basis_of(plan.recommended) if plan.recommended else ()
    told = [f"{count} {basis}" for basis, count in counts(found)]
    return f"speed, memory and watts rest on {', '.join(told)} number{'s' if len(found) != 1 else ''}" if told else ""


def _estimate(one: RestsOn) -> Estimate:
    return Estimate(
        value=one.value, low=one.value, high=one.value, unit=one.unit, basis=one.basis, source=one.source, reasons=one.reasons
    )

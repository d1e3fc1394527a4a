"""Render the basis of the recommended option: which numbers are measured, modelled or assumed, and what to measure next."""

from __future__ import annotations

from collections import Counter

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.value_of_information import RestsOn, basis_of, best_measurements, doubts_of
from aigc_bench.report.markup import MARKS, template
from aigc_bench.report.plan.view import PlanView

NAME = "plan-rests"
TITLE = "Basis"
NUM_RUNS = 4
TELLING = 0.01
"""Least reduction of the interval for which a measurement is worth naming."""


def render(view: PlanView) -> str | None:
    """Return the section; ``None`` if nothing could be planned. An API rests on prices alone."""
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
    """Return how many numbers have each basis, measured first."""
    number = Counter(one.basis for one in found)
    return [(basis, number[basis]) for basis in MARKS if number[basis]]


def in_a_line(plan: Plan) -> str:
    """Return ``speed, memory and power rest on 2 measured, 6 modelled numbers``; empty if there are none."""
    found = basis_of(plan.recommended) if plan.recommended else ()
    words = [f"{count} {basis}" for basis, count in counts(found)]
    return f"speed, memory and power rest on {', '.join(words)} number{'s' if len(found) != 1 else ''}" if words else ""


def _estimate(one: RestsOn) -> Estimate:
    return Estimate(
        value=one.value, low=one.value, high=one.value, unit=one.unit, basis=one.basis, source=one.source, reasons=one.reasons
    )

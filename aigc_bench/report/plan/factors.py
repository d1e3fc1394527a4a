"""Render the deployment factors: required, available, a bar of the used share, the verdict, why, and the inputs of the formula."""

from __future__ import annotations

from aigc_bench.plan.explain.named_inputs import input_key
from aigc_bench.plan.factors.base import in_order
from aigc_bench.plan.options.wording import what
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanView

NAME = "plan-factors"
TITLE = "Deployment factors"
TONE = {"ok": "ok", "tight": "warn", "short": "bad", "unknown": "", "provider": ""}


def render(view: PlanView) -> str | None:
    """Return the section; ``None`` if nothing could be planned."""
    best = view.best
    if best is None:
        return None
    at = view.at(best)
    values = {
        "best": best,
        "at": at,
        "figures": view.figures,
        "factors": [(name, best.factors[name]) for name in in_order(best.factors)],
        "tone": TONE,
        "used": used_percent,
        "input_key": input_key,
        "part_of": {
            name: what(part) for name in best.factors for part in best.parts if part.factors.get(name) == best.factors[name]
        },
    }
    return template("plan_factors.html.j2", values)


def used_percent(found: Assessment) -> float | None:
    """Return required over available in per cent, 0 to 100; ``None`` if either is unknown."""
    return None if found.headroom is None else round(min(100.0, max(0.0, (1 - found.headroom) * 100)), 1)

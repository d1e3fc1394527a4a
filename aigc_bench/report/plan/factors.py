"""The six factors: what each requires and offers, a bar for what is used, the verdict, why, and what the formula was fed with."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.plan.explain.named_inputs import input_key
from aigc_bench.plan.options.assemble import FACTORS
from aigc_bench.plan.options.wording import what
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanView

NAME = "plan-factors"
TITLE = "Six factors"
TONE = {"ok": "ok", "tight": "warn", "short": "bad", "unknown": "", "provider": ""}


def render(view: PlanView) -> str | None:
    """``None`` where nothing could be planned."""
    best = view.best
    if best is None:
        return None
    at = view.at(best)
    values = {
        "best": best,
        "at": at,
        "figures": view.figures,
        "factors": [(name, best.factors[name]) for name in ordered(best.factors)],
        "tone": TONE,
        "used": used_percent,
        "input_key": input_key,
        "speaks": {
            name: what(part) for name in best.factors for part in best.parts if part.factors.get(name) == best.factors[name]
        },
    }
    return template("plan_factors.html.j2", values)


def ordered(factors: Mapping[str, Assessment]) -> list[str]:
    """The six in the order in which they are told, then others."""
    return sorted(factors, key=lambda name: (FACTORS.index(name) if name in FACTORS else len(FACTORS), name))


def used_percent(found: Assessment) -> float | None:
    """How much of what is available is required, 0 to 100; ``None`` where either is not known."""
    return None if found.headroom is None else round(min(100.0, max(0.0, (1 - found.headroom) * 100)), 1)

"""Render a plan as one HTML document, or as sections in front of a run's report."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from aigc_bench.core.messages import message, translated
from aigc_bench.core.trail import SAME, Step, Trail
from aigc_bench.core.trail_text import amount_text, in_numbers
from aigc_bench.core.units import money_in
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.report.base import Rendered
from aigc_bench.report.charts import script_json
from aigc_bench.report.markup import MARKS, template
from aigc_bench.report.plan import (
    assumptions,
    basis,
    bill,
    carbon,
    cash_flow,
    factors,
    most,
    options,
    owned,
    quotes,
    rack_drawings,
    recommendation,
    rent_or_buy,
    risk,
    simulation_check,
    stated_demand,
)
from aigc_bench.report.plan.top import plan_header
from aigc_bench.report.plan.view import PlanPage, PlanSection, plan_page
from aigc_bench.report.render import page

SECTIONS: tuple[PlanSection, ...] = (
    recommendation, most, owned, quotes, risk, stated_demand, options, factors, bill, rack_drawings, cash_flow, rent_or_buy, carbon,
    simulation_check, basis, assumptions,
)  # fmt: skip
"""In the order of a reader's questions: answer and risk, demand, alternatives, requirements, cost, basis."""


def render_plan(view: PlanView, *, version: str) -> str:
    """Return the plan as one HTML document; the same plan gives the same bytes."""
    with money_in(view.plan.demand.finance.shown_in):
        numbered = plan_page(view)
        found = _rendered(numbered)
        return page(found, header=plan_header(numbered), origin=message("{version}, planned and not measured", version=version))


def plan_sections(view: PlanView, *, runs: Sequence[str]) -> tuple[Rendered, ...]:
    """Return the sections of a plan that uses measured runs, for the head of their report; the first names what it used."""
    with money_in(view.plan.demand.finance.shown_in):
        first, *others = _rendered(plan_page(view))
    words = template("plan_of_runs.html.j2", {"plan": view.plan, "runs": runs, "measured": view.basis.measured})
    return (Rendered(name=first.name, title=message("Plan: {name}", name=view.plan.demand.name), html=words + first.html), *others)


def _rendered(numbered: PlanPage) -> tuple[Rendered, ...]:
    """Return the sections with content; the last one carries the derivations of all numbers shown."""
    pairs = [(section, section.render(numbered)) for section in SECTIONS]
    found = [Rendered(name=section.NAME, title=section.TITLE, html=text) for section, text in pairs if text is not None]
    assert found, "the assumptions are always rendered"
    last = found[-1]
    # Last, as only then all sections have said which numbers they show.
    found[-1] = Rendered(name=last.name, title=last.title, html=last.html + panel(numbered.figures.trail, numbered.figures.steps()))
    return tuple(found)


def panel(trail: Trail, steps: Mapping[str, Step]) -> str:
    """Return the panel that a click on a number opens, with its derivation steps as JSON."""
    derivations = {key: _derivation(trail, step) for key, step in steps.items()}
    label = html.escape(translated(message("How this number is derived")), quote=True)
    return (
        f'<aside id="why-panel" class="why-panel" role="dialog" aria-label="{label}" hidden></aside>'
        f'<script type="application/json" id="why-steps">{script_json(derivations)}</script>'
    )


def _derivation(trail: Trail, step: Step) -> dict[str, Any]:
    """Return a step in words."""
    value, numbers = step.value, in_numbers(trail, step)
    found: dict[str, Any] = {"title": step.title, "value": amount_text(value.value, value.unit, significant=4)}
    if value.low != value.high:
        low, high = amount_text(value.low, value.unit), amount_text(value.high, value.unit)
        found["interval"] = message("{low} to {high}", low=low, high=high)
    found["basis"] = MARKS[value.basis][1]
    optional: Sequence[tuple[str, object]] = (
        ("formula", None if step.formula == SAME else step.formula),
        ("numbers", numbers),
        ("source", step.source),
        ("inputs", list(step.inputs)),
    )
    return found | {name: content for name, content in optional if content}

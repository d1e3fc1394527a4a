"""Render the plan: the demand, how many machines like this one meet it, the deployment factors, and the cost."""

from __future__ import annotations

from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.report.base import ReportContext, Section
from aigc_bench.report.markup import template
from aigc_bench.report.plan.factors import TONE


class PlanSection(Section):
    """Show the recommended option of the plan, or the reasons why no option is accepted."""

    title: ClassVar[str] = message("Plan")
    order: ClassVar[int] = 100

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if the report was made without a plan."""
        view = context.plan
        if view is None:
            return None
        values = {
            "plan": view.plan,
            "option": view.best,
            "view": view.of_run,
            "factors": view.recommendation.factors if view.recommendation else (),
            "tone": TONE,
        }
        return template("plan.html.j2", values)


section = PlanSection()

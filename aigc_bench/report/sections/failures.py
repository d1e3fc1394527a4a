"""The cases and trials that have no numbers, and why."""

from __future__ import annotations

from typing import ClassVar

from aigc_bench.core.records import TrialResult
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.markup import template

DETAIL_LINES = 12


class Failures(Section):
    """Every case that did not finish all its trials, with the worker's last words."""

    title: ClassVar[str] = "Failed cases"
    order: ClassVar[int] = 90

    def render(self, context: ReportContext) -> str | None:
        """``None`` where every trial of every case finished."""
        views = [view for view in context.cases if view.status != "ok"]
        return (
            template("failures.html.j2", {"views": views, "mode_words": MODE_WORDS, "told": told, "last_lines": last_lines})
            if views
            else None
        )


def told(view: CaseView) -> TrialResult | None:
    """The last failed trial that says why; else the last failed one; ``None`` where trials are merely missing."""
    failures = view.summary.failures
    return next((trial for trial in reversed(failures) if trial.error is not None), failures[-1] if failures else None)


def last_lines(trial: TrialResult) -> str:
    """The last lines of what the worker said before it ended."""
    detail = trial.error.detail if trial.error is not None else ""
    return "\n".join(detail.strip().splitlines()[-DETAIL_LINES:])


section = Failures()

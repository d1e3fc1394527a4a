"""Render the cases and trials without numbers, and why."""

from __future__ import annotations

from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import TrialResult
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.markup import template

# A traceback's last frames and its message.
DETAIL_LINES = 12


class Failures(Section):
    """Show every case that did not finish all its trials, with the last output of the worker."""

    title: ClassVar[str] = message("Failed cases")
    order: ClassVar[int] = 90

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if every trial of every case finished."""
        views = [view for view in context.cases if view.status != "ok"]
        return (
            template(
                "failures.html.j2",
                {"views": views, "mode_words": MODE_WORDS, "failed_trial": failed_trial, "last_lines": last_lines},
            )
            if views
            else None
        )


def failed_trial(view: CaseView) -> TrialResult | None:
    """Return the last failed trial with an error; else the last failed one; ``None`` if trials are only missing."""
    failures = view.summary.failures
    return next((trial for trial in reversed(failures) if trial.error is not None), failures[-1] if failures else None)


def last_lines(trial: TrialResult) -> str:
    """Return the last lines of the worker's output."""
    detail = trial.error.detail if trial.error is not None else ""
    return "\n".join(detail.strip().splitlines()[-DETAIL_LINES:])


section = Failures()

"""Render the result of the quality gate for each case: whether its outputs are correct, and the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Quality
from aigc_bench.core.units import digits, quantity
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.markup import template

KINDS = {
    "reference": message("outputs against the same weights in fp32 with plain attention"),
    "training": message("loss on one batch, repeated"),
}
OUTCOMES = {True: "correct", False: message("wrong result"), None: "unknown"}


@dataclass(frozen=True, kw_only=True)
class CorrectnessRow:
    """One case in the table."""

    view: CaseView
    mode: str
    outcome: str
    tone: str
    how: str
    found: str
    limit: str


class Correctness(Section):
    """Show a table of the checked cases, wrong ones first."""

    title: ClassVar[str] = message("Correctness")
    order: ClassVar[int] = 65

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case was checked."""
        looked_at = [(view, quality) for view in context.measured if (quality := quality_of(view)) is not None]
        if not looked_at:
            return None
        # Wrong (False), then unknown (None), then correct.
        ordered = sorted(looked_at, key=lambda pair: (pair[1].passed is not False, pair[1].passed is not None))
        return template("correctness.html.j2", {"rows": [_row(view, quality) for view, quality in ordered]})


def quality_of(view: CaseView) -> Quality | None:
    """Return the result of the gate in the trial that it checked."""
    return next((trial.quality for trial in view.trials if trial.quality is not None), None)


def found_words(quality: Quality) -> str:
    """Return ``relative error 1.1 %, greedy tokens 100 %``, or why there is no result."""
    pairs = [(metric_of(name), value) for name, value in quality.values.items()]
    words = [message("{name} {value}", name=metric.name, value=quantity(value, metric.unit)) for metric, value in pairs]
    return joined("; ", [*words, *([quality.note] if quality.note else [])])


def allowed_words(quality: Quality) -> str:
    """Return the limits: ``error up to 8 %; PSNR of images from 22 dB``."""
    # Training has no reference to err against: its check is the loss itself.
    if quality.limit is None:
        return message("the loss falls")
    floors = [(metric_of(name), floor) for name, floor in quality.floors.items()]
    words = [message("{name} from {floor}", name=metric.name, floor=quantity(floor, metric.unit)) for metric, floor in floors]
    return joined("; ", [message("error up to {limit} %", limit=digits(100 * quality.limit)), *words])


def _row(view: CaseView, quality: Quality) -> CorrectnessRow:
    tone = {True: "ok", False: "bad", None: ""}[quality.passed]
    return CorrectnessRow(
        view=view,
        mode=MODE_WORDS[view.case.mode],
        outcome=OUTCOMES[quality.passed],
        tone=tone,
        how=KINDS[quality.kind],
        found=found_words(quality),
        limit=allowed_words(quality),
    )


section = Correctness()

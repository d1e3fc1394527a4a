"""Render the share of each stage in a step, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import MetricRow
from aigc_bench.report.base import MODE_WORDS, NUM_COLORS, CaseView, ReportContext, Section
from aigc_bench.report.markup import template


@dataclass(frozen=True, kw_only=True)
class Part:
    """One stage of a step: its time over all repeats and its share."""

    name: str
    repeats: int
    time: MetricRow | None
    share: MetricRow
    color: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """The stages of one case's step."""

    view: CaseView
    mode: str
    step: MetricRow | None
    parts: Sequence[Part]


class Stages(Section):
    """Show stacked bars of each stage's share of the step."""

    title: ClassVar[str] = message("Stage split")
    order: ClassVar[int] = 40

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case has stage shares."""
        splits = [split for view in context.measured if (split := split_of(view)) is not None]
        return template("stages.html.j2", {"splits": splits}) if splits else None


def split_of(view: CaseView) -> Split | None:
    """Return the case's stages in the order they run; ``None`` if their shares are unknown."""
    # Stages follow from the case: any trial has the same.
    work = next((trial.work for trial in view.measured_trials if trial.work is not None), None)
    stages = work.stages if work is not None else ()
    # In the order of the workload's declaration, which is the order in which they run.
    found = [(stage, view.rows.get(f"stage_share.{stage.name}")) for stage in stages]
    parts = [
        Part(
            name=stage.name, repeats=stage.repeats, time=view.rows.get(f"stage_time.{stage.name}"), share=share, color=color_of(at)
        )
        for at, (stage, share) in enumerate(found)
        if share is not None and share.value is not None
    ]
    if not parts:
        return None
    return Split(view=view, mode=MODE_WORDS[view.case.mode], step=view.rows.get("step_time"), parts=parts)


def color_of(position: int) -> str:
    """Return the palette's name for the stage at that position in its step."""
    return f"c{position % NUM_COLORS + 1}"


section = Stages()

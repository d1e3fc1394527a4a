"""Render the data pipeline: its share of each request or step, data stalls, host cores, cached data, and skipped samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.analyze.pipeline_quantities import data_read
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import DataUse
from aigc_bench.core.units import quantity
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.markup import template

COLUMNS = (
    ("stage_share.preprocess", message("Preprocess")),
    ("stage_share.postprocess", message("Postprocess")),
    ("data_stall", message("Data stall")),
    ("host_cpu_per_item", message("Host CPU per item")),
    ("cores_per_device", message("Cores per device")),
    ("data_cached", message("In page cache")),
)


@dataclass(frozen=True, kw_only=True)
class PipelineRow:
    """One case with its pipeline's last trial."""

    view: CaseView
    mode: str
    workers: int
    cache: str
    product_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """Data of one modality: source, size, and skipped samples."""

    source: DataUse
    size: str

    @property
    def num_unnamed(self) -> int:
        """Return the number of skipped samples beyond those that are named."""
        return self.source.num_skipped - len(self.source.skipped)


class PipelineSection(Section):
    """Show a table of shares and cores, and the data with their skipped samples."""

    title: ClassVar[str] = message("Data pipeline")
    order: ClassVar[int] = 42

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case ran with a pipeline."""
        lines = [line for view in context.measured if (line := line_of(view)) is not None]
        if not lines:
            return None
        return template("pipeline.html.j2", {"lines": lines, "columns": COLUMNS, "sources": sources(context)})


def line_of(view: CaseView) -> PipelineRow | None:
    """Return the case's line; ``None`` if it ran without a pipeline."""
    # All trials of a case run the same pipeline.
    use = next((trial.pipeline for trial in view.measured_trials if trial.pipeline is not None), None)
    if use is None:
        return None
    return PipelineRow(
        view=view,
        mode=MODE_WORDS[view.case.mode],
        workers=use.num_workers,
        cache=use.cache,
        product_bytes=use.product_bytes,
    )


def sources(context: ReportContext) -> list[Found]:
    """Return the data of all measured cases."""
    read = data_read(trial for view in context.measured for trial in view.measured_trials)
    return [Found(source=source, size=quantity(source.num_bytes, "B")) for source in read]


section = PipelineSection()

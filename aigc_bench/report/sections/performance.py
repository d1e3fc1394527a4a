"""Render throughput and latency by family, separately for training and inference, whose items and steps differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import MetricRow, Mode
from aigc_bench.core.units import scale
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.charts import Chart, Point, dots
from aigc_bench.report.markup import template
from aigc_bench.report.views import LATENCY, THROUGHPUT

MODES: tuple[Mode, ...] = ("train", "infer")


class Performance(Section):
    """Show dot charts with intervals: throughput in each family's own items, and the time of a step or request."""

    title: ClassVar[str] = message("Throughput and latency")
    order: ClassVar[int] = 30

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case has numbers."""
        charts = [chart for mode in MODES for chart in (throughput(context, mode), latency(context, mode)) if chart is not None]
        return template("charts.html.j2", {"lead": LEAD, "charts": charts}) if charts else None


LEAD = message(
    "Each dot is a median over trials, its whiskers the 95 % interval; a ring is suspect or invalid. Families count "
    "different items, so dots of different families are not comparable: compare a case with the same case of another run."
)


def throughput(context: ReportContext, mode: Mode) -> Chart | None:
    """Return items per second of every case in a mode."""
    points = _points(context, mode, metrics=THROUGHPUT, label=lambda view, row: f"{view.label}, {row.unit}")
    title = message("Throughput, {mode}", mode=MODE_WORDS[mode])
    return dots(f"throughput-{mode}", title=title, points=points, axis=message("items per second, by family")) if points else None


def latency(context: ReportContext, mode: Mode) -> Chart | None:
    """Return the median time of a step (training) or a request (inference), all in one unit."""
    points = _points(context, mode, metrics=LATENCY, label=lambda view, row: view.label)
    if not points:
        return None
    factor, printed = scale(max(point.value for point in points), "s")
    what = message("Step time") if mode == "train" else message("Latency")
    note = (
        message("Median time of one training step.")
        if mode == "train"
        else message("Median time from a request's start to its last item.")
    )
    return dots(
        f"latency-{mode}",
        title=message("{what}, {mode}", what=what, mode=MODE_WORDS[mode]),
        points=points,
        axis=f"{printed}",
        note=note,
        divide_by=factor,
    )


def _points(
    context: ReportContext, mode: Mode, *, metrics: Sequence[str], label: Callable[[CaseView, MetricRow], str]
) -> list[Point]:
    points = []
    for view in context.measured:
        row = view.first(metrics)
        if view.case.mode == mode and row is not None and row.value is not None:
            points.append(point_of(view, row, label=label(view, row), color=context.color(view)))
    return points


def point_of(view: CaseView, row: MetricRow, *, label: str, color: str) -> Point:
    """Return the row as a dot: hollow if it is not valid, with n, basis and verdict on hover."""
    hover = f"n = {row.n}, {row.basis}, {row.verdict}"
    if row.reasons and row.verdict != "valid":
        # Notes of a valid number would only lengthen the hover.
        hover += f" ({', '.join(row.reasons)})"
    assert row.value is not None, "only rows with a value are drawn"
    return Point(
        label=label,
        value=row.value,
        low=row.low,
        high=row.high,
        unit=row.unit,
        color=color,
        is_solid=row.verdict == "valid",
        hover=(hover, view.setting),
    )


section = Performance()

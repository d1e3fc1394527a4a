"""Render the search for the largest batch: throughput over latency, one point per measured batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from markupsafe import Markup

from aigc_bench.core.messages import joined, message
from aigc_bench.core.run_records import FoundBatch
from aigc_bench.core.units import quantity, scale
from aigc_bench.report.base import CaseView, ReportContext, Section
from aigc_bench.report.charts import Chart, rounded
from aigc_bench.report.markup import template

BOUNDS = {
    "memory": message("limited by memory"),
    "latency": message("limited by latency"),
    "time": message("limited by the timeout of a trial"),
    "error": message("a larger batch fails with an error"),
    "largest_tried": message("the largest batch tried"),
    "unfinished": message("so far; the search is unfinished"),
}
LATENCY = "step_time"


class LargestBatch(Section):
    """Show a curve for each search of the runs."""

    title: ClassVar[str] = message("Largest batch")
    order: ClassVar[int] = 45

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no run searched."""
        curves = []
        for number, run in enumerate(context.runs):
            search = run.run.info.search
            # A search has a result for each case that was searched.
            for place, found in enumerate(search.found if search is not None else ()):
                points = points_of(found, run.cases)
                chart = curve(f"largest-batch-{number}-{place}", points, max_latency_s=search.max_latency_s if search else None)
                curves.append((found, points, chart))
        return template("largest_batch.html.j2", {"curves": curves, "bounds": BOUNDS}) if curves else None


def points_of(found: FoundBatch, views: Sequence[CaseView]) -> list[CaseView]:
    """Return the measured cases of one search by batch size: those that differ in their batch only."""
    family = next((_family(view) for view in views if view.id == found.case), None)
    own = [view for view in views if _family(view) == family and view.has_numbers]
    return sorted(own, key=lambda view: view.case.batch_size)


def _family(view: CaseView) -> str:
    # Names that are equal at batch 1 differ in nothing but the batch.
    return view.case.model_copy(update={"batch_size": 1}).id


def curve(id: str, points: Sequence[CaseView], *, max_latency_s: float | None) -> Chart | None:
    """Return throughput over latency; ``None`` with fewer than two points."""
    values = [(view.case.batch_size, view.first((LATENCY,)), view.first(("throughput",))) for view in points]
    known = [(n, time, rate) for n, time, rate in values if time and rate and time.value is not None and rate.value is not None]
    # A single batch is no curve.
    if len(known) < 2:
        return None
    factor, unit = scale(max(time.value or 0.0 for _, time, _ in known), "s")
    rate_unit = known[0][2].unit
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": [rounded((time.value or 0.0) / factor) for _, time, _ in known],
        "y": [rounded(rate.value) for _, _, rate in known],
        "text": [str(n) for n, _, _ in known],
        "textposition": "top center",
        "marker": {"size": 9, "color": "@c1"},
        "line": {"color": "@c1"},
        "hovertemplate": Markup("batch %{text}: %{y} at %{x}<extra></extra>"),
    }
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": message("batch latency, {unit}", unit=unit)}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": rate_unit}, "rangemode": "tozero"},
    }
    if max_latency_s is not None:
        x = rounded(max_latency_s / factor)
        line = {"color": "@bad", "width": 1.5, "dash": "dot"}
        layout["shapes"] = [{"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}]
    words = joined(
        "; ",
        (
            message(
                "batch {size}: {rate} at {time}", size=n, rate=quantity(rate.value, rate.unit), time=quantity(time.value, time.unit)
            )
            for n, time, rate in known
        ),
    )
    note = message("Labels are batch sizes.")
    if max_latency_s:
        note = message("Labels are batch sizes. Dotted: the limit, {latency}.", latency=quantity(max_latency_s, "s"))
    return Chart(id=id, title=message("Throughput over latency"), note=note, traces=[trace], layout=layout, words=words)


section = LargestBatch()

"""Render telemetry over the whole run, with the measured windows shaded."""

from __future__ import annotations

from typing import ClassVar

from aigc_bench.analyze.readings import readings_of
from aigc_bench.core.messages import joined, message
from aigc_bench.core.units import clock, digits, quantity
from aigc_bench.report.base import ReportContext, RunView, Section
from aigc_bench.report.charts import Chart
from aigc_bench.report.markup import template
from aigc_bench.report.telemetry_strips import device_names, run_strips
from aigc_bench.report.timeline import Band, TimeStrip, timeline

# Three times the default: this chart is as wide as the page, and there is one for each run.
MAX_POINTS = 1200


class Telemetry(Section):
    """Show one chart of strips per run, and the lateness and cost of the sampler."""

    title: ClassVar[str] = message("Telemetry")
    order: ClassVar[int] = 80

    def render(self, context: ReportContext) -> str:
        """Return the section, also if nothing was recorded."""
        charts = [
            chart for number, view in enumerate(context.runs) if (chart := whole_run(context, view, number=number)) is not None
        ]
        return template("telemetry.html.j2", {"charts": charts, "samplers": [sampler_words(view) for view in context.runs]})


def whole_run(context: ReportContext, view: RunView, *, number: int) -> Chart | None:
    """Return all strips of a run from its start to its end; ``None`` if there is no telemetry."""
    info = view.run.info
    strips = run_strips(readings_of(view.run), since_s=info.created_s, names=device_names(view.run))
    if not strips:
        return None
    colors = {case.id: context.color(case) for case in view.cases}
    bands = [
        Band(
            start_s=trial.window.start_s - info.created_s,
            end_s=trial.window.end_s - info.created_s,
            # A case that the report does not hold has the neutral colour.
            color=colors.get(trial.case, "c8"),
        )
        for trial in view.run.trials
        if trial.window is not None
    ]
    return timeline(
        f"telemetry-{number}",
        title=joined(" · ", (part for part in (message("The whole run"), view.tag) if part)),
        note=message("Shaded: measured windows, in their families' colours. Thinned to the minimum and maximum of each interval."),
        strips=strips,
        bands=bands,
        axis=message("seconds since the run's start"),
        words=strip_words(strips),
        max_points=MAX_POINTS,
    )


def strip_words(strips: list[TimeStrip]) -> str:
    """Return the range of each strip as text."""
    parts = []
    for strip in strips:
        values = [value for line in strip.lines for value in line.values if value is not None]
        if values:
            least, most = quantity(min(values), strip.unit), quantity(max(values), strip.unit)
            parts.append(message("{title}: {least} to {most}", title=strip.title, least=least, most=most))
    return joined("; ", parts)


def sampler_words(view: RunView) -> str:
    """Return lateness and cost of the sampler in a sentence."""
    sampler = view.run.info.sampler
    tag = f"{view.tag}: " if view.tag else ""
    if sampler is None:
        return message("{tag}No sampler ran, or the run ended before it could report.", tag=tag)
    late = "unknown" if sampler.late_p99_s is None else quantity(sampler.late_p99_s, "s")
    cost = (
        "unknown"
        if sampler.cpu_fraction is None
        else message("{cpu_fraction} of one core", cpu_fraction=quantity(sampler.cpu_fraction, "fraction"))
    )
    finished_s = view.run.info.finished_s
    span = message(" over {finished}", finished=clock(finished_s - view.run.info.created_s)) if finished_s is not None else ""
    restarts = message(", restarted {restarts} times", restarts=sampler.restarts) if sampler.restarts else ""
    return message(
        "{tag}Sampler: {num_samples} samples{span}, {num_lost} lost, p99 lateness {late}, CPU cost {cost}{restarts}.",
        tag=tag,
        num_samples=digits(sampler.num_samples),
        span=span,
        num_lost=sampler.num_lost,
        late=late,
        cost=cost,
        restarts=restarts,
    )


section = Telemetry()

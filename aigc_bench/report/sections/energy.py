"""Render power and energy of each case; without a sensor, the reason instead of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.run_records import SensorStatus
from aigc_bench.core.units import scale
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.charts import Chart, Series, bars, dots
from aigc_bench.report.markup import readable, template
from aigc_bench.report.sections.performance import point_of

POWER_SOURCES = ("nvml", "rapl")
COLUMNS = (
    "power_mean",
    "power_peak",
    "power_idle",
    "energy_gross",
    "energy_net",
    "energy_per_item",
    "energy_per_item_net",
    "energy_host",
)


class EnergySection(Section):
    """Show joules per item, gross and net of idle, and watts, mean and peak."""

    title: ClassVar[str] = message("Power and energy")
    order: ClassVar[int] = 70

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case has finished."""
        if not context.measured:
            return None
        measured = [view for view in context.measured if any(view.value(metric) is not None for metric in COLUMNS)]
        columns = [metric for metric in COLUMNS if any(view.value(metric) is not None for view in measured)]
        values = {
            "views": measured,
            "unmeasured": [(view, _why(view)) for view in context.measured if view not in measured],
            "columns": [(metric, title_of(metric)) for metric in columns],
            "charts": charts(context, measured),
            "absences": absences(context),
            "mode_words": MODE_WORDS,
        }
        return template("energy.html.j2", values)


def title_of(metric: str) -> str:
    """Return the metric's registered name, for any item."""
    from aigc_bench.analyze.metrics import metric_of

    return metric_of(metric).name


def absences(context: ReportContext) -> list[tuple[str, str]]:
    """Return the power sensors that could not be read, each with its reason, once."""
    found = [
        (sensor.source, sensor.reason or message("no reason given"))
        for view in context.runs
        for sensor in view.run.info.sensors
        if _is_blind(sensor)
    ]
    # Several runs of one machine lack the same sensors.
    return list(dict.fromkeys(found))


def charts(context: ReportContext, views: Sequence[CaseView]) -> list[Chart]:
    """Return the charts of energy per item and power, for the cases that have them."""
    return [chart for chart in (_per_item(context, views), _power(views)) if chart is not None]


def _per_item(context: ReportContext, views: Sequence[CaseView]) -> Chart | None:
    rows = [(view, view.rows["energy_per_item"]) for view in views if view.value("energy_per_item") is not None]
    if not rows:
        return None
    points = [
        point_of(
            view,
            row,
            label=message("{label}, {mode}, {unit}", label=view.label, mode=MODE_WORDS[view.case.mode], unit=row.unit),
            color=context.color(view),
        )
        for view, row in rows
    ]
    factor, printed = scale(max(point.value for point in points), "J")
    note = message("Gross energy of the accelerators in the window over the items finished in it. Items differ between families.")
    return dots(
        "energy-per-item",
        title=message("Energy per item"),
        points=points,
        axis=message("{printed} per item of each family", printed=printed),
        note=note,
        divide_by=factor,
    )


def _power(views: Sequence[CaseView]) -> Chart | None:
    kinds = [
        ("power_mean", message("mean"), "c1"),
        ("power_peak", message("peak of one device"), "c2"),
        ("power_idle", message("idle"), "c8"),
    ]
    rows = [view for view in views if view.value("power_mean") is not None]
    if not rows:
        return None
    series = [
        Series(name=name, values=[view.value(metric) for view in rows], color=color)
        for metric, name, color in kinds
        if any(view.value(metric) is not None for view in rows)
    ]
    labels = [message("{label}, {mode}", label=view.label, mode=MODE_WORDS[view.case.mode]) for view in rows]
    return bars(
        "power",
        title=message("Power"),
        labels=labels,
        series=series,
        unit="W",
        note=message("Idle is measured before the first trial."),
    )


def _why(view: CaseView) -> str:
    # The first in order is the mean power, from which the others follow.
    reasons = [row.reasons for row in map(view.rows.get, COLUMNS) if row is not None and row.reasons]
    return readable(reasons[0]) if reasons else message("no power sensor was read")


def _is_blind(sensor: SensorStatus) -> bool:
    return sensor.source in POWER_SOURCES and not sensor.available


section = EnergySection()

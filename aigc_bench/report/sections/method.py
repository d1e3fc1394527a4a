"""Render how the run was measured and how to repeat it, which sensors were absent, and the definitions of metrics and reasons."""

from __future__ import annotations

import shlex
from typing import ClassVar

from aigc_bench.analyze.metric import Metric
from aigc_bench.analyze.metrics import METRICS
from aigc_bench.analyze.reason_codes import REASONS, Reason
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import SensorStatus
from aigc_bench.core.units import memory
from aigc_bench.report.base import ReportContext, RunView, Section
from aigc_bench.report.markup import template
from aigc_bench.report.sections.telemetry import sampler_words


class Method(Section):
    """Show commands, sensors, versions, and the definitions of the metrics and reasons in this report."""

    title: ClassVar[str] = message("Method and reproduction")
    order: ClassVar[int] = 120

    def render(self, context: ReportContext) -> str:
        """Return the section; it depends only on absent sensors and on the metrics and reasons shown."""
        values = {
            "commands": [(view.tag, command(view)) for view in context.runs],
            "example": next((view.id for view in context.measured), context.cases[0].id if context.cases else "*"),
            "profile": context.runs[0].run.info.profile,
            "samplers": [sampler_words(view) for view in context.runs],
            "health": [(view.tag, check) for view in context.runs for check in view.run.info.health],
            "sensors": [(sensor, absent_words(sensor)) for view in context.runs for sensor in view.run.info.sensors],
            "versions": versions(context),
            "metrics": shown_metrics(context),
            "reasons": shown_reasons(context),
        }
        return template("method.html.j2", values)


def command(view: RunView) -> str:
    """Return the command that made the run."""
    return (
        shlex.join(view.run.info.command)
        if view.run.info.command
        else f"aigc-bench run --profile {shlex.quote(view.run.info.profile)}"
    )


def absent_words(sensor: SensorStatus) -> str:
    """Return why a source, or some of its metrics, could not be read; empty if all could."""
    if not sensor.available:
        return sensor.reason or message("no reason given")
    return "; ".join(f"{metric}: {reason}" for metric, reason in sensor.absent.items())


def versions(context: ReportContext) -> list[tuple[str, str]]:
    """Return the versions and other identification of machine and software of the first run."""
    info = context.runs[0].run.info
    pairs = {
        **info.versions,
        **info.system.software,
        **{key: value for key, value in info.system.details.items() if value is not None},
    }
    pairs |= {
        f"{device.name} {device.index}, {key}": value
        for device in info.system.accelerators
        for key, value in device.details.items()
        if value is not None
    }
    return [
        (message("profile hash"), info.profile_hash),
        ("machine", info.system.host_id),
        # The unit goes with the value, in GiB.
        *((name.removesuffix("_bytes"), detail(name, value)) for name, value in sorted(pairs.items()) if value is not None),
    ]


def detail(name: str, value: object) -> str:
    """Return a detail of a machine in words: bytes in GiB, yes or no; anything else verbatim."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return memory(value) if name.endswith("_bytes") and isinstance(value, int) else str(value)


def shown_metrics(context: ReportContext) -> list[Metric]:
    """Return the registered metrics that this report has a row of."""
    # stage_time.decode is defined by stage_time.
    shown = {row.metric.partition(".")[0] for view in context.cases for row in view.rows.values()}
    return [metric for name, metric in METRICS.items() if name in shown]


def shown_reasons(context: ReportContext) -> list[Reason]:
    """Return the reasons that some number of this report has."""
    shown = {code for view in context.cases for row in view.rows.values() for code in row.reasons}
    return [reason for code, reason in REASONS.items() if code in shown]


section = Method()

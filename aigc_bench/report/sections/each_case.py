"""Render the details of each case: numbers with intervals and reasons, steps and telemetry, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import ClassVar

from aigc_bench.analyze.metrics import METRICS, metric_of
from aigc_bench.analyze.readings import Readings, readings_of
from aigc_bench.analyze.reason_codes import REASONS, Reason
from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import MetricRow, OwnModel, TrialResult
from aigc_bench.core.units import clock, quantity
from aigc_bench.report.base import MODE_WORDS, STATUS_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.charts import Chart
from aigc_bench.report.markup import absence, template
from aigc_bench.report.sections.telemetry import strip_words
from aigc_bench.report.telemetry_strips import device_names, longest_window, trial_strips
from aigc_bench.report.timeline import timeline

POINTS_OF_REPORT = 120_000
"""Total points of all detail charts of a report, so that the report of a long run still opens quickly."""
# Of one strip: fewer hide short dips, more than a screen has pixels across show nothing new.
LEAST_POINTS, MOST_POINTS = 160, 1200
MAX_STRIPS = 9
MAX_LINES = 10
"""Legible lines of a strip: trials times devices."""
STOP_WORDS = {
    "converged": message("stopped when the mean converged"),
    "time_cap": message("stopped at the time cap"),
    "step_cap": message("stopped at the step cap"),
}


class EachCase(Section):
    """Show the details of each case, folded."""

    title: ClassVar[str] = message("Each case")
    order: ClassVar[int] = 85

    def render(self, context: ReportContext) -> str:
        """Return one ``details`` element per case, in the order of the table."""
        # Shared out over all strips that the report may hold.
        budget = max(LEAST_POINTS, min(MOST_POINTS, POINTS_OF_REPORT // max(1, len(context.measured) * MAX_STRIPS)))
        cases = []
        for view in context.runs:
            readings, names = readings_of(view.run), device_names(view.run)
            cases += [(case, case_chart(case, readings, names=names, max_points=budget)) for case in view.cases]
        values = {
            "cases": cases,
            "mode_words": MODE_WORDS,
            "rows_of": named_rows,
            "missing_of": missing_of,
            "doubts": doubts,
            "command_of": command_of,
            "trials_of": trial_words,
        }
        return template("each_case.html.j2", values)


def case_chart(view: CaseView, readings: Readings, *, names: dict[str, str], max_points: int) -> Chart | None:
    """Return step times and telemetry of the case's overlaid trials; ``None`` if nothing was measured."""
    trials = middle_trials(view.measured_trials, num=max(1, MAX_LINES // max(1, view.case.devices)))
    strips = trial_strips(readings, trials, names=names)
    if not strips:
        return None
    left_out = len(view.measured_trials) - len(trials)
    chosen = message(" {left_out} faster or slower trials are left out.", left_out=left_out) if left_out else ""
    return timeline(
        f"steps-{view.anchor}",
        title=message("Steps and telemetry of the trials"),
        note=message(
            "Zero is the start of each trial's window (shaded); before it, start-up and warm-up. One colour per trial.{chosen}",
            chosen=chosen,
        ),
        strips=strips,
        bands=[longest_window(trials)],
        axis=message("seconds from the start of the window"),
        words=strip_words(strips),
        max_points=max_points,
    )


def middle_trials(trials: Sequence[TrialResult], *, num: int) -> list[TrialResult]:
    """Return the ``num`` trials whose pace is nearest the median, by number."""
    # Around the median, since outliers would set the scale of the axis; they are counted in the note.
    paced = sorted(trials, key=lambda trial: trial.window.wall_s / trial.window.num_steps if trial.window else 0.0)
    first = max(0, (len(paced) - num) // 2)
    return sorted(paced[first : first + num], key=lambda trial: trial.trial)


def named_rows(view: CaseView) -> list[tuple[str, str, MetricRow]]:
    """Return the case's numbers as (name, formula, row), in the registry's order."""
    return [(*_named(row), row) for row in view.rows.values() if row.value is not None]


def missing_of(view: CaseView) -> list[tuple[str, list[str]]]:
    """Return the metrics without a value, grouped by reason."""
    groups: dict[str, list[str]] = {}
    for row in view.rows.values():
        if row.value is None:
            groups.setdefault(absence(row), []).append(_named(row)[0])
    return list(groups.items())


def doubts(view: CaseView) -> list[Reason]:
    """Return the reasons for which numbers of this case are invalid or suspect."""
    return [REASONS[code] for code in view.reasons("invalid", "suspect")]


def command_of(view: CaseView) -> str:
    """Return the command that measures this case again."""
    if view.case.model is not None:
        return _own_command(view, view.case.model)
    # --only takes a glob, and a case's name matches itself.
    words = ["--profile", view.run.info.profile, "--level", view.run.info.level, "--only", view.id]
    return f"aigc-bench run {shlex.join(words)}"


def _own_command(view: CaseView, model: OwnModel) -> str:
    case = view.case
    words = ["--model", model.path, "--mode", case.mode, "--batch-size", str(case.batch_size), "--precision", case.precision]
    words += ["--engine", case.engine, "--level", view.run.info.level]
    words += [word for key, value in sorted(case.settings.items()) for word in ("--set", f"{key}={value}")]
    words += [word for key, value in sorted(model.changes.items()) for word in ("--change", f"{key}={value}")]
    return f"aigc-bench run {shlex.join(words)}"


def trial_words(view: CaseView) -> list[str]:
    """Return one line per trial: start, warm-up, measured time, and why it stopped."""
    return [_line(trial, since_s=view.run.info.created_s) for trial in view.trials]


def _line(trial: TrialResult, *, since_s: float) -> str:
    begun = message("Trial {trial}, {started} into the run", trial=trial.trial + 1, started=clock(trial.started_s - since_s))
    window = trial.window
    if window is None:
        return message("{begun}: {status}", begun=begun, status=STATUS_WORDS[trial.status])
    parts = [message("ready after {time_to_ready}", time_to_ready=quantity(sum(trial.time_to_ready_s.values()), "s"))]
    if trial.warmup is not None:
        steps = trial.warmup.num_steps
        parts.append(
            message("{steps} warm-up steps", steps=steps)
            if trial.warmup.converged
            else message("{steps} warm-up steps, not converged", steps=steps)
        )
    parts.append(
        message(
            "{num_steps} steps in {wall}, {stop_words}",
            num_steps=window.num_steps,
            wall=quantity(window.wall_s, "s"),
            stop_words=STOP_WORDS[window.stop_reason],
        )
    )
    return message("{begun}: {parts}", begun=begun, parts=joined("; ", (*parts, *trial.notes)))


def _named(row: MetricRow) -> tuple[str, str]:
    # Metrics of stages are named METRIC.STAGE; unknown ones come from runs of other versions.
    if row.metric.partition(".")[0] not in METRICS:
        return row.metric.replace("_", " "), ""
    metric = metric_of(row.metric)
    return metric.name, metric.formula


section = EachCase()

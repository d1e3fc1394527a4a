"""From a run to rows: one for each case and metric, and one summary for each case. Failed cases have a summary and no rows.

The headline is the median of the trial medians with a Student-t interval over trials, each of them a fresh process. A trial that
was repeated (a retry after throttling, a resumed run) counts once, by its last good attempt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from aigc_bench.analyze.cpu_peak import cpu_peak_flops_per_s
from aigc_bench.analyze.drift import drift_corrected, typical_reference_s
from aigc_bench.analyze.metric import TRIALS, Metric
from aigc_bench.analyze.metrics import METRICS, metric_of
from aigc_bench.analyze.pipeline_quantities import pipeline_quantities
from aigc_bench.analyze.readings import Readings, readings_of
from aigc_bench.analyze.reason_codes import concerning, ordered, verdict
from aigc_bench.analyze.sensing import Scene, scenes, sensed
from aigc_bench.analyze.statistics import Grade, Interval, coefficient_of_variation, grade, student_interval
from aigc_bench.analyze.timing import Peak, Quantity, timings
from aigc_bench.analyze.verdicts import reasons_of, spread_reasons
from aigc_bench.core.derivation import SAME, Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Case, Estimate, Failure, MetricRow, Record, Status, TrialResult, Verdict
from aigc_bench.measure.store import Run

if TYPE_CHECKING:
    from aigc_bench.catalog.records import AcceleratorSpec

OVER_TRIALS = message("median of the trials; the interval is Student's t over them")
CaseStatus = Literal["ok", "partial", "oom", "unsupported", "timeout", "error", "skipped", "not_run"]


class HasAccelerators(Protocol):
    """What is needed of the catalogue: accelerators by id, and by the name that a driver gives."""

    @property
    def accelerators(self) -> Mapping[str, AcceleratorSpec]:
        """Accelerators by catalogue id."""

    def recognise(self, name: str, memory_bytes: int | None = None) -> AcceleratorSpec | None:
        """The accelerator that a driver calls ``name``, or ``None``."""


class CaseSummary(Record):
    """The outcome of one case: ``ok`` with all its trials, ``partial`` with some, else why it has none."""

    case: Case
    case_id: str
    status: CaseStatus
    num_finished: int
    num_asked: int
    grade: Grade | None
    trial_cv: float | None
    verdict: Verdict | None
    reasons: tuple[str, ...] = ()
    error: Failure | None = None
    failures: tuple[TrialResult, ...] = ()
    num_retries: int = 0
    spent_s: float = 0.0
    notes: tuple[Sentence, ...] = ()

    @property
    def error_line(self) -> str | None:
        """The failure in one line, or ``None``."""
        return None if self.error is None else f"{self.error.kind}: {self.error.message}"


@dataclass(frozen=True, kw_only=True)
class CaseAnalysis:
    """A case with its finished trials, their values, and the reasons of its verdict."""

    case: Case
    trials: tuple[TrialResult, ...]
    """The attempt of each trial that counts, finished or not."""
    scenes: tuple[Scene, ...]
    quantities: tuple[Mapping[str, Quantity], ...]
    """Metric id -> quantity, one mapping for each scene."""
    reasons: tuple[str, ...]
    """Codes of any of the trials and of the case as a whole."""

    def values(self, metric: str) -> list[float]:
        """The trials' values of a metric, in trial order, without those that have none."""
        found = (one[metric].value for one in self.quantities if metric in one)
        return [value for value in found if value is not None]

    def reasons_for(self, metric: Metric) -> tuple[str, ...]:
        """Every code that concerns one metric of this case: of its trials, of its values and of their spread, worst first."""
        own = {code for one in self.quantities if metric.id in one for code in one[metric.id].reasons}
        values = self.values(metric.id)
        spread = spread_reasons(values, metric=metric) if values else ()
        return ordered({*own, *concerning(self.reasons, metric=metric), *spread})


def analyses(run: Run, *, catalogue: HasAccelerators | None = None) -> list[CaseAnalysis]:
    """Every case of the run, in the profile's order. Rows and summaries of a run can both be made of this."""
    readings, typical_s = readings_of(run), typical_reference_s(run.trials)
    return [_analysis(run, case, readings=readings, typical_s=typical_s, catalogue=catalogue) for case in run.info.cases]


def metric_rows(run: Run, *, catalogue: HasAccelerators | None = None) -> list[MetricRow]:
    """One row for each finished case and metric. ``catalogue`` knows the dense peaks that MFU divides by."""
    return rows_of(analyses(run, catalogue=catalogue))


def case_summaries(run: Run) -> list[CaseSummary]:
    """One summary for each case of the run, finished or not."""
    return summaries_of(run, analyses(run))


def rows_of(cases: Iterable[CaseAnalysis]) -> list[MetricRow]:
    """The rows of analysed cases."""
    return [row for analysis in cases for row in _rows(analysis)]


def summaries_of(run: Run, cases: Iterable[CaseAnalysis]) -> list[CaseSummary]:
    """The summaries of analysed cases."""
    return [_summary(run, analysis) for analysis in cases]


def final_trials(trials: Sequence[TrialResult]) -> tuple[TrialResult, ...]:
    """One attempt for each trial number: the last good one, else the last."""
    chosen: dict[int, TrialResult] = {}
    # Later ones replace earlier ones: a good attempt comes after a bad one.
    for trial in sorted(trials, key=lambda t: (t.trial, t.status == "ok", t.attempt, t.started_s)):
        chosen[trial.trial] = trial
    return tuple(chosen[number] for number in sorted(chosen))


def _analysis(
    run: Run, case: Case, *, readings: Readings, typical_s: float | None, catalogue: HasAccelerators | None
) -> CaseAnalysis:
    trials = final_trials(run.trials_of(case.id))
    stage = scenes(run, trials, readings=readings, typical_reference_s=typical_s)
    quantities = tuple({q.metric: q for q in _quantities(case, scene, catalogue=catalogue)} for scene in stage)
    reasons = {code for scene in stage for code in reasons_of(scene)}
    if stage and any(trial.status not in ("ok", "skipped") for trial in trials):
        reasons.add("trials_failed")
    return CaseAnalysis(case=case, trials=trials, scenes=stage, quantities=quantities, reasons=ordered(reasons))


def _quantities(case: Case, scene: Scene, *, catalogue: HasAccelerators | None) -> Iterator[Quantity]:
    yield from timings(case, scene.trial, peak=_peak(case, scene, catalogue=catalogue))
    yield from pipeline_quantities(case, scene.trial)
    yield from drift_corrected(scene)
    yield from sensed(scene)


def _known_devices(scene: Scene, catalogue: HasAccelerators) -> list[AcceleratorSpec]:
    """The catalogue's rows of the devices that the trial used; fewer than there are devices where one is not in it."""
    used = [info for info in scene.run.info.system.accelerators if info.uuid in scene.devices]
    specs = [
        catalogue.accelerators.get(info.catalog_id or "") or catalogue.recognise(info.name, info.memory_bytes) for info in used
    ]
    return [spec for spec in specs if spec is not None]


def _peak(case: Case, scene: Scene, *, catalogue: HasAccelerators | None) -> Peak:
    """Dense peak and bandwidth of the slowest device that the trial used; unknown as soon as one device is not in the catalogue."""
    if not scene.uses_accelerator:
        return _host_peak(case, scene) if case.backend == "cpu" else Peak()
    if catalogue is None:
        return Peak()
    known = _known_devices(scene, catalogue)
    # A peak over a part of the devices would be too low.
    if not known or len(known) < len(scene.devices):
        return Peak()
    peaks = [spec.peak(case.precision) for spec in known]
    flops = [peak for peak in peaks if peak is not None]
    return Peak(
        flops_per_s=min(flops) if len(flops) == len(known) else None,
        bytes_per_s=min(spec.memory_bandwidth_bytes_per_s for spec in known),
    )


def _host_peak(case: Case, scene: Scene) -> Peak:
    threads = scene.trial.environment.get("threads")
    flops, is_assumed = cpu_peak_flops_per_s(case, scene.run.info.system, threads=threads if isinstance(threads, int) else None)
    return Peak(flops_per_s=flops, reasons=("clock_assumed",) if flops is not None and is_assumed else ())


def _rows(analysis: CaseAnalysis) -> Iterator[MetricRow]:
    if not analysis.scenes:
        return
    work = analysis.scenes[0].trial.work
    item = work.item if work else "item"
    for metric_id in _in_order(analysis):
        yield _row(analysis, metric_of(metric_id, item=item))
    yield _cv_row(analysis)


def _in_order(analysis: CaseAnalysis) -> list[str]:
    """Return the metrics that any trial has, in the registry's order, stages in the order they run."""
    found = dict.fromkeys(metric for quantities in analysis.quantities for metric in quantities)
    order = {metric: index for index, metric in enumerate(METRICS)}
    # Stable: stages of one family keep the order in which they run.
    # One that no registry has stands last, and is refused by name when its row is made.
    return sorted(found, key=lambda metric: order.get(metric, order.get(metric.partition(".")[0], len(order))))


def _row(analysis: CaseAnalysis, metric: Metric) -> MetricRow:
    parts = [one[metric.id] for one in analysis.quantities if metric.id in one]
    known = [part for part in parts if part.value is not None]
    values = analysis.values(metric.id)
    # The trial with the fewest, since a number is as good as its weakest part.
    num = len(known) if metric.n_means == TRIALS else min((part.n for part in known or parts), default=0)
    value = float(np.median(values)) if values else None
    # A share above 1 is no share, whatever the spread.
    interval = student_interval(values, ceiling=1.0 if metric.unit == "fraction" else math.inf)
    row = _make_row(analysis.case, metric, value=value, interval=interval, n=num, reasons=analysis.reasons_for(metric))
    return row if value is None else record(row, Derivation(SAME, (_number(analysis, metric, value, interval),)))


def _number(analysis: CaseAnalysis, metric: Metric, value: float, interval: Interval) -> Estimate:
    """Return a row's number as the median of its trials, each computed by the metric's formula from what the trial recorded."""
    trials = list(_trials(analysis, metric))
    places = ", ".join(f"{{{place}}}" for place in range(len(trials)))
    arithmetic = f"median({places})" if len(trials) > 1 else places
    ends = {"low": value if interval.low is None else interval.low, "high": value if interval.high is None else interval.high}
    source = metric.source if len(trials) > 1 else trials[0].source
    whole = Estimate(value=value, **ends, unit=metric.unit, basis="measured", source=source)
    formula = OVER_TRIALS if len(trials) > 1 else metric.formula
    return record(whole, Derivation(arithmetic, tuple(trials), formula, None, metric.id, metric.name))


def _trials(analysis: CaseAnalysis, metric: Metric) -> Iterator[Estimate]:
    """Yield the value of each trial that has one, with what it was computed from."""
    for scene, found in zip(analysis.scenes, analysis.quantities, strict=True):
        one = found.get(metric.id)
        if one is not None and one.value is not None:
            yield _of_trial(one, one.value, metric, number=scene.trial.trial)


def _of_trial(one: Quantity, value: float, metric: Metric, *, number: int) -> Estimate:
    source = f"{metric.formula} ({metric.source})"
    found = Estimate(value=value, low=value, high=value, unit=metric.unit, basis="measured", source=source)
    how = one.derivation or Derivation(None)
    return record(
        found,
        how._replace(
            formula=metric.formula, key=f"trial_{number}", title=message("{name}, trial {number}", name=metric.name, number=number)
        ),
    )


def _cv_row(analysis: CaseAnalysis) -> MetricRow:
    values = analysis.values("step_time")
    cv = coefficient_of_variation(values)
    reasons = {"few_trials"} if cv is None else set()
    metric = METRICS["trial_cv"]
    row = _make_row(analysis.case, metric, value=cv, interval=Interval(None, None), n=len(values), reasons=reasons)
    if cv is None:
        return row
    whole = Estimate(value=cv, low=cv, high=cv, unit=metric.unit, basis="measured", source=metric.source)
    times = tuple(_trials(analysis, METRICS["step_time"]))
    found = Derivation(None, times, metric.formula, lambda *each: coefficient_of_variation(each) or 0.0, metric.id, metric.name)
    return record(row, Derivation(SAME, (record(whole, found),)))


def _make_row(case: Case, metric: Metric, *, value: float | None, interval: Interval, n: int, reasons: Iterable[str]) -> MetricRow:
    codes = ordered(reasons)
    return MetricRow(
        case=case.id,
        workload=case.workload,
        preset=case.preset,
        mode=case.mode,
        scenario=case.scenario,
        engine=case.engine,
        precision=case.precision,
        batch_size=case.batch_size,
        devices=case.devices,
        metric=metric.id,
        value=value,
        low=interval.low,
        high=interval.high,
        unit=metric.unit,
        n=n,
        basis="measured",
        verdict=verdict(codes),
        reasons=codes,
    )


def _summary(run: Run, analysis: CaseAnalysis) -> CaseSummary:
    everything = run.trials_of(analysis.case.id)
    failed = tuple(trial for trial in analysis.trials if trial.status != "ok")
    reasons = set(analysis.reasons)
    if analysis.scenes:
        # A case is as stable as its two headline numbers.
        for metric in ("throughput", "step_time"):
            reasons |= set(spread_reasons(analysis.values(metric), metric=METRICS[metric]))
    cv = coefficient_of_variation(analysis.values("step_time"))
    return CaseSummary(
        case=analysis.case,
        case_id=analysis.case.id,
        status=_status(analysis, requested=run.info.num_trials),
        num_finished=len(analysis.scenes),
        num_asked=run.info.num_trials,
        grade=grade(cv),
        trial_cv=cv,
        verdict=verdict(reasons) if analysis.scenes else None,
        reasons=ordered(reasons),
        error=next((trial.error for trial in failed if trial.error is not None), None),
        failures=failed,
        num_retries=sum(trial.attempt - 1 for trial in analysis.trials),
        spent_s=sum(trial.finished_s - trial.started_s for trial in everything),
        notes=tuple(dict.fromkeys(note for trial in analysis.trials for note in trial.notes)),
    )


def _status(analysis: CaseAnalysis, *, requested: int) -> CaseStatus:
    if not analysis.trials:
        return "not_run"
    if len(analysis.scenes) >= requested:
        return "ok"
    if analysis.scenes:
        return "partial"
    failed: list[Status] = [trial.status for trial in analysis.trials if trial.status != "ok"]
    reported = [status for status in failed if status != "skipped"]
    # "skipped" follows from another trial's failure and says least.
    return reported[0] if reported else failed[0] if failed else "error"

"""Define a report section and its input: the runs, their metric rows case by case, and the plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from aigc_bench.analyze.reason_codes import REASONS, Severity
from aigc_bench.analyze.rows import CaseAnalysis, CaseStatus, CaseSummary
from aigc_bench.analyze.waste_ledger import WasteLedger
from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Case, MetricRow, TrialResult, Verdict
from aigc_bench.measure.store import Run

if TYPE_CHECKING:
    from aigc_bench.analyze.compare import Comparison
    from aigc_bench.plan.output.plan_view import PlanView

STATUS_WORDS: Mapping[CaseStatus, str] = {
    "ok": message("finished"),
    "partial": message("partly finished"),
    "oom": message("out of memory"),
    "unsupported": message("unsupported here"),
    "timeout": message("timed out"),
    "error": message("error"),
    "skipped": message("skipped"),
    "not_run": message("not run"),
}
MODE_WORDS = {"train": message("training"), "infer": message("inference")}
VERDICTS: tuple[Verdict, ...] = ("invalid", "suspect", "valid")
# Colours c1 to c8 of the palette in style.css.
NUM_COLORS = 8


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """One case of one run as the sections see it."""

    run: Run
    run_tag: str
    """Distinguishes runs; empty if the report holds one run only."""
    anchor: str
    analysis: CaseAnalysis = field(repr=False)
    summary: CaseSummary = field(repr=False)
    rows: Mapping[str, MetricRow] = field(repr=False)
    """Metric id -> row."""
    ledger: WasteLedger | None = field(repr=False)

    @property
    def case(self) -> Case:
        """Return the case."""
        return self.analysis.case

    @property
    def id(self) -> str:
        """Return the case's id."""
        return self.case.id

    @property
    def status(self) -> CaseStatus:
        """Return how the case ended."""
        return self.summary.status

    @property
    def has_numbers(self) -> bool:
        """Return whether at least one trial of the case finished."""
        return bool(self.analysis.scenes)

    @property
    def label(self) -> str:
        """Return a short name for charts and lists: family and preset, and the run if there are several."""
        return " · ".join(part for part in (self.case.workload, self.case.preset, self.run_tag) if part)

    @property
    def setting(self) -> str:
        """Return the setting of the case in words: ``fp32 · batch 1 · torch-eager``."""
        case = self.case
        parts = [case.precision, message("batch {batch_size}", batch_size=case.batch_size), case.engine]
        parts += [message("{devices} devices", devices=case.devices)] if case.devices > 1 else []
        # What is at its default is left out, so that the line stays short.
        parts += [case.scenario.replace("_", " ")] if case.scenario != "offline" else []
        parts += [message("{threads} threads", threads=case.threads)] if case.threads else []
        parts += [message("gradient checkpointing")] if case.gradient_checkpointing else []
        parts += [case.pipeline.words.replace("+", " ").replace("=", " ")] if case.pipeline else []
        parts += [f"{key.replace('_', ' ')} {value}" for key, value in sorted(case.settings.items())]
        return joined(" · ", parts)

    @property
    def status_words(self) -> str:
        """Return the status in words."""
        return STATUS_WORDS[self.status]

    @property
    def trials(self) -> tuple[TrialResult, ...]:
        """Return the counted attempt of each trial, by number, finished or not."""
        return self.analysis.trials

    @property
    def measured_trials(self) -> tuple[TrialResult, ...]:
        """Return the trials that have a measured window."""
        return tuple(trial for trial in self.trials if trial.status == "ok" and trial.window is not None)

    @property
    def verdict(self) -> Verdict | None:
        """Return the worst verdict among the case's numbers; ``None`` if it has none."""
        given = {row.verdict for row in self.rows.values() if row.value is not None}
        return next((verdict for verdict in VERDICTS if verdict in given), None)

    def reasons(self, *severities: Severity) -> tuple[str, ...]:
        """Return the reason codes of the case's numbers with these severities, each once, the most severe first."""
        # A dictionary instead of a set: the order of appearance stays, and with it the bytes of the page.
        found = dict.fromkeys(reason for row in self.rows.values() for reason in row.reasons)
        return tuple(code for severity in severities for code in found if code in REASONS and REASONS[code].severity == severity)

    def first(self, metrics: Iterable[str]) -> MetricRow | None:
        """Return the row of the first of these metrics with a value; else the first that was computed at all."""
        found = [self.rows[name] for name in metrics if name in self.rows]
        return next((row for row in found if row.value is not None), found[0] if found else None)

    def value(self, metric: str) -> float | None:
        """Return the value of a metric, ``None`` if the case has none."""
        row = self.rows.get(metric)
        return None if row is None else row.value


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run of the report and its cases in the profile's order."""

    run: Run
    tag: str
    cases: tuple[CaseView, ...]


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """The input of every section."""

    runs: tuple[RunView, ...]
    plan: PlanView | None = None
    comparison: Comparison | None = None

    @cached_property
    def cases(self) -> tuple[CaseView, ...]:
        """Return all cases of all runs."""
        return tuple(case for run in self.runs for case in run.cases)

    @cached_property
    def measured(self) -> tuple[CaseView, ...]:
        """Return the cases that have numbers."""
        return tuple(case for case in self.cases if case.has_numbers)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Return the workloads in order of appearance: a family keeps its colour throughout the report."""
        return tuple(dict.fromkeys(case.case.workload for case in self.cases))

    def color(self, case: CaseView) -> str:
        """Return the name of the case's colour in the palette of ``style.css``."""
        # Beyond eight families colours repeat; labels tell them apart.
        return f"c{self.families.index(case.case.workload) % NUM_COLORS + 1}"


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A section as it stands in the page."""

    name: str
    title: str
    html: str = field(repr=False)


class Section(ABC):
    """One section of the report; each file of ``sections/`` offers one as ``section``."""

    title: ClassVar[str]
    order: ClassVar[int]
    """Sections appear by this number; built-in ones leave room between."""

    @abstractmethod
    def render(self, context: ReportContext) -> str | None:
        """Return the section's HTML below its heading, or ``None`` if it has no content."""

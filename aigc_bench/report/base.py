"""What a report section is, and what it is given: the runs, their metric rows case by case, and the plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.records import Case, MetricRow, Status, TrialResult
from aigc_bench.measure.store import Run

if TYPE_CHECKING:
    from aigc_bench.plan.records import Plan

STATUS_WORDS: Mapping[Status, str] = {
    "ok": "finished",
    "oom": "out of memory",
    "unsupported": "unsupported here",
    "timeout": "timed out",
    "error": "error",
    "skipped": "skipped",
}
MODE_WORDS = {"train": "training", "infer": "inference"}


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """One case of one run as the sections see it: its trials and its metric rows by metric id."""

    run: Run
    run_tag: str
    """Prefix that tells runs apart, empty where the report holds one run only."""
    anchor: str
    case: Case
    status: Status | None
    """``None`` where no trial of the case has finished."""
    rows: Mapping[str, MetricRow]

    @property
    def id(self) -> str:
        """The case's id."""
        return self.case.id

    @property
    def is_ok(self) -> bool:
        """Whether the case has numbers."""
        return self.status == "ok"

    @property
    def label(self) -> str:
        """Short name for charts: preset and what differs from the plainest setting."""
        parts = [f"{self.case.workload} · {self.case.preset}"]
        if self.run_tag:
            parts.append(self.run_tag)
        return " · ".join(parts)

    @property
    def setting(self) -> str:
        """How the case was run, in words: ``fp32 · batch 1 · torch-eager``."""
        case = self.case
        parts = [case.precision, f"batch {case.batch_size}", case.engine]
        parts += [f"{case.devices} devices"] if case.devices > 1 else []
        parts += [case.scenario] if case.scenario != "offline" else []
        parts += [f"{case.threads} threads"] if case.threads else []
        parts += ["gradient checkpointing"] if case.gradient_checkpointing else []
        parts += [f"{key} {value}" for key, value in sorted(case.settings.items())]
        return " · ".join(parts)

    @property
    def status_words(self) -> str:
        """The status as a person says it."""
        return "not finished" if self.status is None else STATUS_WORDS[self.status]

    @cached_property
    def trials(self) -> tuple[TrialResult, ...]:
        """The finished trials, by number."""
        return self.run.trials_of(self.id)

    @property
    def ok_trials(self) -> tuple[TrialResult, ...]:
        """The trials with numbers."""
        return tuple(trial for trial in self.trials if trial.status == "ok")

    @property
    def failed_trial(self) -> TrialResult | None:
        """The last trial that has a failure to tell."""
        return next((trial for trial in reversed(self.trials) if trial.status != "ok"), None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reason codes of all of the case's numbers, each once, in order of appearance."""
        return tuple(dict.fromkeys(reason for row in self.rows.values() for reason in row.reasons))

    @property
    def verdict(self) -> str | None:
        """The worst verdict among the case's numbers; ``None`` where it has none."""
        given = {row.verdict for row in self.rows.values() if row.value is not None}
        return next((verdict for verdict in ("invalid", "suspect", "valid") if verdict in given), None)

    def first(self, metrics: Iterable[str]) -> MetricRow | None:
        """The row of the first of these metrics that has a value; else the first that was computed at all."""
        found = [self.rows[name] for name in metrics if name in self.rows]
        return next((row for row in found if row.value is not None), found[0] if found else None)


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run of the report and its cases in the profile's order."""

    run: Run
    tag: str
    cases: tuple[CaseView, ...]


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """Everything a section may look at."""

    runs: tuple[RunView, ...]
    plan: Plan | None = None
    comparison: Any = None

    @cached_property
    def cases(self) -> tuple[CaseView, ...]:
        """All cases of all runs."""
        return tuple(case for run in self.runs for case in run.cases)

    @cached_property
    def ok_cases(self) -> tuple[CaseView, ...]:
        """The cases that have numbers."""
        return tuple(case for case in self.cases if case.is_ok)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Workloads in order of appearance: a family keeps its colour throughout the report."""
        return tuple(dict.fromkeys(case.case.workload for case in self.cases))

    def color(self, case: CaseView) -> str:
        """Name of the case's colour in the palette of ``style.css``."""
        return f"c{self.families.index(case.case.workload) % NUM_COLORS + 1}"


NUM_COLORS = 8


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
    """Sections appear by this number; built-in ones are ten apart."""

    @abstractmethod
    def render(self, context: ReportContext) -> str | None:
        """The section's HTML below its heading, or ``None`` where it has nothing to say."""

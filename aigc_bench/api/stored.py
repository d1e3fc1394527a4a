"""Runs on disk: their numbers, their cases, and how two of them differ."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_bench.api.arguments import checked
from aigc_bench.core.errors import AigcBenchError, FileWarning, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import MetricRow
from aigc_bench.measure.store import RUN_FILE, Run, load_run

if TYPE_CHECKING:
    import pandas as pd

    from aigc_bench.analyze.compare import Comparison
    from aigc_bench.analyze.measured_run import MeasuredRun
    from aigc_bench.analyze.rows import CaseSummary

RUNS_FOLDER = Path("runs")
"""Where runs go by default, below the current directory."""

RunOrPath = Run | Path | str


@checked
def load(path: Path | str) -> MeasuredRun:
    """Read a run directory; raises ``UsageError`` where it is none.

    >>> run = ab.load("reports/sample")
    >>> len(run.cases), len(run.trials)
    (39, 117)
    """
    from aigc_bench.analyze.measured_run import MeasuredRun

    return MeasuredRun.of(load_run(path))


def measured(run: RunOrPath) -> MeasuredRun:
    """Return a run, given as such or by its directory, with its numbers."""
    from aigc_bench.analyze.measured_run import MeasuredRun

    return run if isinstance(run, MeasuredRun) else MeasuredRun.of(loaded(run))


def loaded(run: RunOrPath) -> Run:
    """Return a run that is given as such or by its directory."""
    return run if isinstance(run, Run) else load_run(run)


def all_loaded(runs: RunOrPath | Sequence[RunOrPath]) -> list[Run]:
    """Return runs, or a single one, each given as such or by its directory."""
    return [loaded(run) for run in ([runs] if isinstance(runs, Run | Path | str) else runs)]


@checked
def newest_run(folder: Path | str = RUNS_FOLDER) -> Path:
    """The run directory in ``folder`` that was made last; raises ``UsageError`` where there is none.

    Runs that cannot be read are left out with a ``FileWarning``; where no other is left, the first one's error is raised.
    """
    found = [file.parent for file in Path(folder).glob(f"*/{RUN_FILE}")]
    if not found:
        raise UsageError(
            message("{folder}/: there is no run here.", folder=folder),
            message("Name its directory, or start one with `aigc-bench run`."),
        )
    # By what the run says of itself: names may be chosen freely, and copying changes a folder's times.
    created_s: dict[Path, float] = {}
    damaged: list[AigcBenchError] = []
    for path in sorted(found):
        try:
            created_s[path] = load_run(path).info.created_s
        except AigcBenchError as problem:
            damaged.append(problem)
    if not created_s:
        raise damaged[0]
    for one in damaged:
        warnings.warn(
            message("{problem} This run is left out.", problem=one.message), FileWarning, stacklevel=3
        )  # above ``checked``
    return max(created_s, key=lambda path: created_s[path])


@checked
def rows(run: RunOrPath) -> list[MetricRow]:
    """Return one record per case and metric."""
    return list(measured(run).rows)


@checked
def metrics(run: RunOrPath) -> pd.DataFrame:
    """Return one row per case and metric: ``case, workload, ... metric, value, low, high, unit, n, basis, verdict, reasons``.

    >>> table = ab.metrics("reports/sample")
    >>> table.loc[table.metric == "throughput", ["workload", "mode", "unit", "basis"]].head(2)
          workload   mode      unit     basis
    ...transformer  train  tokens/s  measured
    ...transformer  infer  tokens/s  measured
    """
    return measured(run).to_pandas()


@checked
def cases(run: RunOrPath) -> list[CaseSummary]:
    """One record per case, failed ones too: how it fared, its grade and verdict, and why it has no numbers."""
    return list(measured(run).cases)


@checked
def skipped(run: RunOrPath) -> list[str]:
    """What could not be read of the data of a run with pipelines: a line for each kind of data, samples with their reasons."""
    from aigc_bench.analyze.pipeline_quantities import data_read

    lines = []
    for source in data_read(loaded(run).trials):
        named = ", ".join(f"{one.name} ({one.reason})" for one in source.skipped)
        more = source.num_skipped - len(source.skipped)
        if source.num_skipped:
            rest = message(" and {more} more", more=more) if more else ""
            lines.append(
                message(
                    "skipped {count} of {modality}: {named}{rest}",
                    count=source.num_skipped,
                    modality=source.modality,
                    named=named,
                    rest=rest,
                )
            )
    return lines


@checked
def compare(base: RunOrPath, *others: RunOrPath, fail_above: float | None = None) -> Comparison:
    """Compare runs with a base run; with ``fail_above`` (a fraction), what is worse by more is called a regression.

    >>> same = ab.compare("reports/sample", "reports/sample", fail_above=0.05)
    >>> same.has_regression
    False
    >>> set(same.to_pandas().finding) <= {"same", "undecided"}
    True
    """
    from aigc_bench.analyze import compare as comparing

    if not others:
        raise UsageError(message("compare: no other run was given."))
    return comparing.compare(loaded(base), [loaded(run) for run in others], fail_above=fail_above)


@checked
def published(run: RunOrPath, *, gpu: str | None = None) -> str:
    """A run's numbers as CSV in the schema of published results, which ``validate`` reads; ``gpu`` names the machine.

    Raises ``UsageError`` where the run has no number to publish.
    """
    from aigc_bench.catalog.loader import usable_catalogue
    from aigc_bench.predict.validation.own_results import published_table

    return published_table(loaded(run), catalogue=usable_catalogue(), gpu=gpu)

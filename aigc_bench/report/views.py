"""Prepare runs for the sections: every case with its metric rows, and the metrics of each column."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.analyze.rows import CaseAnalysis, CaseSummary, HasAccelerators, analyses, rows_of, summaries_of
from aigc_bench.analyze.waste_ledger import ledger_of
from aigc_bench.measure.store import Run
from aigc_bench.report.base import CaseView, RunView

# First found first: a device's own peak before the allocator's, a request's latency before a step's.
THROUGHPUT = ("throughput",)
LATENCY = ("latency_p50", "step_time")
LATENCY_TAIL = ("latency_p99", "step_time_p99")
MEMORY = ("memory_device_peak", "memory_reserved_peak", "memory_allocated_peak", "memory_host_peak")
CPU = ("cpu_utilization",)
POWER = ("power_mean",)
ENERGY = ("energy_per_item",)


def run_views(runs: Sequence[Run], *, catalogue: HasAccelerators | None = None) -> tuple[RunView, ...]:
    """Return the runs with their cases in the profile's order, each analysed once; ``catalogue`` has the peaks for MFU."""
    tags = [run.info.id if len(runs) > 1 else "" for run in runs]
    return tuple(
        _run_view(run, number=number, tag=tag, catalogue=catalogue)
        for number, (run, tag) in enumerate(zip(runs, tags, strict=True))
    )


def _run_view(run: Run, *, number: int, tag: str, catalogue: HasAccelerators | None) -> RunView:
    found = analyses(run, catalogue=catalogue)
    pairs = zip(found, summaries_of(run, found), strict=True)
    cases = tuple(
        _case_view(run, analysis, summary, tag=tag, anchor=f"case-{number}-{at}") for at, (analysis, summary) in enumerate(pairs)
    )
    return RunView(run=run, tag=tag, cases=cases)


def _case_view(run: Run, analysis: CaseAnalysis, summary: CaseSummary, *, tag: str, anchor: str) -> CaseView:
    rows = {row.metric: row for row in rows_of([analysis])}
    return CaseView(run=run, run_tag=tag, anchor=anchor, analysis=analysis, summary=summary, rows=rows, ledger=ledger_of(analysis))

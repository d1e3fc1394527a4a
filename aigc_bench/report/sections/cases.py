"""Render the table of cases: outcome, numbers, and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import MetricRow
from aigc_bench.report.base import MODE_WORDS, CaseView, ReportContext, Section
from aigc_bench.report.markup import template
from aigc_bench.report.views import CPU, ENERGY, LATENCY, LATENCY_TAIL, MEMORY, POWER, THROUGHPUT


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of numbers: its title, and the metrics it shows, first found first."""

    title: str
    metrics: Sequence[str]
    also: Sequence[str] = ()
    """Metrics of which the first found is shown below the number, and their name there."""
    also_name: str = ""


COLUMNS = (
    Column(title=message("Throughput"), metrics=THROUGHPUT),
    Column(title=message("Latency"), metrics=LATENCY, also=LATENCY_TAIL, also_name="p99"),
    Column(title=message("Peak memory"), metrics=MEMORY),
    Column(title="CPU", metrics=CPU),
    Column(title=message("Power"), metrics=POWER),
    Column(title=message("Energy"), metrics=ENERGY),
)


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One case in the table."""

    view: CaseView
    mode: str
    reasons: tuple[str, ...]
    cells: Sequence[tuple[Column, MetricRow | None, MetricRow | None]]
    why: str
    """Reason of a missing number of this case."""


class Cases(Section):
    """Show one row for every case, including those that failed."""

    title: ClassVar[str] = message("Cases")
    order: ClassVar[int] = 20

    def render(self, context: ReportContext) -> str:
        """Return a table that can be sorted and filtered; the first column links to the details of the case."""
        rows = [table_row(view) for view in context.cases]
        return template("cases.html.j2", {"rows": rows, "columns": COLUMNS, "many_runs": len(context.runs) > 1})


def table_row(view: CaseView) -> TableRow:
    """Return the row of one case."""
    why = (
        message("not measured in this run")
        if view.has_numbers
        else message("the case has no numbers: {status_words}", status_words=view.status_words)
    )
    # first() prefers a metric with a value, else a row that at least says why it has none.
    cells = [(column, view.first(column.metrics), view.first(column.also)) for column in COLUMNS]
    return TableRow(view=view, mode=MODE_WORDS[view.case.mode], reasons=view.reasons("invalid", "suspect"), cells=cells, why=why)


section = Cases()

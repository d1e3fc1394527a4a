"""Render runs against a base: what changed, with which significance, and which keys of the environment differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.analyze.compare import Change, RunComparison
from aigc_bench.analyze.metrics import metric_of
from aigc_bench.core.messages import message
from aigc_bench.core.units import quantity
from aigc_bench.report.base import ReportContext, Section
from aigc_bench.report.markup import template

FINDING_TONE = {"better": "ok", "worse": "bad", "same": "", "undecided": "warn"}


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One change in the table."""

    change: Change
    metric: str
    base: str
    other: str


class ComparisonSection(Section):
    """Show one table per compared run, changes first."""

    title: ClassVar[str] = message("Comparison")
    order: ClassVar[int] = 15

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if nothing was compared."""
        found = context.comparison
        if found is None:
            return None
        values = {"comparison": found, "rows_of": rows_of, "tone": FINDING_TONE, "heading": heading}
        return template("comparison.html.j2", values)


def heading(other: RunComparison) -> str:
    """Return the kind of comparison: a test of the same machine, or a ranking of different ones."""
    return (
        message("regression test: the hardware is the same")
        if other.kind == "regression_test"
        else message("ranking: the hardware differs, so nothing is called a regression")
    )


def rows_of(changes: Sequence[Change]) -> list[ChangeRow]:
    """Return the changes, significant ones first, by falling loss."""
    # False sorts before True: better and worse come first.
    ranked = sorted(changes, key=lambda change: (change.finding in ("same", "undecided"), -abs(change.loss)))
    return [_row(change) for change in ranked]


def _row(change: Change) -> ChangeRow:
    name = metric_of(change.metric).name
    return ChangeRow(change=change, metric=name, base=quantity(change.base, change.unit), other=quantity(change.other, change.unit))


section = ComparisonSection()

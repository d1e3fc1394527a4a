"""``show RUN --explain CASE METRIC``: print how a measured metric is derived: its trials, their formula and what they recorded."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.core.derivation import number_of
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import MetricRow
from aigc_bench.core.trail import Trail
from aigc_bench.core.trail_text import WIDTH, derivation, nearest


def trail_of(row: MetricRow) -> Trail:
    """Return the derivation of a row's number; the key of the number is the metric's id."""
    number, trail = number_of(row), Trail()
    if number is not None:
        trail.add(row.metric, metric_of(row.metric).name, number)
    trail.link()
    return trail


def explain(rows: Sequence[MetricRow], case: str, metric: str, *, width: int = WIDTH) -> str:
    """Return the derivation of one metric of one case; raises ``UsageError`` with the nearest names where there is none."""
    cases = list(dict.fromkeys(row.case for row in rows))
    own = {row.metric: row for row in rows if row.case == case}
    if not own:
        raise _unknown(message("the run has no case {name!r}.", name=case), case, cases)
    if metric not in own:
        raise _unknown(message("{case} has no metric {name!r}.", case=case, name=metric), metric, list(own))
    row = own[metric]
    if row.value is None:
        raise UsageError(message("{metric} of {case} is unknown: {why}.", metric=metric, case=case, why=", ".join(row.reasons)))
    trail = trail_of(row)
    if metric not in trail:
        raise UsageError(message("{metric} of {case} has no derivation.", metric=metric, case=case))
    return "\n".join(derivation(trail, metric, short=str, width=width))


def _unknown(problem: str, name: str, known: Sequence[str]) -> UsageError:
    near = " or ".join(nearest(name, known))
    return UsageError(problem, message("Did you mean {near}?", near=near) if near else None)

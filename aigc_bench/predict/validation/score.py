"""Scores the model against any table of published results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.messages import message, plural
from aigc_bench.core.overview import Overview, Shown
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.predict.fitting.predictions import RowPrediction
from aigc_bench.predict.published.name_resolution import resolve_engine
from aigc_bench.predict.published.row import RefusedRow

if TYPE_CHECKING:
    import pandas as pd

GROUP_COLUMNS = (
    "family",
    "task",
    "model",
    "gpu",
    "gpu_count",
    "precision",
    "software",
    "engine",
    "metric",
    "unit",
    "track",
    "accelerator",
)
"""What ``--by`` can name."""


class Score(Record):
    """How well a group of rows was answered; errors are fractions of the measured value, ``None`` where nothing was answered.

    ``asked`` is the number of questions: every row of the group, refused rows included.
    """

    by: Mapping[str, str]
    asked: int
    answered: int
    median_ape: float | None = None
    mean_ape: float | None = None
    p90_ape: float | None = None
    bias: float | None = None
    within_10: float | None = None
    within_20: float | None = None
    within_30: float | None = None
    coverage_80: float | None = None


class Refused(Record):
    """One row that cannot be taken as it is written, and why."""

    line: int
    reason: Sentence


class Validation(Shown, Record):
    """All groups, why rows were not answered, and the rows that were not understood."""

    groups: tuple[Score, ...]
    unanswered: Mapping[str, int]
    refused: tuple[Refused, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per group: the columns it is grouped by, its counts and its errors as fractions."""
        import pandas as pd

        return pd.DataFrame([{**group.by, **group.model_dump(exclude={"by"})} for group in self.groups])

    @property
    def overview(self) -> Overview:
        """Return the errors of each group, and why rows have none."""
        # Groups share no row, so their sums are those of the table.
        asked, answered = (sum(getattr(group, name) for group in self.groups) for name in ("asked", "answered"))
        reasons = tuple(
            plural("{count} row not answered: {reason}", "{count} rows not answered: {reason}", count=count, reason=reason)
            for reason, count in self.unanswered.items()
        )
        refused = (message("refused: {num_refused} rows", num_refused=len(self.refused)),) if self.refused else ()
        return Overview(
            title=message("Validation: {answered} of {asked} rows answered", answered=answered, asked=asked),
            notes=(*reasons[:MOST_REASONS], *refused),
            rows=tuple(_cells(group) for group in self.groups),
            right=("asked", "answered", *_SHOWN),
        )


# An overview has room for the commonest; ``unanswered`` holds all.
MOST_REASONS = 3
_SHOWN = ("median_ape", "p90_ape", "bias", "coverage_80")


def _cells(group: Score) -> dict[str, str]:
    figures = {name: getattr(group, name) for name in _SHOWN}
    shares = {name: "–" if figure is None else f"{100 * figure:.1f} %" for name, figure in figures.items()}
    return {**(group.by or {"rows": "all"}), "asked": str(group.asked), "answered": str(group.answered), **shares}


def validation(answers: Sequence[RowPrediction], *, refused: Sequence[RefusedRow] = (), by: Sequence[str] = ()) -> Validation:
    """Return scores by the named columns (one group of all rows without).

    A refused row counts in the group that its readable columns name; a cell that cannot be read names a group as it stands.
    Raises ``UnknownNameError`` for a column that does not exist.
    """
    for name in by:
        if name not in GROUP_COLUMNS:
            raise UnknownNameError("column", name, known=GROUP_COLUMNS, where="--by")
    grouped: dict[tuple[str, ...], list[RowPrediction]] = {}
    for answer in answers:
        grouped.setdefault(tuple(group_value(answer, name) for name in by), []).append(answer)
    others = Counter(tuple(_refused_value(row, name) for name in by) for row in refused)
    scores = [
        score(grouped.get(key, []), by=dict(zip(by, key, strict=True)), num_refused=others[key])
        for key in sorted({*grouped, *others})
    ]
    reasons = Counter(answer.reason for answer in answers if answer.reason is not None)
    return Validation(
        groups=tuple(scores),
        unanswered=dict(reasons.most_common()),
        refused=tuple(Refused(line=row.line, reason=row.reason) for row in refused),
    )


def group_value(answer: RowPrediction, name: str) -> str:
    """Return the value of a column for one answer, as text; empty where it is missing."""
    if name == "engine":
        return resolve_engine(answer.row.query.software).name
    if name in ("track", "accelerator"):
        return getattr(answer, name) or ""
    value = getattr(answer.row.query, name)
    return "" if value is None else str(value)


def _refused_value(row: RefusedRow, name: str) -> str:
    return resolve_engine(row.columns.get("software")).name if name == "engine" else row.columns.get(name, "")


def score(answers: Sequence[RowPrediction], *, by: Mapping[str, str], num_refused: int = 0) -> Score:
    """Return the errors of one group of rows.

    An error is ``predicted / measured - 1``; ``*_ape`` are of its absolute value, ``bias`` is its median, ``coverage_80`` the share
    of measured values inside the predicted interval.
    """
    known = [(answer.row.value, answer.estimate) for answer in answers if answer.estimate is not None]
    if not known:
        return Score(by=by, asked=len(answers) + num_refused, answered=0)
    errors = np.array([estimate.value / truth - 1 for truth, estimate in known])
    absolute = np.abs(errors)
    held = [estimate.low <= truth <= estimate.high for truth, estimate in known]
    return Score(
        by=by,
        asked=len(answers) + num_refused,
        answered=len(known),
        median_ape=float(np.median(absolute)),
        mean_ape=float(np.mean(absolute)),
        p90_ape=float(np.quantile(absolute, 0.9)),
        # The signed median: above 0 the model predicts too much.
        bias=float(np.median(errors)),
        within_10=float(np.mean(absolute <= 0.10)),
        within_20=float(np.mean(absolute <= 0.20)),
        within_30=float(np.mean(absolute <= 0.30)),
        coverage_80=float(np.mean(held)),
    )

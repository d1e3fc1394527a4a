"""Scores the model against any table of published results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Record
from aigc_bench.predict.answers import Answer
from aigc_bench.predict.names import resolve_engine

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
    """How well a group of rows was answered; errors are fractions of the measured value, ``None`` where nothing was answered."""

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


class Validation(Record):
    """All groups, and why rows were not answered."""

    groups: tuple[Score, ...]
    unanswered: Mapping[str, int]


def validation(answers: Sequence[Answer], *, by: Sequence[str] = ()) -> Validation:
    """Scores by the named columns (one group of all rows without); raises ``UnknownNameError`` for a column there is not."""
    for name in by:
        if name not in GROUP_COLUMNS:
            raise UnknownNameError("column", name, known=GROUP_COLUMNS, where="--by")
    grouped: dict[tuple[str, ...], list[Answer]] = {}
    for answer in answers:
        grouped.setdefault(tuple(group_value(answer, name) for name in by), []).append(answer)
    scores = [score(own, by=dict(zip(by, key, strict=True))) for key, own in sorted(grouped.items())]
    reasons = Counter(answer.reason for answer in answers if answer.reason is not None)
    return Validation(groups=tuple(scores), unanswered=dict(reasons.most_common()))


def group_value(answer: Answer, name: str) -> str:
    """The value of a column for one answer, as text; empty where it is missing."""
    if name == "engine":
        return resolve_engine(answer.row.query.software).name
    if name in ("track", "accelerator"):
        return getattr(answer, name) or ""
    value = getattr(answer.row.query, name)
    return "" if value is None else str(value)


def score(answers: Sequence[Answer], *, by: Mapping[str, str]) -> Score:
    """Errors of one group of rows."""
    known = [(answer.row.value, answer.estimate) for answer in answers if answer.estimate is not None]
    if not known:
        return Score(by=by, asked=len(answers), answered=0)
    errors = np.array([estimate.value / truth - 1 for truth, estimate in known])
    absolute = np.abs(errors)
    held = [estimate.low <= truth <= estimate.high for truth, estimate in known]
    return Score(
        by=by,
        asked=len(answers),
        answered=len(known),
        median_ape=float(np.median(absolute)),
        mean_ape=float(np.mean(absolute)),
        p90_ape=float(np.quantile(absolute, 0.9)),
        bias=float(np.median(errors)),
        within_10=float(np.mean(absolute <= 0.10)),
        within_20=float(np.mean(absolute <= 0.20)),
        within_30=float(np.mean(absolute <= 0.30)),
        coverage_80=float(np.mean(held)),
    )

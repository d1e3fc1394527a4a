"""The statistics behind a headline number: medians of trial medians, Student-t over trials, percentiles gated by n.

Trials are fresh processes and therefore the independent unit; steps inside a trial are not, and are never pooled to make an
interval or a test (pooled iterations give 35-66 % false alarms on identical code).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Grade = Literal["A", "B", "C", "unstable"]

GRADES: tuple[tuple[float, Grade], ...] = ((0.01, "A"), (0.03, "B"), (0.05, "C"))
"""Trial CV up to which each grade is given; above the last a case is ``unstable``."""


class Interval(NamedTuple):
    """Bounds of a 95 % interval, ``None`` for a single trial, which has no spread."""

    low: float | None
    high: float | None


def percentile(values: ArrayLike, q: float) -> float | None:
    """The q-quantile (0 < q < 1) by linear interpolation, or ``None`` where fewer than 1 / (1 - q) values carry it.

    A p99 needs 100 values, a p99.9 needs 1000; the median needs one.
    """
    array = np.asarray(values, dtype=float)
    if array.size < values_needed(q):
        return None
    return float(np.quantile(array, q))


def values_needed(q: float) -> int:
    """How many values a quantile needs before it is more than the largest one: 10 for p90, 100 for p99."""
    # 1 / (1 - 0.9) is a little above 10 in binary.
    return 1 if q <= 0.5 else math.ceil(1 / (1 - q) - 1e-9)


def student_interval(values: Sequence[float], *, confidence: float = 0.95, ceiling: float = math.inf) -> Interval:
    """Student-t interval of the mean of independent trial values; stretched to hold their median, which is the headline.

    It is cut at 0 where no value is negative, and at ``ceiling``, the largest value there can be (1 for a share).
    """
    if len(values) < 2:
        return Interval(None, None)
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    half = t_quantile(0.5 + confidence / 2, degrees=len(values) - 1) * spread / math.sqrt(len(values))
    median = float(np.median(values))
    low = mean - half if min(values) < 0 else max(0.0, mean - half)
    return Interval(min(low, median), max(min(mean + half, ceiling), median))


def coefficient_of_variation(values: Sequence[float]) -> float | None:
    """Sample standard deviation over the mean; ``None`` for fewer than two values or a mean of zero."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    return float(np.std(values, ddof=1)) / abs(mean) if mean else None


def grade(cv: float | None) -> Grade | None:
    """A (<= 1 %), B (<= 3 %), C (<= 5 %) or ``unstable``; ``None`` where there is no CV."""
    if cv is None:
        return None
    return next((name for limit, name in GRADES if cv <= limit), "unstable")


def welch_p(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Two-sided p of Welch's t test (Welch 1947) on two sets of independent values; ``None`` with fewer than two in either."""
    if len(a) < 2 or len(b) < 2:
        return None
    error, degrees = welch_error(a, b)
    difference = float(np.mean(a) - np.mean(b))
    # Both sets are constant: t would be 0 / 0.
    if error == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return float(2 * special.stdtr(degrees, -abs(difference / error)))


def welch_error(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Standard error of the difference of two means, and its degrees of freedom (Welch 1947, Satterthwaite 1946)."""
    part_a, part_b = float(np.var(a, ddof=1)) / len(a), float(np.var(b, ddof=1)) / len(b)
    total = part_a + part_b
    if total == 0.0:
        return 0.0, float(len(a) + len(b) - 2)
    return math.sqrt(total), total**2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))


def t_quantile(p: float, *, degrees: float) -> float:
    """The p-quantile (0 < p < 1) of Student's t; ``degrees`` need not be whole (Welch-Satterthwaite)."""
    return float(special.stdtrit(degrees, p))


def benjamini_hochberg(p_values: Sequence[float], *, rate: float = 0.05) -> list[bool]:
    """Which hypotheses are rejected at this false-discovery rate (Benjamini and Hochberg 1995), in the order given."""
    p = np.asarray(p_values, dtype=float)
    if p.size == 0:
        return []
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= rate * np.arange(1, p.size + 1) / p.size)
    rejected: NDArray[np.bool_] = np.zeros(p.size, dtype=bool)
    if passed.size:
        # Up to the largest p that passes, with all smaller ones, even those above their own bound.
        rejected[order[: passed[-1] + 1]] = True
    return [bool(flag) for flag in rejected]


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """Geometric mean of positive ratios; ``None`` where there are none."""
    if not ratios:
        return None
    return math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))

"""Intervals, percentiles, tests: against scipy and against arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aigc_bench.analyze.statistics import (
    benjamini_hochberg,
    coefficient_of_variation,
    geometric_mean,
    grade,
    percentile,
    student_interval,
    values_needed,
    welch_p,
)
from aigc_bench.measure.stopping import effective_samples

positive = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=30)


def test_the_student_interval_is_scipys() -> None:
    values = [10.0, 10.4, 9.9, 10.1, 10.2]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert student_interval(values) == pytest.approx((low, high))


def test_one_trial_has_no_interval() -> None:
    assert student_interval([1.0]) == (None, None)


@settings(deadline=None)
@given(positive)
def test_the_headline_lies_in_its_interval(values: list[float]) -> None:
    low, high = student_interval(values)
    assert low is not None and high is not None
    assert 0 <= low <= np.median(values) <= high


def test_the_interval_covers_the_truth_in_95_percent_of_samples() -> None:
    generator = np.random.default_rng(0)
    samples = generator.normal(100, 2, size=(2000, 5))
    covered = [low <= 100 <= high for low, high in (student_interval(list(sample)) for sample in samples)]
    assert 0.935 <= np.mean(covered) <= 0.975


@pytest.mark.parametrize(("q", "needed"), [(0.5, 1), (0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)])
def test_a_percentile_needs_enough_values_to_carry_it(q: float, needed: int) -> None:
    assert values_needed(q) == needed
    assert percentile(np.ones(needed), q) == 1.0
    assert percentile(np.ones(needed - 1), q) is None


@pytest.mark.parametrize(
    ("cv", "expected"), [(0.0, "A"), (0.01, "A"), (0.02, "B"), (0.05, "C"), (0.0501, "unstable"), (None, None)]
)
def test_grades_follow_the_trial_cv(cv: float | None, expected: str | None) -> None:
    assert grade(cv) == expected


def test_the_cv_of_one_trial_is_unknown() -> None:
    assert coefficient_of_variation([3.0]) is None
    assert coefficient_of_variation([9.0, 11.0]) == pytest.approx(math.sqrt(2) / 10)


def test_independent_values_count_fully_and_correlated_ones_less() -> None:
    def worth(values: np.ndarray) -> float:
        return effective_samples(values.size, r1=float(np.corrcoef(values[:-1], values[1:])[0, 1]))

    noise = np.random.default_rng(0).normal(size=4000)
    assert worth(noise) > 3700
    assert worth(np.convolve(noise, np.ones(20), "valid")) < 300
    assert effective_samples(10, r1=-0.5) == 10


@settings(deadline=None)
@given(positive, positive)
def test_welchs_p_is_scipys(a: list[float], b: list[float]) -> None:
    if np.std(a) > 1e-3 * np.mean(a) and np.std(b) > 1e-3 * np.mean(b):
        expected = stats.ttest_ind(a, b, equal_var=False).pvalue
        assert welch_p(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_identical_trials_do_not_differ_and_constant_unlike_ones_do() -> None:
    assert welch_p([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert welch_p([1.0, 1.0], [2.0, 2.0]) == 0.0
    assert welch_p([1.0], [2.0, 2.0]) is None


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=40))
def test_benjamini_hochberg_is_scipys(p_values: list[float]) -> None:
    if p_values:
        adjusted = stats.false_discovery_control(p_values)
        clear = [abs(value - 0.05) > 1e-9 for value in adjusted]
        flags = benjamini_hochberg(p_values)
        assert [f for f, c in zip(flags, clear, strict=True) if c] == [a <= 0.05 for a, c in zip(adjusted, clear, strict=True) if c]
    else:
        assert benjamini_hochberg(p_values) == []


def test_the_geometric_mean_of_a_ratio_and_its_inverse_is_one() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([]) is None


def test_an_interval_of_a_share_stays_between_nothing_and_all() -> None:
    low, high = student_interval([0.6, 0.99, 0.98], ceiling=1.0)
    assert low is not None and high == 1.0
    assert student_interval([0.6, 0.99, 0.98])[1] > 1.0  # type: ignore[operator]
    assert student_interval([0.1, 0.5, 0.2])[0] == 0.0

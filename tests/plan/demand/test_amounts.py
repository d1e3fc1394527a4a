"""What a key of a demand file may hold, and what it is told to hold instead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from aigc_bench.plan.demand.amounts import (
    Amount,
    Day,
    Duration,
    LatencyBound,
    LongDuration,
    Names,
    Range,
    TokenBound,
    WrittenAmount,
    between,
    lasting,
    zero_or,
)

HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 365.25 * 86_400


def read(kind: Any, given: object) -> Any:
    return TypeAdapter(kind).validate_python(given)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("20m", 1_200),
        ("20 min", 1_200),
        ("1.5h", 1.5 * HOUR_S),
        ("8H", 8 * HOUR_S),
        ("7d", 7 * DAY_S),
        ("2 weeks", 14 * DAY_S),
        ("6 months", YEAR_S / 2),
        ("3y", 3 * YEAR_S),
        ("200ms", 0.2),
        ("1.5 ms", 0.0015),
        ("250us", 250e-6),
        ("250 µs", 250e-6),
        (45, 45),
        (0.05, 0.05),
    ],
)
def test_durations_are_seconds_or_a_number_with_a_unit(written: object, seconds: float) -> None:
    assert read(Duration, written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("3 parsecs", "write 200ms, 90s, 20m"),
        ("-2h", "is not a duration"),
        (True, "is not a duration"),
        ([1], "is not a duration"),
        (float("nan"), "is not a duration"),
    ],
)
def test_what_is_no_duration_is_told_with_an_example(written: object, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        read(Duration, written)


@given(st.lists(st.floats(0, 1e12), min_size=3, max_size=3).map(sorted))
def test_three_rising_numbers_are_an_interval(numbers: list[float]) -> None:
    found = read(WrittenAmount, numbers)
    assert [found.low, found.value, found.high] == numbers
    assert read(WrittenAmount, found) is found


def test_a_number_alone_is_exact() -> None:
    assert read(WrittenAmount, 7) == Amount(value=7.0, low=7.0, high=7.0)


@pytest.mark.parametrize(
    ("kind", "written", "told"),
    [
        (WrittenAmount, [3, 2, 1], "rising"),
        (WrittenAmount, [1, 2], r"\[low, value, high\]"),
        (WrittenAmount, "12", r"a number or \[low, value, high\]"),
        (WrittenAmount, True, r"a number or \[low, value, high\]"),
        (WrittenAmount, float("inf"), r"a number or \[low, value, high\]"),
    ],
)
def test_what_is_no_amount_is_told_with_what_is_allowed(kind: Any, written: object, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        read(kind, written)


@pytest.mark.parametrize(
    ("limits", "given", "told"),
    [
        (zero_or(1, 1e10), Amount(value=1, low=0.5, high=2), "must be 0 or between 1 and 10,000,000,000"),
        (zero_or(1e-6, 1), 1.1, r"must be 0 or between 0.000001 and 1 \(5 % is 0.05\)"),
        (between(1, 1000), Amount(value=1, low=0.9, high=2), "must be between 1 and 1,000"),
        (between(0.5, 0.9999999), 1e-9, "must be between 0.5 and 0.9999999"),
        (between(0, 1e6), -1, "must be between 0 and 1,000,000"),
        (lasting(1e-6, 10 * YEAR_S), 0, "must be between 1 µs and 10 years"),
        (lasting(30 * DAY_S, YEAR_S), 2 * YEAR_S, "must be between 30 days and 1 year"),
        (zero_or(1, 10), (1, 11), "must be 0 or between 1 and 10"),
    ],
)
def test_what_lies_outside_a_range_is_told_with_the_range(limits: Range, given: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        limits.check(given)


@pytest.mark.parametrize("limits", [zero_or(1, 10), between(0, 10), lasting(1e-3, 1e6)])
def test_the_ends_of_a_range_lie_within_it(limits: Range) -> None:
    for end in (limits.low, limits.high, *((0.0,) if limits.or_zero else ())):
        limits.check(end)
        limits.check(Amount(value=end, low=end, high=end))
    limits.check(None)


def test_an_amount_becomes_an_assumption_in_si_units() -> None:
    found = Amount(value=20, low=15, high=30).estimate("W", source="stated", factor=1000.0)
    assert (found.value, found.low, found.high, found.unit) == (20_000, 15_000, 30_000, "W")
    assert (found.basis, found.source) == ("assumed", "stated")


def test_a_single_name_is_a_list_of_one() -> None:
    assert read(Names, "vllm") == ("vllm",)
    assert read(Names, ["vllm", "sglang"]) == ("vllm", "sglang")


@pytest.mark.parametrize(
    ("kind", "number", "told"),
    [
        (TokenBound, 2000, "write 2000ms or 2000s"),
        (TokenBound, 50, "write 50ms or 50s"),
        (LatencyBound, 500, "write 500ms or 500s"),
        (LongDuration, 8, "write 8s, 8h or 8d"),
        (LongDuration, 3, "write 3s, 3h or 3d"),
    ],
)
def test_a_bare_number_that_may_be_another_unit_is_refused_with_both(kind: Any, number: float, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        read(kind, number)


@pytest.mark.parametrize(("kind", "number"), [(TokenBound, 2), (TokenBound, 0.05), (LatencyBound, 90), (LongDuration, 28_800)])
def test_a_bare_number_that_can_only_be_seconds_is_taken(kind: Any, number: float) -> None:
    assert read(kind, number) == number


def test_a_day_is_a_date_of_the_file_or_a_text_like_one() -> None:
    assert read(Day, "2026-11-30") == read(Day, date(2026, 11, 30)) == read(Day, datetime(2026, 11, 30, 12)) == date(2026, 11, 30)
    for wrong in ("30.11.2026", "soon", 20261130):
        with pytest.raises(ValidationError, match="write 2026-11-30"):
            read(Day, wrong)

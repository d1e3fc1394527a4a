"""Numbers of files: limits, and texts of people."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.numbers import LARGEST, MAX_DIGITS, SMALLEST, has_decimal_comma, parse_number, problem_of


@pytest.mark.parametrize("value", [0, 1, -1, 0.0, 1e-30, 1e30, -2.5, 10**30, True])
def test_sound_numbers_have_no_problem(value: float) -> None:
    assert problem_of(value) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "finite"),
        (math.inf, "finite"),
        (-math.inf, "finite"),
        (-0.0, "must be 0, not -0"),
        (1e-308, "between 1e-30 and 1e+30"),
        (5e-324, "between 1e-30 and 1e+30"),
        (1e308, "between 1e-30 and 1e+30"),
        (-1e31, "between 1e-30 and 1e+30"),
        (10**31, "between 1e-30 and 1e+30"),
        (10**400, "at most 400 digits"),
    ],
)
def test_numbers_outside_the_limits_are_refused_with_words(value: float, words: str) -> None:
    assert words in (problem_of(value) or "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2500", 2500), ("2,500", 2500), ("2 500", 2500), ("2\u202f500", 2500), ("2\u00a0500", 2500), ("2'500", 2500),
        ("2\u2019500", 2500), ("1,234,567.5", 1234567.5), ("2.5k", 2500), ("2.5 K", 2500), ("3M", 3e6), ("2.5万", 25000),
        ("1.2e3", 1200), ("1.2E+03", 1200), ("２５００", 2500), ("２，５００", 2500), ("-5", -5), ("\u22125", -5), ("+5", 5),
        (".5", 0.5),         ("5.", 5), ("0.500", 0.5), (" 7 ", 7), ("0", 0), ("1e-30", 1e-30),
    ],
)  # fmt: skip
def test_numbers_are_read_as_a_person_writes_them(text: str, value: float) -> None:
    assert parse_number(text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"), ("~3", "bound"), ("<3", "bound"), ("> 3", "bound"), ("±3", "bound"), ("3±1", "bound"), ("≈3", "bound"),
        ("1_000", "write 1000"), ("nan", "finite"), ("-inf", "finite"), ("Infinity", "finite"), ("-0", "not -0"),
        ("-0.0", "not -0"),         ("1e31", "between"), ("1e400", "between"), ("1e-31", "between"), ("1e-400", "between"),
        ("9" * 401, "at most 400 digits"),
        ("5ms", "unit"), ("45%", "unit"), ("1/2", "not a number"), ("0x10", "not a number"), ("٣", "not a number"), ("2²", "unit"),
        ("1.2.3", "usual way"), ("1,2,3", "usual way"), ("12 34", "usual way"), ("1,00,000", "usual way"), ("2,5", "no thousands"),
        ("=2.5", "not a number"), ("1e5.5", "not a number"), ("--5", "not a number"), ("012,345", "zero"), ("1e3k", "not a number"),
        ("-", "not a number"), ("N/A", "not a number"), ("1e999999999999", "not a number"),
    ],
)  # fmt: skip
def test_other_texts_are_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_number(text)


def test_an_integer_that_python_would_not_print_is_refused() -> None:
    assert "at most 400 digits" in (problem_of(-(10**5000)) or "")


def test_a_k_in_a_count_of_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="1,024"):
        parse_number("4k", suffix=False)


@pytest.mark.parametrize(
    ("text", "value"), [("2,5", 2.5), ("1.234,5", 1234.5), ("0,500", 0.5), ("1,2E+03", 1200), ("1 234,5", 1234.5)]
)
def test_a_decimal_comma_is_read_where_the_file_has_them(text: str, value: float) -> None:
    assert parse_number(text, commas="decimal") == pytest.approx(value)
    assert parse_number(text, commas="unclear") == pytest.approx(value)


@pytest.mark.parametrize(("text", "commas"), [("2,500", "decimal"), ("2,500", "unclear"), ("2.500", "decimal")])
def test_marks_that_can_be_read_in_two_ways_are_refused(text: str, commas: str) -> None:
    with pytest.raises(ValueError, match="is unclear"):
        parse_number(text, commas=commas)  # type: ignore[arg-type]


def test_a_decimal_comma_is_distinguished_from_one_that_parts_thousands() -> None:
    assert all(has_decimal_comma(text) for text in ("2,5", "0,500", "1.234,5", "12345,678", "2，5", "1,2e3"))
    assert not any(has_decimal_comma(text) for text in ("2,500", "2.5", "1,234,567", "1,234.5", "a,b", "", ","))


@given(st.floats(min_value=SMALLEST, max_value=LARGEST))
def test_what_python_prints_is_read_unchanged(value: float) -> None:
    assert parse_number(repr(value)) == value
    assert parse_number(f"{-value!r}") == -value


@given(st.integers(min_value=0, max_value=10**29))
def test_grouped_integers_are_read_unchanged(value: int) -> None:
    assert parse_number(f"{value:,}") == float(value)


@given(st.text(alphabet="0123456789.,' -+eEk~_%\u202f２", max_size=12))
def test_any_text_is_a_number_within_the_limits_or_refused(text: str) -> None:
    try:
        value = parse_number(text, commas="unclear")
    except ValueError as refused:
        assert str(refused)
    else:
        assert problem_of(value) is None


def test_thousands_of_digits_are_refused_before_they_cost_time() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_DIGITS} digits"):
        parse_number("9" * 10_000_000)

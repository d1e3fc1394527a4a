"""Expressions over numbered inputs are evaluated, told in words, and nothing else runs in them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.arithmetic import evaluate, in_words, substituted

POSITIVE = st.floats(min_value=1e-6, max_value=1e9)


@given(POSITIVE, POSITIVE, POSITIVE)
def test_an_expression_is_what_python_makes_of_it(a: float, b: float, c: float) -> None:
    assert evaluate("{0} * ({1} + {2}) / 3600 - {1}", [a, b, c]) == a * (b + c) / 3600 - b
    assert evaluate("max({0}, min({1}, {2}))", [a, b, c]) == max(a, min(b, c))
    assert evaluate("ln({0}) ** 2", [a]) == math.log(a) ** 2


def test_rounding_up_forgives_the_last_digits() -> None:
    assert evaluate("ceil({0})", [3.0000000000000004]) == 3
    assert evaluate("ceil({0})", [3.1]) == 4
    assert evaluate("floor({0})", [2.9999999999]) == 3
    assert evaluate("-{0}", [2.0]) == -2


@pytest.mark.parametrize("words", ["__import__('os')", "{0}.real", "open('x')", "'a'", "[1]"])
def test_nothing_but_arithmetic_is_understood(words: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        evaluate(words, [1.0])


def test_an_expression_takes_others_in_its_places_with_brackets_where_they_are_needed() -> None:
    assert substituted("{0} * {1}", ("{0} + {1}", "{2}")) == "({0} + {1}) * {2}"
    assert substituted("{0} + {1}", ("{0} * {1}", "max({0}, 1 / 60)")) == "{0} * {1} + max({0}, 1 / 60)"


def test_words_take_the_places_of_inputs() -> None:
    assert in_words("{0} * {1} ** 2", ["3 W", "5 h"]) == "3 W × 5 h ^ 2"

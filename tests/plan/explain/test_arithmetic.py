"""Expressions over numbered inputs are evaluated, told in words, and nothing else runs in them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.explain.arithmetic import Inputs, evaluate, in_words, places
from aigc_bench.plan.explain.step import Trail, counted

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


def test_inputs_are_numbered_in_order_and_each_once() -> None:
    of = Inputs()
    assert (of("a"), of("b"), of("a")) == ("{0}", "{1}", "{0}")
    assert of.plus(["b", "c"]) == "({1} + {2})"
    assert (of.plus([]), of.keys) == ("0", ["a", "b", "c"])
    assert places("{0} * {2}") == {0, 2}


def test_words_take_the_places_of_inputs() -> None:
    assert in_words("{0} * {1} ** 2", ["3 W", "5 h"]) == "3 W × 5 h ^ 2"


def test_a_step_can_be_done_again_also_where_an_input_is_named_twice() -> None:
    trail = Trail()
    trail.leaf("a", "a", counted(3, "W", "test"))
    trail.leaf("b", "b", counted(5, "W", "test"))
    trail.computed("c", "c", counted(18, "W", "test"), formula="", inputs=("a", "b", "a"), arithmetic="{0} * {1} + {2}")
    assert trail["c"].inputs == ("a", "b")
    assert trail.recomputed("c") == 18
    assert trail.recomputed("a") is None


def test_arithmetic_is_dropped_where_an_input_is_not_known() -> None:
    trail = Trail()
    trail.leaf("a", "a", counted(3, "W", "test"))
    trail.computed("c", "c", counted(3, "W", "test"), formula="", inputs=("a", "missing"), arithmetic="{0} + {1}")
    trail.computed("d", "d", counted(3, "W", "test"), formula="", inputs=("missing", "a"), arithmetic="{1}")
    assert trail["c"].arithmetic is None
    assert trail["d"].arithmetic == "{0}"

"""Arithmetic on Estimates: values by plain arithmetic, ends in order, basis never better than what it rests on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Basis, Estimate
from aigc_bench.plan.stats.estimates import (
    assumed,
    bounded,
    ceil,
    combined,
    complement,
    estimate,
    largest,
    over,
    plus,
    scaled,
    times,
    total,
    whole,
    zero,
)

BASES: tuple[Basis, ...] = ("measured", "interpolated", "datasheet", "modelled", "assumed")
NUMBERS = st.floats(1e-6, 1e6)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    low, value, high = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    basis = draw(st.sampled_from(BASES))
    return estimate(value, low=low, high=high, unit="x", basis=basis)


def test_independent_factors_widen_in_quadrature() -> None:
    factor = estimate(1.0, low=1 / math.e, high=math.e, unit="x", basis="assumed")
    product = times(factor, factor, unit="x")
    assert product.high == pytest.approx(math.exp(math.sqrt(2)))
    assert product.low == pytest.approx(math.exp(-math.sqrt(2)))


def test_terms_of_a_sum_widen_together() -> None:
    term = estimate(2.0, low=1.0, high=4.0, unit="W", basis="measured")
    assert plus(term, term).model_dump(include={"value", "low", "high"}) == {"value": 4.0, "low": 2.0, "high": 8.0}


@given(estimates(), estimates())
def test_results_hold_their_value_within_the_outer_bounds(a: Estimate, b: Estimate) -> None:
    for found, low, high in (
        (times(a, b, unit="x"), a.low * b.low, a.high * b.high),
        (over(a, b, unit="x"), a.low / b.high, a.high / b.low),
        (plus(a, b), a.low + b.low, a.high + b.high),
        (largest([a, b]), min(a.low, b.low), max(a.high, b.high)),
    ):
        assert found.low <= found.value <= found.high
        assert low * (1 - 1e-9) <= found.low
        assert found.high <= high * (1 + 1e-9)


@given(estimates(), estimates())
def test_dividing_undoes_multiplying_and_never_narrows(a: Estimate, b: Estimate) -> None:
    back = over(times(a, b, unit="x"), b, unit="x")
    assert back.value == pytest.approx(a.value)
    assert back.high / back.value >= a.high / a.value * (1 - 1e-9)


def test_a_factor_that_may_be_nothing_gives_a_product_that_may_be_nothing() -> None:
    maybe = estimate(0.1, low=0.0, high=0.3, unit="fraction", basis="assumed")
    assert times(maybe, estimate(5.0, unit="x", basis="measured"), unit="x").low == 0.0
    nothing = estimate(0.0, unit="x", basis="measured")
    assert times(nothing, maybe, unit="x").high == 0.0


def test_a_computed_basis_is_never_better_than_its_parts() -> None:
    measured, sheet = (estimate(1.0, unit="x", basis=basis) for basis in ("measured", "datasheet"))
    guess = estimate(1.0, unit="x", basis="assumed")
    assert combined([measured, measured]) == "measured"
    assert combined([measured, sheet]) == "modelled"
    assert combined([measured, guess]) == "assumed"
    assert combined([]) == "assumed"


def test_units_that_differ_are_not_added() -> None:
    with pytest.raises(AssertionError, match="one unit"):
        plus(estimate(1.0, unit="W", basis="measured"), estimate(1.0, unit="kW", basis="measured"))


def test_division_by_what_may_be_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="above 0"):
        over(estimate(1.0, unit="x", basis="measured"), estimate(1.0, low=0.0, unit="x", basis="assumed"), unit="x")


def test_whole_numbers_forgive_the_last_digits_of_a_sum() -> None:
    assert ceil(0.1 + 0.2 + 2.7) == 3
    assert ceil(3.0000001) == 4
    assert whole(estimate(2.1, low=1.0, high=3.2, unit="x", basis="measured"), unit="machines").value == 3.0


def test_empty_sums_are_zero_and_reasons_are_listed_once() -> None:
    assert total([], unit="W").value == 0.0
    noisy = estimate(1.0, unit="W", basis="measured").model_copy(update={"reasons": ("noisy_host",)})
    assert plus(noisy, noisy).reasons == ("noisy_host",)
    assert scaled(noisy, 1000, unit="mW").unit == "mW"
    assert bounded(estimate(2.0, low=0.5, high=3.0, unit="x", basis="measured"), ceiling=1.0).value == 1.0


@given(estimates())
def test_a_sum_of_no_terms_is_not_measured_and_leaves_the_basis_of_what_it_is_added_to(a: Estimate) -> None:
    nothing = zero("x")
    assert (nothing.basis, total([], unit="x")) == ("modelled", nothing)
    assert plus(a, nothing).basis == plus(nothing, a).basis == a.basis
    assert combined([nothing]) == combined([nothing, nothing]) == "modelled"


def test_the_complement_of_a_share_swaps_its_ends() -> None:
    left = complement(estimate(0.2, low=0.1, high=0.4, unit="fraction", basis="measured"))
    assert (left.low, left.value, left.high) == (pytest.approx(0.6), pytest.approx(0.8), pytest.approx(0.9))
    assert (left.unit, left.basis) == ("fraction", "measured")


def test_an_assumption_states_its_source() -> None:
    found = assumed(1.0, low=0.5, high=2.0, unit="x", source="a rule of thumb")
    assert (found.basis, found.source, found.low, found.high, found.unit) == ("assumed", "a rule of thumb", 0.5, 2.0, "x")


def test_an_interval_holds_its_value() -> None:
    with pytest.raises(AssertionError, match="must hold its value"):
        estimate(1.0, low=2.0, high=3.0, unit="x", basis="measured")
    with pytest.raises(AssertionError, match="must hold its value"):
        estimate(4.0, low=2.0, high=3.0, unit="x", basis="measured")
    assert estimate(2.0, low=1.0, unit="x", basis="measured").high == 2.0
    assert estimate(2.0, high=3.0, unit="x", basis="measured").low == 2.0


def test_a_quotient_and_a_largest_take_the_ends_that_make_them_so() -> None:
    """Widths of independent factors add in quadrature: 2 each way in the denominator alone."""
    sure, wide = (estimate(value, low=low, high=high, unit="x", basis="measured") for value, low, high in ((6, 6, 6), (2, 1, 8)))
    share = over(sure, wide, unit="y")
    assert (share.low, share.value, share.high, share.unit) == (pytest.approx(0.75), pytest.approx(3.0), pytest.approx(6.0), "y")
    top = largest([estimate(3.0, low=1.0, high=4.0, unit="x", basis="measured"), wide])
    assert (top.low, top.value, top.high) == (1.0, 3.0, 8.0)


def test_factors_that_are_negative_are_refused() -> None:
    negative = estimate(1.0, low=-1.0, unit="x", basis="measured")
    with pytest.raises(AssertionError, match="non-negative"):
        times(negative, unit="x")
    with pytest.raises(AssertionError, match="non-negative"):
        scaled(negative, -1.0)
    assert scaled(negative, 0.0).value == 0.0


def test_bounds_hold_value_and_ends() -> None:
    wide = estimate(2.0, low=0.5, high=3.0, unit="x", basis="measured")
    kept = bounded(wide, floor=1.0, ceiling=2.5)
    assert (kept.low, kept.value, kept.high) == (1.0, 2.0, 2.5)
    assert bounded(estimate(-1.0, unit="x", basis="measured")).value == 0.0
    rounded = whole(wide, unit="machines")
    assert (rounded.low, rounded.value, rounded.high, rounded.unit) == (1.0, 2.0, 3.0, "machines")
    assert ceil(1e6 + 1e-4) == 1_000_001, "forgiven are the last digits, not a billionth"
    assert ceil(1e-13) == 0 and ceil(0.0) == 0 and ceil(1e15 + 0.0) == 10**15

"""Annuities and cash flows against the tables of textbooks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.finance import annuity, annuity_factor, break_even_years, cash_flow, discount, present_value, total_cost


@pytest.mark.parametrize(
    ("rate", "years", "payment"),
    [(0.05, 5, 0.230975), (0.08, 3, 0.388034), (0.08, 10, 0.149029), (0.10, 4, 0.315471), (0.12, 20, 0.133879)],
)
def test_capital_recovery_factors_match_the_tables(rate: float, years: int, payment: float) -> None:
    assert annuity_factor(rate, years=years) == pytest.approx(payment, abs=5e-7)


def test_without_interest_a_purchase_is_spread_evenly() -> None:
    assert annuity(12_000, rate=0.0, years=4, residual=2_000) == pytest.approx(2_500)
    assert annuity_factor(1e-18, years=4) == pytest.approx(0.25)


def test_a_residual_value_is_discounted_before_it_is_taken_off() -> None:
    assert annuity(10_000, rate=0.08, years=3, residual=3_000) == pytest.approx((10_000 - 3_000 / 1.08**3) * 0.388034, rel=1e-5)


@given(st.floats(1, 1e9), st.floats(0.001, 0.5), st.integers(1, 30), st.floats(0, 0.9))
def test_the_payments_are_worth_the_purchase(capital: float, rate: float, years: int, share: float) -> None:
    payment = annuity(capital, rate=rate, years=years, residual=share * capital)
    flows = [0.0, *[payment] * years]
    assert present_value(flows, rate=rate) + share * capital * discount(rate, years=years) == pytest.approx(capital)


def test_cash_flow_ends_with_the_resale() -> None:
    assert cash_flow(100.0, opex_per_year=10.0, years=3, residual=30.0) == (100.0, 10.0, 10.0, -20.0)
    assert total_cost(100.0, opex_per_year=10.0, years=3, residual=30.0) == pytest.approx(100.0)


def test_owning_breaks_even_only_where_it_runs_cheaper() -> None:
    assert break_even_years(300.0, own_per_year=50.0, rent_per_year=200.0) == pytest.approx(2.0)
    assert break_even_years(300.0, own_per_year=200.0, rent_per_year=150.0) is None

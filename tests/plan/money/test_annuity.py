"""Annuities and cash flows against the tables of textbooks."""

from __future__ import annotations

import pytest

from aigc_bench.plan.money.ownership import annuity, annuity_factor


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

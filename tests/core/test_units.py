"""Numbers with their units as a person writes them."""

from __future__ import annotations

import pytest

from aigc_bench.core.units import digits, quantity


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(-579_000.0, "usd", "-$579,000"), (-12.5, "usd/year", "-$12.5/year"), (579_000.0, "usd", "$579,000"), (None, "usd", "–")],
)
def test_money_that_comes_back_has_its_sign_before_the_currency(value: float | None, unit: str, words: str) -> None:
    assert quantity(value, unit) == words


@pytest.mark.parametrize(
    ("value", "shown"),
    [(9.996, "10.0"), (0.09996, "0.100"), (999.6, "1,000"), (-9.996, "-10.0"), (9.994, "9.99"), (1.797e308, "1.80e+308")],
)
def test_a_value_that_rounds_up_to_the_next_power_of_ten_has_no_digit_more(value: float, shown: str) -> None:
    assert digits(value) == shown

"""Numbers with their units as a person writes them."""

from __future__ import annotations

import pytest

from aigc_bench.core.units import quantity


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(-579_000.0, "usd", "-$579,000"), (-12.5, "usd/year", "-$12.5/year"), (579_000.0, "usd", "$579,000"), (None, "usd", "–")],
)
def test_money_that_comes_back_has_its_sign_before_the_currency(value: float | None, unit: str, words: str) -> None:
    assert quantity(value, unit) == words

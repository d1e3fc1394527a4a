"""Draws from intervals, and where owning gets cheaper than renting or calling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Estimate
from aigc_bench.plan.risk.rent_vs_buy import BreakEven, against_api
from aigc_bench.plan.stats.distributions import draws, interval_of, sample
from aigc_bench.plan.stats.estimates import estimate

HOURS = 365.25 * 24


def about(value: float, *, low: float | None = None, high: float | None = None, unit: str = "usd") -> Estimate:
    return estimate(value, low=low, high=high, unit=unit, basis="assumed", source="a test")


WIDE = about(2.0, low=1.4, high=3.5)


def test_draws_have_the_percentiles_of_their_estimate() -> None:
    found = np.quantile(draws(WIDE, name="rent", num=200_000), (0.1, 0.5, 0.9))
    assert found == pytest.approx((1.4, 2.0, 3.5), rel=0.02)


def test_draws_around_nothing_stay_non_negative() -> None:
    found = draws(about(1.0, low=0.0, high=4.0), name="x", num=10_000)
    assert found.min() == 0.0
    assert np.quantile(found, 0.9) == pytest.approx(4.0, rel=0.05)


def test_an_exact_estimate_is_drawn_exactly() -> None:
    assert set(draws(about(7.0), name="x")) == {7.0}
    assert set(draws(about(0.0), name="x")) == {0.0}


def test_a_name_has_its_own_stream_independent_of_other_draws() -> None:
    alone, beside = sample({"a": WIDE}), sample({"b": WIDE, "a": WIDE})
    assert np.array_equal(alone["a"], beside["a"])
    assert abs(np.corrcoef(beside["a"], beside["b"])[0, 1]) < 0.05
    assert not np.array_equal(draws(WIDE, name="a", seed=1), alone["a"])


def test_an_interval_of_draws_gives_the_estimate_back() -> None:
    back = interval_of(draws(WIDE, name="x", num=200_000), unit="usd", basis="assumed", source="draws")
    assert (back.low, back.value, back.high) == pytest.approx((1.4, 2.0, 3.5), rel=0.02)


def test_the_break_even_volume_by_hand() -> None:
    found = against_api(
        about(0.04),
        unit="image",
        fixed_usd_per_year=about(100_000),
        running_usd_per_unit=about(0.0005),
        planned_units_per_year=5e6,
        capacity_units_per_year=2e7,
    )
    assert found.at is not None
    assert (found.at.value, found.at.unit) == (pytest.approx(100_000 / 0.0395), "images/year")
    assert found.p_own_cheaper == 1.0


def test_a_volume_beyond_the_machines_is_not_reachable() -> None:
    found = against_api(
        about(0.04),
        unit="image",
        fixed_usd_per_year=about(100_000),
        running_usd_per_unit=about(0.0),
        planned_units_per_year=1e5,
        capacity_units_per_year=1e6,
    )
    assert (found.at, found.p_reachable, found.p_own_cheaper) == (None, 0.0, 0.0)


def called(fixed: Estimate, price: Estimate, *, volume: float = 50_000.0, running: float = 0.1) -> BreakEven:
    """Machines that make 100,000 images a year, against an API."""
    return against_api(
        price,
        unit="image",
        fixed_usd_per_year=fixed,
        running_usd_per_unit=about(running),
        planned_units_per_year=volume,
        capacity_units_per_year=100_000.0,
    )


def test_where_owning_never_pays_there_is_no_break_even() -> None:
    found = called(about(1e6), about(2.0))
    assert (found.at, found.p_own_cheaper, found.p_reachable) == (None, 0.0, 0.0)
    assert found.why == "owning breaks even within the capacity of the machines in no scenario"
    assert called(about(1e3), about(0.1), running=1.0).at is None


def test_wide_prices_make_the_answer_a_probability() -> None:
    found = called(about(95_000, low=60_000, high=150_000), WIDE)
    assert 0.1 < found.p_own_cheaper < 0.9
    assert found.at is not None and found.at.low < found.at.value < found.at.high


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_more_use_never_favours_an_api(first: float, second: float) -> None:
    idle, busy = (called(about(70_000, low=50_000, high=110_000), WIDE, volume=use) for use in sorted((first, second)))
    assert idle.p_own_cheaper <= busy.p_own_cheaper + 1e-12


@given(st.floats(1e3, 1e6), st.floats(1, 3))
def test_a_more_expensive_machine_never_favours_owning(fixed: float, factor: float) -> None:
    cheap, dear = (called(about(usd, low=0.8 * usd, high=1.3 * usd), WIDE) for usd in (fixed, fixed * factor))
    assert cheap.p_own_cheaper >= dear.p_own_cheaper
    assert cheap.p_reachable >= dear.p_reachable


@pytest.mark.parametrize(("price", "p_own_cheaper"), [(0.015, 0.0), (0.0199, 0.0), (0.0201, 1.0)])
def test_owning_costs_what_is_fixed_and_what_every_unit_takes(price: float, p_own_cheaper: float) -> None:
    """100 USD a year and 0.01 for each of 10,000 units: 200 USD, as much as units at 0.02."""
    found = against_api(
        about(price),
        unit="image",
        fixed_usd_per_year=about(100.0),
        running_usd_per_unit=about(0.01),
        planned_units_per_year=1e4,
        capacity_units_per_year=1e6,
    )
    assert found.p_own_cheaper == p_own_cheaper
    assert found.at is not None and found.at.value == pytest.approx(100 / (price - 0.01))


def test_what_costs_no_less_to_run_than_to_call_never_pays() -> None:
    found = against_api(
        about(0.01),
        unit="image",
        fixed_usd_per_year=about(100.0),
        running_usd_per_unit=about(0.01),
        planned_units_per_year=1e4,
        capacity_units_per_year=1e6,
    )
    assert (found.at, found.p_reachable, found.p_own_cheaper) == (None, 0.0, 0.0)

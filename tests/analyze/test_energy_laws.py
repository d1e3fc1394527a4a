"""Laws that energy obeys whatever the load: it adds over time and devices, scales with power, and no clock changes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.analyze.energy import (
    COUNTER_RANGES_J,
    Energy,
    counter_energy,
    cross_check,
    distinct_refreshes,
    energy_of,
    idle_power,
    integral,
    integral_error,
    integrated_energy,
    total,
    unwrapped,
)
from aigc_bench.analyze.readings import Series

watts = st.floats(1.0, 2000.0)
loads = st.lists(watts, min_size=40, max_size=120)
moments = st.floats(0.0, 1.0)


def sampled(values: list[float], *, period_s: float = 0.1, start_s: float = 0.0) -> Series:
    """Power read at equal distances."""
    return Series(time_s=start_s + period_s * np.arange(len(values)), value=np.array(values))


def counted(values: list[float], *, period_s: float = 0.1, first_j: float = 0.0) -> Series:
    """A counter that adds up power that is constant between its refreshes."""
    joules = first_j + np.concatenate(([0.0], np.cumsum(np.array(values) * period_s)))
    return Series(time_s=period_s * np.arange(len(values) + 1), value=joules)


def within(series: Series, *shares: float) -> list[float]:
    """Moments at these shares of a series' stretch, in order."""
    first, last = float(series.time_s[0]), float(series.time_s[-1])
    return sorted(first + share * (last - first) for share in shares)


@given(loads, moments, moments, moments)
def test_energy_of_adjacent_windows_adds_up(values: list[float], a: float, b: float, c: float) -> None:
    power, counter = sampled(values), counted(values)
    for series, joules in ((power, integral), (counter, lambda s, **edges: counter_energy(s, **edges).value)):
        start, middle, end = within(series, a, b, c)
        parts = joules(series, start_s=start, end_s=middle) + joules(series, start_s=middle, end_s=end)
        assert parts == pytest.approx(joules(series, start_s=start, end_s=end), rel=1e-9, abs=1e-6)


@given(loads, moments, moments)
def test_energy_lies_between_the_least_and_the_largest_power_times_the_window(values: list[float], a: float, b: float) -> None:
    power, counter = sampled(values), counted(values)
    start, end = within(power, a, b)
    for joules in (integral(power, start_s=start, end_s=end), counter_energy(counter, start_s=start, end_s=end).value):
        assert joules is not None
        assert min(values) * (end - start) - 1e-6 <= joules <= max(values) * (end - start) + 1e-6


@given(loads, st.floats(0.001, 1000.0))
def test_energy_scales_with_power(values: list[float], factor: float) -> None:
    power = sampled(values)
    start, end = within(power, 0.1, 0.9)
    scaled = Series(time_s=power.time_s, value=power.value * factor)
    assert integral(scaled, start_s=start, end_s=end) == pytest.approx(factor * integral(power, start_s=start, end_s=end), rel=1e-9)
    assert integral_error(scaled) == pytest.approx(factor * integral_error(power), rel=1e-9, abs=1e-9)


@given(loads, st.floats(-1e6, 1e9))
def test_the_clock_s_origin_does_not_matter(values: list[float], shift_s: float) -> None:
    early, late = sampled(values), sampled(values, start_s=shift_s)
    window_s = float(early.time_s[-1])
    first = integral(early, start_s=0.2 * window_s, end_s=0.8 * window_s)
    second = integral(late, start_s=shift_s + 0.2 * window_s, end_s=shift_s + 0.8 * window_s)
    assert second == pytest.approx(first, rel=1e-4)


@given(loads, st.integers(2, 6), st.floats(0.0, 1e9))
def test_polling_a_counter_faster_than_it_refreshes_changes_nothing(values: list[float], times: int, first_j: float) -> None:
    counter = counted(values, first_j=first_j)
    start, end = within(counter, 0.15, 0.85)
    gaps = np.concatenate([t + np.arange(times) * 0.1 / (times + 1) for t in counter.time_s])
    often = Series(time_s=gaps, value=np.repeat(counter.value, times))
    assert len(distinct_refreshes(often)) == len(distinct_refreshes(counter))
    expected = counter_energy(counter, start_s=start, end_s=end).value
    assert counter_energy(often, start_s=start, end_s=end).value == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(50.0, 150.0), min_size=40, max_size=80), st.sampled_from(COUNTER_RANGES_J[:4]), moments)
def test_a_counter_that_wraps_anywhere_still_tells_the_energy(values: list[float], range_j: float, share: float) -> None:
    straight = counted(values)
    gained = float(straight.value[-1])
    wrapping = Series(time_s=straight.time_s, value=(straight.value + range_j - share * gained) % range_j)
    joules, was_reset = unwrapped(wrapping)
    assert not was_reset
    assert joules == pytest.approx(straight.value, abs=range_j * 1e-9 + 1e-6)


@given(st.lists(st.floats(50.0, 150.0), min_size=40, max_size=80), st.integers(5, 35))
def test_a_counter_that_starts_again_is_reported_and_bridged_at_the_usual_rate(values: list[float], place: int) -> None:
    straight = counted(values, first_j=1234.5)
    broken = straight.value.copy()
    broken[place:] -= broken[place]
    joules, was_reset = unwrapped(Series(time_s=straight.time_s, value=broken))
    assert was_reset
    assert (np.diff(joules) >= 0).all()
    assert joules[-1] == pytest.approx(straight.value[-1] - straight.value[0], rel=0.1)


@given(loads, watts)
def test_net_is_gross_less_the_idle_power_of_the_window(values: list[float], idle_w: float) -> None:
    power = sampled(values)
    start, end = 0.05, float(power.time_s[-1]) - 0.05
    plain = energy_of(Series.empty(), power, start_s=start, end_s=end)
    netted = energy_of(Series.empty(), power, start_s=start, end_s=end, idle_w=idle_w)
    assert plain.net_j is None
    assert "no_idle_baseline" in plain.reasons
    assert netted.gross_j == plain.gross_j
    assert netted.gross_j is not None
    assert netted.net_j == pytest.approx(netted.gross_j - idle_w * (end - start))


@given(watts)
def test_idle_power_of_a_constant_load_is_that_load_from_either_source(load_w: float) -> None:
    power, counter = sampled([load_w] * 60), counted([load_w] * 60)
    assert idle_power(Series.empty(), power, start_s=0.0, end_s=6.0) == pytest.approx(load_w)
    assert idle_power(counter, Series.empty(), start_s=0.0, end_s=6.0) == pytest.approx(load_w)
    assert idle_power(counter, power, start_s=0.0, end_s=0.5) is None


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6), st.floats(0.0, 1e3))
def test_two_sources_are_compared_the_same_from_either_side(a: float, b: float, error_j: float) -> None:
    found = cross_check(a, b, error_j=error_j)
    assert found == cross_check(b, a, error_j=error_j)
    difference = abs(a - b) / max(a, b)
    if difference <= 0.02 or abs(a - b) <= 3 * error_j:
        assert found == ()
    elif difference > 0.05:
        assert found == ("energy_sources_disagree",)
    else:
        assert found == ("energy_sources_differ",)


known = st.builds(
    Energy, gross_j=st.floats(0, 1e6), net_j=st.floats(-1e3, 1e6), idle_w=st.floats(0, 500), source=st.just("counter")
)


@given(st.lists(known, min_size=1, max_size=8))
def test_devices_add_up_and_one_unknown_device_makes_the_sum_unknown(parts: list[Energy]) -> None:
    everything = total(parts)
    assert everything.gross_j == pytest.approx(sum(part.gross_j or 0.0 for part in parts))
    assert everything.net_j == pytest.approx(sum(part.net_j or 0.0 for part in parts))
    blind = total([*parts, Energy(gross_j=None, reasons=("no_power_sensor",))])
    assert (blind.gross_j, blind.net_j, blind.idle_w) == (None, None, None)
    assert "no_power_sensor" in blind.reasons


@given(loads, st.integers(5, 30), st.floats(0.4, 5.0))
def test_a_hole_in_the_samples_bars_the_integral(values: list[float], place: int, hole_s: float) -> None:
    power = sampled(values)
    holed = Series(time_s=np.concatenate((power.time_s[:place], power.time_s[place:] + hole_s)), value=power.value)
    found = integrated_energy(holed, start_s=0.0, end_s=float(holed.time_s[-1]))
    assert (found.value, found.reasons) == (None, ("power_samples_missing",))


@given(loads, st.floats(0.01, 5.0))
def test_a_window_that_the_samples_do_not_bracket_has_no_energy(values: list[float], outside_s: float) -> None:
    end = float(sampled(values).time_s[-1])
    for start_s, end_s in ((-outside_s, end), (0.0, end + outside_s)):
        assert integrated_energy(sampled(values), start_s=start_s, end_s=end_s).reasons == ("energy_not_bracketed",)
        assert counter_energy(counted(values[:-1]), start_s=start_s, end_s=end_s).reasons == ("energy_not_bracketed",)


def test_a_counter_that_never_moves_is_frozen_and_not_zero_joules() -> None:
    frozen = Series(time_s=np.arange(100) * 0.1, value=np.full(100, 77.0))
    found = energy_of(frozen, Series.empty(), start_s=1.0, end_s=8.0)
    assert found.gross_j is None
    assert "counter_frozen" in found.reasons


@given(loads, moments, moments)
def test_a_series_cut_to_a_window_holds_just_what_lies_in_it(values: list[float], a: float, b: float) -> None:
    power = sampled(values)
    start, end = within(power, a, b)
    inside, around = power.between(start, end), power.around(start, end)
    assert ((inside.time_s >= start) & (inside.time_s <= end)).all()
    assert len(inside) == int(((power.time_s >= start) & (power.time_s <= end)).sum())
    assert around.time_s[0] <= start
    assert around.time_s[-1] >= end
    assert len(around) <= len(inside) + 2

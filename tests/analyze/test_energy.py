"""Synthetic power: the truth is an integral known in closed form; the counter refreshes every 100 ms, power is sampled at 10 Hz."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.analyze.energy import counter_energy, energy_of, idle_power, integral, integrated_energy, total, unwrapped
from aigc_bench.analyze.readings import Series

Power = Callable[[np.ndarray], np.ndarray]
FINE_S = 0.0005


def constant(t: np.ndarray) -> np.ndarray:
    return np.full_like(t, 300.0)


def square(period_s: float) -> Power:
    return lambda t: np.where((t % period_s) < period_s / 2, 500.0, 100.0)


def ramp(t: np.ndarray) -> np.ndarray:
    return 100.0 + 20.0 * t


def duty_cycle(t: np.ndarray) -> np.ndarray:
    return np.where((t % 6.0) < 3.0, 400.0, 80.0)


SUITE: dict[str, Power] = {
    "constant": constant,
    "square 37 ms": square(0.037),
    "square 50 ms": square(0.050),
    "square 100 ms": square(0.100),
    "square 130 ms": square(0.130),
    "ramp": ramp,
    "3 s on, 3 s off": duty_cycle,
}


def joules(power: Power, start_s: float, end_s: float) -> float:
    t = np.arange(start_s, end_s, FINE_S) + FINE_S / 2
    return float(power(t).sum() * FINE_S)


def counter_series(power: Power, *, end_s: float, poll_s: float = 0.1, refresh_s: float = 0.1, offset_s: float = 0.013) -> Series:
    """A counter that takes a new value every ``refresh_s`` and is polled every ``poll_s``."""
    t = np.arange(0, end_s + FINE_S, FINE_S)
    rising = np.concatenate(([0.0], np.cumsum(power(t[:-1] + FINE_S / 2) * FINE_S)))
    polls = np.arange(offset_s, end_s, poll_s)
    refreshed = np.floor(polls / refresh_s) * refresh_s
    return Series(time_s=polls, value=np.interp(refreshed, t, rising))


def power_series(power: Power, *, end_s: float, period_s: float = 0.1, jitter: float = 0.2) -> Series:
    """Instantaneous samples at jittered moments."""
    generator = np.random.default_rng(0)
    polls = np.arange(0, end_s, period_s) + generator.uniform(0, jitter * period_s, size=len(np.arange(0, end_s, period_s)))
    return Series(time_s=polls, value=power(polls))


@pytest.mark.parametrize("name", SUITE)
@pytest.mark.parametrize("start_s", [2.0, 2.037, 2.081])
def test_the_counter_is_within_one_percent_in_windows_of_ten_seconds(name: str, start_s: float) -> None:
    power = SUITE[name]
    found = counter_energy(counter_series(power, end_s=20.0), start_s=start_s, end_s=start_s + 12.0)
    assert found.value == pytest.approx(joules(power, start_s, start_s + 12.0), rel=0.01)


@pytest.mark.parametrize("name", ["constant", "ramp", "3 s on, 3 s off"])
def test_integration_is_within_two_percent_where_power_is_sampled_finely_enough(name: str) -> None:
    power = SUITE[name]
    found = integrated_energy(power_series(power, end_s=30.0), start_s=2.037, end_s=26.4)
    assert found.value == pytest.approx(joules(power, 2.037, 26.4), rel=0.02)


@pytest.mark.parametrize("name", ["square 37 ms", "square 50 ms", "square 100 ms", "square 130 ms"])
def test_integration_of_fast_waves_is_within_two_percent_at_200_hertz(name: str) -> None:
    power = SUITE[name]
    found = integrated_energy(power_series(power, end_s=30.0, period_s=0.005, jitter=1.0), start_s=2.0, end_s=22.0)
    assert found.value == pytest.approx(joules(power, 2.0, 22.0), rel=0.02)


def test_polling_faster_than_the_counter_refreshes_changes_nothing() -> None:
    slow = counter_energy(counter_series(constant, end_s=20.0), start_s=2.0, end_s=14.0)
    fast = counter_energy(counter_series(constant, end_s=20.0, poll_s=0.01), start_s=2.0, end_s=14.0)
    assert fast.value == pytest.approx(slow.value, rel=0.002)
    assert fast.num <= slow.num + 2


def test_gross_less_idle_power_times_the_window_is_net() -> None:
    counter, power = counter_series(constant, end_s=20.0), power_series(constant, end_s=20.0)
    energy = energy_of(counter, power, start_s=2.0, end_s=14.0, idle_w=75.0)
    assert energy.source == "counter"
    assert energy.gross_j == pytest.approx(3600.0, rel=0.005)
    assert energy.net_j == pytest.approx(3600.0 - 75.0 * 12.0, rel=0.005)
    assert energy.reasons == ()


def test_without_an_idle_baseline_net_is_unknown_and_says_so() -> None:
    energy = energy_of(counter_series(constant, end_s=20.0), Series.empty(), start_s=2.0, end_s=14.0)
    assert energy.net_j is None
    assert energy.reasons == ("no_idle_baseline",)


def test_no_sensor_is_null_with_a_reason() -> None:
    energy = energy_of(Series.empty(), Series.empty(), start_s=2.0, end_s=14.0)
    assert (energy.gross_j, energy.net_j, energy.reasons) == (None, None, ("no_power_sensor",))


def test_without_a_counter_power_is_integrated() -> None:
    energy = energy_of(Series.empty(), power_series(constant, end_s=20.0), start_s=2.0, end_s=14.0, idle_w=0.0)
    assert (energy.source, energy.gross_j) == ("integration", pytest.approx(3600.0))


@pytest.mark.parametrize(("factor", "code"), [(1.0, None), (1.03, "energy_sources_differ"), (1.08, "energy_sources_disagree")])
def test_sources_that_differ_are_distinguished_from_those_that_disagree(factor: float, code: str | None) -> None:
    power = power_series(lambda t: constant(t) * factor, end_s=20.0)
    energy = energy_of(counter_series(constant, end_s=20.0), power, start_s=2.0, end_s=14.0, idle_w=0.0)
    assert energy.reasons == ((code,) if code else ())


def test_a_short_window_is_labelled_estimated() -> None:
    energy = energy_of(counter_series(constant, end_s=20.0), Series.empty(), start_s=2.0, end_s=6.0, idle_w=0.0)
    assert energy.reasons == ("energy_estimated",)
    assert energy.gross_j == pytest.approx(1200.0, rel=0.01)


@pytest.mark.parametrize("limit_j", [2**32 * 1e-6, 262_143.328850, 2**32 * 1e-3])
def test_a_counter_that_wraps_in_the_window_loses_nothing(limit_j: float) -> None:
    counter = counter_series(constant, end_s=20.0)
    wrapping = Series(time_s=counter.time_s, value=(counter.value + limit_j - 1500.0) % limit_j)
    found = counter_energy(wrapping, start_s=2.0, end_s=14.0)
    assert found.value == pytest.approx(3600.0, rel=0.005)
    assert found.reasons == ()


def test_a_counter_that_restarts_is_bridged_and_says_so() -> None:
    counter = counter_series(constant, end_s=20.0)
    value = np.where(counter.time_s > 8.0, counter.value - counter.value[counter.time_s <= 8.0][-1], counter.value + 777.0)
    found = counter_energy(Series(time_s=counter.time_s, value=value), start_s=2.0, end_s=14.0)
    assert found.value == pytest.approx(3600.0, rel=0.01)
    assert found.reasons == ("counter_reset",)


def test_a_counter_that_runs_backwards_counts_nothing_and_power_is_integrated_in_its_place() -> None:
    backwards = Series(time_s=np.arange(0.0, 30.0, 0.1), value=1e6 - 25.0 * np.arange(300))
    assert counter_energy(backwards, start_s=5.0, end_s=20.0).value is None
    power = power_series(constant, end_s=30.0)
    found = energy_of(backwards, power, start_s=5.0, end_s=20.0)
    assert found.source == "integration"
    assert found.gross_j == pytest.approx(joules(constant, 5.0, 20.0), rel=0.01)
    assert "counter_reset" in found.reasons
    blind = energy_of(backwards, series([], []), start_s=5.0, end_s=20.0)
    assert (blind.gross_j, blind.net_j) == (None, None)
    assert idle_power(backwards, series([], []), start_s=5.0, end_s=20.0) is None


def test_a_counter_that_never_moves_is_frozen_not_zero_joules() -> None:
    still = Series(time_s=np.arange(0, 20, 0.1), value=np.full(200, 5000.0))
    assert counter_energy(still, start_s=2.0, end_s=14.0)[:3] == (None, 0, ("counter_frozen",))


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, 12.0), (2.0, 25.0)])
def test_a_window_that_the_readings_do_not_bracket_is_unknown(start_s: float, end_s: float) -> None:
    assert counter_energy(counter_series(constant, end_s=20.0), start_s=start_s, end_s=end_s).reasons == ("energy_not_bracketed",)
    assert integrated_energy(power_series(constant, end_s=20.0), start_s=start_s, end_s=end_s).reasons == ("energy_not_bracketed",)


def test_too_few_samples_and_gaps_bar_integration() -> None:
    power = power_series(constant, end_s=20.0)
    assert integrated_energy(power, start_s=2.0, end_s=3.5).reasons == ("few_power_samples",)
    kept = (power.time_s < 6.0) | (power.time_s > 7.0)
    holed = Series(time_s=power.time_s[kept], value=power.value[kept])
    assert integrated_energy(holed, start_s=2.0, end_s=14.0).reasons == ("power_samples_missing",)


def test_the_idle_baseline_is_the_mean_power_before_the_first_trial() -> None:
    counter, power = counter_series(ramp, end_s=20.0), power_series(ramp, end_s=20.0)
    assert idle_power(counter, power, start_s=0.0, end_s=5.0) == pytest.approx(150.0, rel=0.03)
    assert idle_power(counter, Series.empty(), start_s=0.0, end_s=5.0) == pytest.approx(150.0, rel=0.03)
    assert idle_power(counter, power, start_s=0.0, end_s=0.5) is None


def test_devices_add_up_and_one_unknown_makes_the_sum_unknown() -> None:
    known = energy_of(counter_series(constant, end_s=20.0), Series.empty(), start_s=2.0, end_s=14.0, idle_w=10.0)
    blind = energy_of(Series.empty(), Series.empty(), start_s=2.0, end_s=14.0)
    both = total([known, known])
    assert known.gross_j is not None
    assert (both.gross_j, both.idle_w) == (pytest.approx(2 * known.gross_j), 20.0)
    assert total([known, blind]).gross_j is None
    assert "no_power_sensor" in total([known, blind]).reasons


@settings(deadline=None)
@given(st.lists(st.floats(1.0, 1000.0), min_size=30, max_size=80), st.integers(1, 10), st.integers(11, 28))
def test_energies_of_two_adjoining_windows_add_up_and_lie_between_the_extremes(watts: list[float], middle: int, last: int) -> None:
    times = np.arange(len(watts)) * 0.1
    power = Series(time_s=times, value=np.asarray(watts))
    start_s, middle_s, end_s = 0.05, float(times[middle]), float(times[last])
    parts = integral(power, start_s=start_s, end_s=middle_s) + integral(power, start_s=middle_s, end_s=end_s)
    whole = integral(power, start_s=start_s, end_s=end_s)
    assert parts == pytest.approx(whole)
    assert min(watts) * (end_s - start_s) * (1 - 1e-9) <= whole <= max(watts) * (end_s - start_s) * (1 + 1e-9)


@given(st.lists(st.floats(0.01, 100.0), min_size=3, max_size=50))
def test_an_unwrapped_counter_never_falls(rises: list[float]) -> None:
    values = np.cumsum(rises) % 65_532.610987
    joules_, _ = unwrapped(Series(time_s=np.arange(len(values)) * 0.1, value=values))
    assert np.all(np.diff(joules_) >= 0)


@pytest.mark.parametrize("period_s", [0.037, 0.107, 0.13, 1.003])
def test_the_standard_error_of_an_integral_is_the_scatter_of_its_repetitions(period_s: float) -> None:
    wave, generator = square(period_s), np.random.default_rng(1)
    found, errors = [], []
    for _ in range(150):
        moments = (np.arange(1500) + generator.random(1500)) * 0.01
        reckoning = integrated_energy(Series(time_s=moments, value=wave(moments)), start_s=2.0, end_s=14.0)
        assert reckoning.value is not None
        found.append(reckoning.value)
        errors.append(reckoning.error)
    assert 0.7 < float(np.mean(errors)) / float(np.std(found)) < 2.2


def series(moments: list[float], values: list[float]) -> Series:
    return Series(time_s=np.asarray(moments), value=np.asarray(values))


def test_a_series_is_cut_with_its_ends_and_around_them() -> None:
    found = series([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    assert list(found.between(1, 3).value) == [6, 7, 8]
    assert list(found.between(1.1, 2.9).value) == [7]
    assert list(found.around(1.5, 2.5).time_s) == [1, 2, 3]
    assert list(found.around(1, 3).time_s) == [1, 2, 3]
    assert list(found.around(-1, 9).time_s) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("num", "expected"), [(5, 100.0), (4, None)])
def test_the_idle_baseline_needs_five_readings_of_either_sensor(num: int, expected: float | None) -> None:
    moments = [0.5 * place for place in range(num)]
    power, counter = series(moments, [100.0] * num), series(moments, [50.0 * place for place in range(num)])
    assert idle_power(Series.empty(), power, start_s=0, end_s=10) == expected
    assert idle_power(counter, Series.empty(), start_s=0, end_s=10) == expected
    assert idle_power(counter, Series.empty(), start_s=0, end_s=0.99) is None
    assert idle_power(Series.empty(), Series.empty(), start_s=0, end_s=10) is None


def test_the_idle_baseline_weighs_power_by_time() -> None:
    """100 W for 9 s and 200 W for the last, whatever the sampling: a trapezoid of (0 to 9 s) and its edge."""
    power = series([0, 3, 6, 9, 10], [100, 100, 100, 100, 200])
    assert idle_power(Series.empty(), power, start_s=0, end_s=10) == pytest.approx((900 + 150) / 10)
    assert idle_power(Series.empty(), power, start_s=0, end_s=1.0) is None


def test_an_integral_tells_the_samples_that_it_rests_on() -> None:
    """Forty samples a second apart from 0 s, thirty of them within the window; a constant load has no error."""
    power = series([float(place) for place in range(40)], [100.0] * 40)
    found = integrated_energy(power, start_s=4.5, end_s=34.5)
    assert (found.value, found.num, found.error, found.reasons) == (pytest.approx(3000.0), 30, 0.0, ())
    assert integrated_energy(power, start_s=-1, end_s=30) == (None, 31, ("energy_not_bracketed",), 0.0)
    assert integrated_energy(power, start_s=10, end_s=28) == (None, 19, ("few_power_samples",), 0.0)
    assert integrated_energy(power, start_s=10, end_s=29).num == 20
    gap = series([*(float(place) for place in range(25)), *(28.5 + place for place in range(10))], [100.0] * 35)
    assert integrated_energy(gap, start_s=1, end_s=36) == (None, 32, ("power_samples_missing",), 0.0)

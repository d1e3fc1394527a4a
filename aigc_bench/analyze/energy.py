"""Energy of a window: a total-energy counter read at the window's edges, and the integral of power samples.

The counter comes first: it loses nothing between samples. It refreshes about every 100 ms at any polling rate, so its value
at an edge is interpolated between *distinct* refreshes. The integral is the trapezoid over every sample (equal ones included: a
constant load is not zero joules), with both ends bracketed and interpolated. Power is sampled at random moments, so that the
integral has a standard error, estimated from its own samples. Where both are known they check each other, beyond what that
explains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from aigc_bench.analyze.readings import Floats, Series

EnergySource = Literal["counter", "integration"]

MIN_SAMPLES = 20
MAX_GAP_PERIODS = 3.0
MIN_GAP_S = 0.3
MAX_INTEGRAL_ERROR = 0.01
NUM_ERRORS = 3.0
# About 100 refreshes of a counter, so that an edge is known to about 1 %.
MIN_COUNTER_WINDOW_S = 10.0
MIN_IDLE_S = 1.0
MIN_IDLE_SAMPLES = 5
NOTE_DIFFERENCE = 0.02
MAX_DIFFERENCE = 0.05
COUNTER_RANGES_J = (2**32 * 1e-6, 65_532.610987, 262_143.328850, 2**32 * 1e-3, 2**64 * 1e-6, 2**64 * 1e-3)
"""Where known counters wrap: 32-bit microjoules, the two common RAPL ``max_energy_range_uj``, 32-bit millijoules, 64-bit ones."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Joules of one device in one window. ``None`` with a reason where it cannot be known, never 0."""

    gross_j: float | None
    net_j: float | None = None
    idle_w: float | None = None
    source: EnergySource | None = None
    num_samples: int = 0
    counter_j: float | None = None
    integral_j: float | None = None
    reasons: tuple[str, ...] = ()


class Reckoning(NamedTuple):
    """One method of measuring the energy in joules, or why it is not available."""

    value: float | None
    num: int = 0
    reasons: tuple[str, ...] = ()
    error: float = 0.0
    """Standard error of ``value``."""


def energy_of(counter: Series, power: Series, *, start_s: float, end_s: float, idle_w: float | None = None) -> Energy:
    """Gross and net energy of a device between two moments. ``counter`` in J, ``power`` in W; either may be empty.

    ``net_j`` is gross less ``idle_w`` times the window. Reasons: ``no_power_sensor``, ``counter_reset``, those of the barred ways
    where neither is open, ``energy_estimated`` (counter over less than 10 s), ``energy_undersampled`` (integral with a standard
    error above 1 %), ``energy_sources_differ`` (> 2 %), ``energy_sources_disagree`` (> 5 %), ``no_idle_baseline``.
    """
    by_counter = counter_energy(counter, start_s=start_s, end_s=end_s)
    by_power = integrated_energy(power, start_s=start_s, end_s=end_s)
    # The counter comes first: it misses nothing between two readings.
    chosen, source = (by_counter, "counter") if by_counter.value is not None else (by_power, "integration")
    if chosen.value is None:
        blind = not len(counter) and not len(power)
        return Energy(gross_j=None, reasons=("no_power_sensor",) if blind else by_counter.reasons + by_power.reasons)
    # A counter that was turned down is named although power has taken its place.
    broken = tuple(reason for reason in by_counter.reasons if reason == "counter_reset" and chosen is not by_counter)
    reasons = broken + chosen.reasons + cross_check(by_counter.value, by_power.value, error_j=by_power.error)
    if source == "counter" and end_s - start_s < MIN_COUNTER_WINDOW_S:
        reasons += ("energy_estimated",)
    if chosen.error > MAX_INTEGRAL_ERROR * abs(chosen.value):
        reasons += ("energy_undersampled",)
    energy = Energy(
        gross_j=chosen.value,
        source="counter" if source == "counter" else "integration",
        num_samples=chosen.num,
        counter_j=by_counter.value,
        integral_j=by_power.value,
        reasons=reasons,
    )
    if idle_w is None:
        return replace(energy, reasons=(*energy.reasons, "no_idle_baseline"))
    return replace(energy, idle_w=idle_w, net_j=chosen.value - idle_w * (end_s - start_s))


def counter_energy(counter: Series, *, start_s: float, end_s: float) -> Reckoning:
    """Joules by the total-energy counter, interpolated at the edges over distinct refreshes; wraps are undone."""
    if not len(counter):
        return Reckoning(None, reasons=("no_energy_counter",))
    refreshes = distinct_refreshes(counter)
    if len(refreshes) < 2:
        return Reckoning(None, reasons=("counter_frozen",))
    if refreshes.time_s[0] > start_s or refreshes.time_s[-1] < end_s:
        return Reckoning(None, reasons=("energy_not_bracketed",))
    # Only the refreshes that bracket the window: a reset elsewhere in the run does not matter.
    near = refreshes.around(start_s, end_s)
    if not mostly_rises(near):
        return Reckoning(None, reasons=("counter_reset",))
    joules, was_reset = unwrapped(near)
    at_start, at_end = np.interp((start_s, end_s), near.time_s, joules)
    return Reckoning(float(at_end - at_start), len(near), ("counter_reset",) if was_reset else ())


def distinct_refreshes(counter: Series) -> Series:
    """The readings at which the counter was first seen with a new value: polling faster than it refreshes adds nothing."""
    # The moment of the first sight: a refresh lies between it and the reading before, 100 ms at most.
    is_new = np.concatenate(([True], np.diff(counter.value) != 0.0))
    return Series(time_s=counter.time_s[is_new], value=counter.value[is_new])


def mostly_rises(counter: Series) -> bool:
    """Whether a counter rises more often than it falls: one that does not (a broken driver) counts no energy, not even 0 J."""
    rises = np.diff(counter.value)
    num_falls = np.count_nonzero(rises < 0)
    return num_falls == 0 or bool(np.count_nonzero(rises > 0) > num_falls)


def unwrapped(counter: Series) -> tuple[Floats, bool]:
    """Counter values made monotonic, in J from the first, and whether a fall was no known wrap.

    A fall is a wrap where one of ``COUNTER_RANGES_J`` explains it with a rate near the others'; otherwise (the driver was reloaded)
    that one interval is given the median rate.
    """
    rises, spans = np.diff(counter.value), np.diff(counter.time_s)
    falls = np.flatnonzero(rises < 0)
    is_rising = rises >= 0
    # The median, which a few wraps or resets do not move.
    rate = float(np.median(rises[is_rising] / spans[is_rising])) if is_rising.any() else 0.0
    was_reset = False
    for index in falls:
        expected = rate * spans[index]
        # Five times the usual rate at most: a large range would explain any fall.
        wrapped = [limit + rises[index] for limit in COUNTER_RANGES_J if 0 <= limit + rises[index] <= 5 * expected]
        was_reset = was_reset or not wrapped
        rises[index] = min(wrapped, key=lambda rise: abs(rise - expected)) if wrapped else expected
    return np.concatenate(([0.0], np.cumsum(rises))), was_reset


def integrated_energy(power: Series, *, start_s: float, end_s: float) -> Reckoning:
    """Joules by the trapezoid over every power sample, with the bounds interpolated.

    Barred where an end is not bracketed, fewer than 20 samples lie in the window, or a gap is longer than 3 periods and 0.3 s.
    """
    if not len(power):
        return Reckoning(None, reasons=("no_power_sensor",))
    inside = len(power.between(start_s, end_s))
    if power.time_s[0] > start_s or power.time_s[-1] < end_s:
        return Reckoning(None, inside, ("energy_not_bracketed",))
    if inside < MIN_SAMPLES:
        return Reckoning(None, inside, ("few_power_samples",))
    near = power.around(start_s, end_s)
    gaps = np.diff(near.time_s)
    # Random sampling has gaps of up to two periods by itself.
    if gaps.max() > max(MAX_GAP_PERIODS * float(np.median(gaps)), MIN_GAP_S):
        return Reckoning(None, inside, ("power_samples_missing",))
    return Reckoning(integral(power, start_s=start_s, end_s=end_s), inside, error=integral_error(near))


def integral_error(power: Series) -> float:
    """Standard error in joules of a trapezoid over randomly placed samples: ``sqrt(sum((gap x step)^2)) / 2``.

    A step of the load somewhere within a gap errs by ``gap x step`` times a number uniform in +-1/2, whose variance is 1/12. A
    load faster than the sampling has further steps that no pair of samples shows; with 1/4 for 1/12 the estimate is about 0.8
    (a load far faster) to 1.7 (one far slower) times the true error.
    """
    return float(np.sqrt(np.sum((np.diff(power.time_s) * np.diff(power.value)) ** 2)) / 2)


def integral(power: Series, *, start_s: float, end_s: float) -> float:
    """Trapezoid of a bracketed series (W) between two moments (s), its value interpolated at both, in J."""
    inside = power.between(start_s, end_s)
    edges = np.interp((start_s, end_s), power.time_s, power.value)
    times = np.concatenate(([start_s], inside.time_s, [end_s]))
    values = np.concatenate(([edges[0]], inside.value, [edges[1]]))
    return trapezoid(values, times)


def trapezoid(values: Floats, times: Floats) -> float:
    """The integral of piecewise linear ``values`` over ``times``, both ``[n]``: W over s give J."""
    return float(np.dot(np.diff(times), (values[1:] + values[:-1]) / 2))


def cross_check(counter_j: float | None, integral_j: float | None, *, error_j: float = 0.0) -> tuple[str, ...]:
    """What to say where the two sources differ: more than 2 % is a note, more than 5 % a reason to doubt.

    Nothing where three standard errors of the integral explain it: ten looks a second at a fast load prove nothing.
    """
    if counter_j is None or integral_j is None:
        return ()
    larger = max(abs(counter_j), abs(integral_j))
    if abs(counter_j - integral_j) <= NUM_ERRORS * error_j:
        return ()
    difference = abs(counter_j - integral_j) / larger if larger else 0.0
    if difference > MAX_DIFFERENCE:
        return ("energy_sources_disagree",)
    return ("energy_sources_differ",) if difference > NOTE_DIFFERENCE else ()


def idle_power(counter: Series, power: Series, *, start_s: float, end_s: float) -> float | None:
    """Mean watts over an idle stretch: the time-weighted mean of the power samples, else the counter's rise.

    ``None`` for a stretch under a second, or one with fewer than five samples.
    """
    if end_s - start_s < MIN_IDLE_S:
        return None
    samples = power.between(start_s, end_s)
    if len(samples) >= MIN_IDLE_SAMPLES:
        # Weighted by time, as the samples are not evenly spaced.
        return trapezoid(samples.value, samples.time_s) / float(samples.time_s[-1] - samples.time_s[0])
    refreshes = distinct_refreshes(counter.between(start_s, end_s)) if len(counter) else counter
    if len(refreshes) < MIN_IDLE_SAMPLES or not mostly_rises(refreshes):
        return None
    joules, _ = unwrapped(refreshes)
    return float(joules[-1] / (refreshes.time_s[-1] - refreshes.time_s[0]))


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    # A sum over a part of the devices would be taken for that of all.
    return float(sum(known)) if len(known) == len(found) else None


def total(parts: list[Energy]) -> Energy:
    """The energy of several devices in the same window; unknown as soon as one of them is."""
    if not parts:
        return Energy(gross_j=None, reasons=("no_power_sensor",))
    reasons = tuple(dict.fromkeys(reason for part in parts for reason in part.reasons))
    return Energy(
        gross_j=_sum(part.gross_j for part in parts),
        net_j=_sum(part.net_j for part in parts),
        idle_w=_sum(part.idle_w for part in parts),
        # The weakest of the parts says how good the sum is.
        source="integration" if any(part.source == "integration" for part in parts) else parts[0].source,
        num_samples=min(part.num_samples for part in parts),
        reasons=reasons,
    )

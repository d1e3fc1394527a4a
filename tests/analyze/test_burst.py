"""Burst over sustained speed by hand: the first five seconds against the window's last half, once the temperature is steady."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aigc_bench.analyze.readings import Series
from aigc_bench.analyze.timing import burst_to_sustained
from aigc_bench.core.records import TrialResult
from tests.analyze.synthetic import make_case, make_trial, make_work

FAST_S, SLOW_S = 0.1, 0.125


def trial(steps: list[float], **changes: Any) -> TrialResult:
    case = make_case(workload="bert")
    return make_trial(case, trial=0, started_s=100.0, step_s=steps, work=make_work(case), devices=()).model_copy(update=changes)


def slowed() -> TrialResult:
    """Ten seconds of ten steps a second, then ten of eight."""
    return trial([FAST_S] * 100 + [SLOW_S] * 80)


def warm(made: TrialResult, *, c_per_s: float = 0.0, num: int = 9, from_share: float = 0.5, to_share: float = 1.0) -> Series:
    assert made.window is not None
    start_s, wall_s = made.window.start_s, made.window.wall_s
    times = np.linspace(start_s + from_share * wall_s, start_s + to_share * wall_s, num)
    return Series(time_s=times, value=60.0 + c_per_s * (times - start_s))


def test_a_device_that_slows_by_a_quarter_has_a_burst_of_a_quarter_more() -> None:
    found = burst_to_sustained(slowed(), warm(slowed()))
    assert (found.metric, found.reasons) == ("burst_to_sustained", ())
    assert found.value == pytest.approx(10 / 8)


def test_an_even_device_sustains_its_burst() -> None:
    even = trial([FAST_S] * 200)
    assert burst_to_sustained(even, warm(even)).value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("c_per_s", "reasons"), [(0.03, ()), (0.04, ("temperature_not_steady",)), (-0.04, ("temperature_not_steady",))]
)
def test_a_device_that_still_warms_or_cools_is_not_judged(c_per_s: float, reasons: tuple[str, ...]) -> None:
    found = burst_to_sustained(slowed(), warm(slowed(), c_per_s=c_per_s))
    assert found.reasons == reasons
    assert (found.value is None) == bool(reasons)


def test_only_the_last_half_of_the_window_must_be_steady() -> None:
    whole = warm(slowed(), num=41, from_share=0.0)
    rising = Series(time_s=whole.time_s, value=np.minimum(60.0, 40.0 + 2 * (whole.time_s - whole.time_s[0])))
    assert burst_to_sustained(slowed(), rising).value == pytest.approx(10 / 8)


@pytest.mark.parametrize(("num", "reasons"), [(3, ()), (2, ("no_temperature_sensor",)), (0, ("no_temperature_sensor",))])
def test_three_temperatures_are_needed(num: int, reasons: tuple[str, ...]) -> None:
    assert burst_to_sustained(slowed(), warm(slowed(), num=num)).reasons == reasons


@pytest.mark.parametrize(("num_steps", "reasons"), [(120, ()), (119, ("window_too_short",))])
def test_a_window_is_at_least_fifteen_seconds_long(num_steps: int, reasons: tuple[str, ...]) -> None:
    made = trial([0.125] * num_steps)
    assert burst_to_sustained(made, warm(made)).reasons == reasons


def test_a_trial_without_steps_or_window_is_reported_as_too_short() -> None:
    for missing in ("window", "steps"):
        found = burst_to_sustained(slowed().model_copy(update={missing: None}), warm(slowed()))
        assert (found.metric, found.reasons) == ("burst_to_sustained", ("window_too_short",))


def test_two_steps_in_either_stretch_are_too_few() -> None:
    few_first, few_last = trial([2.4] * 2 + [0.4] * 40), trial([0.4] * 25 + [4.0, 7.0])
    for made in (few_first, few_last):
        found = burst_to_sustained(made, warm(made))
        assert (found.metric, found.value, found.reasons) == ("burst_to_sustained", None, ("n_too_small",))

"""The warm-up criterion and the stop rule, as pure functions over step durations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aigc_bench.measure.stopping import (
    LEVELS,
    MIN_STEPS,
    SPAN_LIMIT,
    StoppingRule,
    effective_samples,
    has_converged,
    has_settled,
    should_stop,
    stopping_rule,
    t_quantile_975,
    warmed_up,
)

QUICK, DEFAULT = LEVELS["quick"], LEVELS["default"]
durations = st.lists(st.floats(1e-3, 10.0), min_size=1, max_size=300)


def run_window(steps: list[float], *, rule: StoppingRule) -> tuple[int, str]:
    """Feed steps until the rule stops; returns how many it took and why."""
    done: list[float] = []
    elapsed_s = 0.0
    for step in steps:
        done.append(step)
        elapsed_s += step
        reason = should_stop(done, elapsed_s=elapsed_s, rule=rule)
        if reason:
            return len(done), reason
    raise AssertionError("the rule never stopped")


def test_levels_differ_in_trials_and_grow_in_effort() -> None:
    assert [LEVELS[name].num_trials for name in ("quick", "default", "rigorous")] == [3, 5, 10]
    assert LEVELS["quick"].window_cap_s < LEVELS["default"].window_cap_s < LEVELS["rigorous"].window_cap_s


def test_training_warms_up_longer_and_energy_needs_a_window_of_ten_seconds() -> None:
    training = stopping_rule("default", mode="train", has_energy=True)
    assert (training.warmup_min_steps, training.warmup_min_s, training.window_min_s) == (20, 10.0, 10.0)


def test_a_steady_window_stops_as_soon_as_the_minimum_is_done() -> None:
    assert run_window([0.125] * 100, rule=DEFAULT) == (40, "converged")


def test_a_noisy_window_runs_until_the_mean_is_known_to_one_percent() -> None:
    generator = random.Random(1)
    num, reason = run_window([max(0.01, generator.gauss(0.1, 0.01)) for _ in range(2000)], rule=DEFAULT)
    assert reason == "converged"
    assert 300 < num < 600


def test_a_window_that_never_settles_ends_by_its_time_cap() -> None:
    generator = random.Random(2)
    steps = [generator.choice([0.01, 1.0]) for _ in range(10_000)]
    num, reason = run_window(steps, rule=DEFAULT)
    assert reason == "time_cap"
    assert 60.0 <= sum(steps[:num]) <= 61.0


def test_tiny_steps_end_by_the_step_cap() -> None:
    assert should_stop([1e-6] * QUICK.window_cap_steps, elapsed_s=0.5, rule=QUICK) == "step_cap"


def test_one_step_longer_than_the_cap_is_enough() -> None:
    assert should_stop([5.0], elapsed_s=5.0, rule=QUICK) == "time_cap"


def test_no_window_has_fewer_than_three_steps_unless_one_is_longer_than_the_cap() -> None:
    assert should_stop([1.4, 1.4], elapsed_s=2.8, rule=QUICK) is None
    assert should_stop([1.4] * MIN_STEPS, elapsed_s=4.2, rule=QUICK) == "time_cap"


@settings(max_examples=40, deadline=None)
@given(durations)
def test_every_window_ends_and_never_overshoots_its_caps_by_more_than_three_steps(steps: list[float]) -> None:
    repeated = steps * (QUICK.window_cap_steps // len(steps) + 1)
    num, _ = run_window(repeated, rule=QUICK)
    assert sum(repeated[:num]) <= QUICK.window_cap_s + 3 * max(repeated[:num]) + 1e-9


def test_a_settled_warm_up_ends_at_the_minimum() -> None:
    steps = [0.25] * 41
    assert not warmed_up(steps[:40], elapsed_s=10.0, rule=DEFAULT)
    assert warmed_up(steps, elapsed_s=10.25, rule=DEFAULT)
    assert has_settled(steps, rule=DEFAULT)


def test_long_steps_are_judged_by_fewer_of_them_once_twice_the_minimum_has_passed() -> None:
    steps = [2.0] * 11
    assert not warmed_up(steps[:10], elapsed_s=20.0, rule=DEFAULT)
    assert warmed_up(steps, elapsed_s=22.0, rule=DEFAULT)
    assert not warmed_up([2.0, *(2.0 - 0.1 * step for step in range(11))], elapsed_s=22.0, rule=DEFAULT)


def test_a_warm_up_that_still_gets_faster_goes_on_until_its_cap_and_is_not_called_settled() -> None:
    falling = [1.0 / (1 + 0.1 * step) for step in range(60)]
    assert not warmed_up(falling, elapsed_s=12.0, rule=DEFAULT)
    assert warmed_up(falling, elapsed_s=60.0, rule=DEFAULT)
    assert not has_settled(falling, rule=DEFAULT)


def test_the_first_step_with_its_compilation_does_not_count_towards_settling() -> None:
    steps = [30.0] + [0.1] * 6
    assert warmed_up(steps, elapsed_s=1.0, rule=QUICK)
    assert not warmed_up(steps[:6], elapsed_s=1.0, rule=QUICK)


def test_steps_of_equal_mean_but_another_spread_have_not_settled() -> None:
    alternating = [0.05, 0.15] * 10
    assert not has_settled([0.1] * 21 + alternating, rule=DEFAULT)


def test_few_slow_steps_at_the_cap_are_compared_half_against_half() -> None:
    assert has_settled([9.0, 1.0, 1.005], rule=DEFAULT)
    assert not has_settled([9.0, 1.0, 1.5], rule=DEFAULT)
    assert not has_settled([1.0, 1.0], rule=DEFAULT)


def test_correlated_steps_are_worth_fewer_samples() -> None:
    generator = random.Random(3)
    walk, level = [], 0.0
    for _ in range(400):
        level = 0.95 * level + generator.gauss(0, 1)
        walk.append(1.0 + 0.01 * level)
    shuffled = random.Random(4).sample(walk, len(walk))
    assert has_converged(shuffled)
    assert not has_converged(walk)
    assert effective_samples(400, r1=0.95) == pytest.approx(400 * 0.05 / 1.95)


@pytest.mark.parametrize("degrees", [2, 3, 5, 10, 30, 1000])
def test_the_t_quantile_is_within_four_percent_of_the_exact_one(degrees: int) -> None:
    assert t_quantile_975(degrees) == pytest.approx(float(stats.t.ppf(0.975, degrees)), rel=0.04)


class CountedReads(Sequence[float]):
    """Durations that count how many of them are read."""

    def __init__(self, num: int) -> None:
        self.num, self.reads = num, 0

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, index: Any) -> Any:
        places = range(self.num)[index]
        self.reads += len(places) if isinstance(places, range) else 1
        return [duration(place) for place in places] if isinstance(places, range) else duration(places)


def duration(place: int) -> float:
    return 0.0001 * (1 + 0.5 * (place % 7))


def test_asking_between_steps_reads_few_of_them_and_seldom_any() -> None:
    reads = []
    for num in range(50_000, 51_000):
        steps = CountedReads(num)
        should_stop(steps, elapsed_s=5.5, rule=DEFAULT)
        reads.append(steps.reads)
    assert max(reads) <= SPAN_LIMIT
    assert sum(reads) <= SPAN_LIMIT

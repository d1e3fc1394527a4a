"""A time budget: windows shrink to a floor, and no case goes without its first trial."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Case
from aigc_bench.measure.budget import SMALLEST_SCALE, scaled, window_scale
from aigc_bench.measure.runner import expected_s
from aigc_bench.measure.stopping import LEVELS, MIN_STEPS

CASES = tuple(Case(workload="vae", preset="tiny", mode=mode, batch_size=size) for size in (1, 2, 4) for mode in ("train", "infer"))


def test_without_a_budget_nothing_shrinks() -> None:
    assert window_scale(CASES, level="default", budget_s=None) == 1.0
    assert scaled(LEVELS["default"], scale=1.0) is LEVELS["default"]


@given(first=st.floats(1, 5000), second=st.floats(1, 5000))
def test_more_budget_never_means_shorter_windows(first: float, second: float) -> None:
    less, more = sorted((first, second))
    assert window_scale(CASES, level="default", budget_s=less) <= window_scale(CASES, level="default", budget_s=more)


@given(st.sampled_from(sorted(LEVELS)), st.floats(SMALLEST_SCALE, 1.0))
def test_a_scaled_rule_shortens_every_time_and_still_asks_for_enough_steps(level: str, scale: float) -> None:
    rule, shrunk = LEVELS[level], scaled(LEVELS[level], scale=scale)
    for name in ("warmup_min_s", "warmup_cap_s", "window_min_s", "window_cap_s"):
        assert getattr(shrunk, name) <= getattr(rule, name)
    assert shrunk.window_min_s <= shrunk.window_cap_s
    assert shrunk.window_min_steps >= MIN_STEPS
    assert shrunk.num_trials == rule.num_trials


@given(st.floats(10, 3000))
def test_the_expected_time_keeps_the_budget_where_a_first_round_fits(budget_s: float) -> None:
    first_round_s = expected_s(CASES, level="default", budget_s=1.0)
    assert expected_s(CASES, level="default", budget_s=budget_s) <= max(budget_s, first_round_s) + 1e-9

"""Fitting a run into a time budget: windows first shrink towards a floor, then trials are left out, last rounds first.

Trials run round by round over the cases, so a budget that ends early costs every case its last trials, and none its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aigc_bench.core.records import Case
from aigc_bench.measure.schedule import expected_trial_s, process_s
from aigc_bench.measure.stopping import MIN_STEPS, StoppingRule, stopping_rule

WANTED_TRIALS = 3
"""Windows shrink until this number of trials of each case fits: a spread over trials is worth more than a long window."""
# Below a tenth a window says too little: trials are left out instead.
SMALLEST_SCALE = 0.1


def window_scale(cases: Sequence[Case], *, level: str, budget_s: float | None) -> float:
    """The factor, at most 1, by which warm-up and window times shrink so that ``WANTED_TRIALS`` of each case fit."""
    if budget_s is None:
        return 1.0
    rules = [stopping_rule(level, mode=case.mode) for case in cases]
    trials = min(WANTED_TRIALS, rules[0].num_trials)
    fixed_s = sum(process_s(case) for case in cases)
    full_s = sum(expected_trial_s(rule, case=case) for rule, case in zip(rules, cases, strict=True)) - fixed_s
    # Starting and building do not shrink with the window.
    available_s = budget_s / trials - fixed_s
    return max(SMALLEST_SCALE, min(1.0, available_s / full_s))


def scaled(rule: StoppingRule, *, scale: float) -> StoppingRule:
    """The rule with its times shrunk; never fewer than ``MIN_STEPS`` steps are required."""
    if scale >= 1:
        return rule
    return replace(
        rule,
        warmup_min_steps=max(MIN_STEPS, round(rule.warmup_min_steps * scale)),
        warmup_min_s=rule.warmup_min_s * scale,
        warmup_cap_s=rule.warmup_cap_s * scale,
        warmup_span=max(1, round(rule.warmup_span * scale)),
        window_min_steps=max(MIN_STEPS, round(rule.window_min_steps * scale)),
        window_min_s=rule.window_min_s * scale,
        window_cap_s=rule.window_cap_s * scale,
    )

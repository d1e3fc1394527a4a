"""When a warm-up is steady and when a window is long enough: pure rules over step durations, standard library only.

They are evaluated between steps, so an evaluation costs microseconds: convergence is looked at when the number of steps has grown
by about a tenth, and on no more than the last ``SPAN_LIMIT`` steps. The values are those of the practice (measure until the
95 % confidence half-width is 1 % of the mean, with an effective number of samples corrected for lag-1 autocorrelation).
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

StopReason = Literal["converged", "time_cap", "step_cap"]

SPAN_LIMIT = 512
"""Steps that the variance and autocorrelation are estimated from."""

SLOW_STEP_SPAN = 5
"""Steps compared with as many before them where twice the minimum time has passed before there are two full spans."""

MIN_STEPS = 3
"""No window has fewer steps, unless one step is longer than the cap."""


@dataclass(frozen=True, kw_only=True)
class StoppingRule:
    """How long to warm up and to measure. A cap ends either, even before its criterion is met."""

    level: str
    num_trials: int
    warmup_min_steps: int
    warmup_min_s: float
    warmup_cap_steps: int
    warmup_cap_s: float
    warmup_span: int
    warmup_tolerance: float
    warmup_quartile_tolerance: float
    window_min_steps: int
    window_min_s: float
    window_cap_steps: int
    window_cap_s: float
    half_width: float = 0.01


_DEFAULT = StoppingRule(
    level="default",
    num_trials=5,
    warmup_min_steps=10,
    warmup_min_s=5.0,
    warmup_cap_steps=200,
    warmup_cap_s=60.0,
    warmup_span=20,
    warmup_tolerance=0.01,
    warmup_quartile_tolerance=0.05,
    window_min_steps=10,
    window_min_s=5.0,
    window_cap_steps=100_000,
    window_cap_s=60.0,
)

_QUICK = StoppingRule(
    level="quick",
    num_trials=3,
    warmup_min_steps=3,
    warmup_min_s=0.3,
    warmup_cap_steps=50,
    warmup_cap_s=1.2,
    warmup_span=3,
    warmup_tolerance=0.10,
    warmup_quartile_tolerance=0.25,
    window_min_steps=5,
    window_min_s=1.0,
    window_cap_steps=20_000,
    window_cap_s=1.5,
)

# More and longer trials of the same: a warm-up that was steady for the default is steady here.
_RIGOROUS = replace(
    _DEFAULT,
    level="rigorous",
    num_trials=10,
    window_min_steps=30,
    window_min_s=10.0,
    window_cap_steps=200_000,
    window_cap_s=300.0,
)

LEVELS: dict[str, StoppingRule] = {rule.level: rule for rule in (_QUICK, _DEFAULT, _RIGOROUS)}


def stopping_rule(level: str, *, mode: str = "infer", has_energy: bool = False) -> StoppingRule:
    """The rule of a level (a key of ``LEVELS``): training warms up longer, energy needs a longer window.

    A total-energy counter refreshes every 100 ms: ten seconds hold the 100 refreshes that make its edges negligible. ``quick``
    takes three seconds and its energy is labelled ``estimated``.
    """
    rule = LEVELS[level]
    if mode == "train" and level != "quick":
        rule = replace(rule, warmup_min_steps=20, warmup_min_s=10.0)
    if has_energy and level == "quick":
        return replace(rule, window_min_s=3.0, window_cap_s=5.0)
    if has_energy:
        return replace(rule, window_min_s=max(10.0, rule.window_min_s))
    return rule


def warmed_up(durations_s: Sequence[float], *, elapsed_s: float, rule: StoppingRule) -> bool:
    """Whether the warm-up may end after these steps: the minimum is done and the step time is steady, or a cap is reached.

    The first step may hold compilation: it never counts towards settling, only towards the caps.
    """
    num = len(durations_s)
    if num and (elapsed_s >= rule.warmup_cap_s or num >= rule.warmup_cap_steps):
        return True
    if num < rule.warmup_min_steps or elapsed_s < rule.warmup_min_s:
        return False
    # Two full spans of steps that take seconds would be minutes.
    is_slow = elapsed_s > 2 * rule.warmup_min_s
    return num > 2 * min(rule.warmup_span, SLOW_STEP_SPAN if is_slow else rule.warmup_span) and has_settled(durations_s, rule=rule)


def has_settled(durations_s: Sequence[float], *, rule: StoppingRule) -> bool:
    """Whether the last steps are like those before them: mean within the tolerance, quartiles within theirs.

    Compares the last ``warmup_span`` steps with the ones before; where a cap left fewer, two halves of the steps besides
    the first step. This is what ``Warmup.converged`` says.
    """
    span = min(rule.warmup_span, (len(durations_s) - 1) // 2)
    if span < 1:
        return False
    last, previous = durations_s[-span:], durations_s[-2 * span : -span]
    if not _is_near(statistics.fmean(last), statistics.fmean(previous), tolerance=rule.warmup_tolerance):
        return False
    # Quartiles of one or two values say nothing.
    if span < 3:
        return True
    pairs = zip(statistics.quantiles(last, n=4), statistics.quantiles(previous, n=4), strict=True)
    return all(_is_near(a, b, tolerance=rule.warmup_quartile_tolerance) for a, b in pairs)


def should_stop(durations_s: Sequence[float], *, elapsed_s: float, rule: StoppingRule) -> StopReason | None:
    """Why the window may end after these steps, or ``None``. ``elapsed_s`` counts from the window's start."""
    num = len(durations_s)
    if num == 0:
        return None
    # A single step longer than the cap still gives a window.
    if elapsed_s >= rule.window_cap_s and (num >= MIN_STEPS or elapsed_s / num > rule.window_cap_s):
        return "time_cap"
    if num >= rule.window_cap_steps:
        return "step_cap"
    if num < rule.window_min_steps or elapsed_s < rule.window_min_s or not _is_checkpoint(num):
        return None
    return "converged" if has_converged(durations_s, half_width=rule.half_width) else None


def has_converged(durations_s: Sequence[float], *, half_width: float = 0.01) -> bool:
    """Whether the 95 % confidence half-width of the mean is at most ``half_width`` of it, with the effective number of samples."""
    num = len(durations_s)
    if num < MIN_STEPS:
        return False
    recent = durations_s[-SPAN_LIMIT:]
    mean = statistics.fmean(recent)
    deviations = [value - mean for value in recent]
    squares = math.fsum(d * d for d in deviations)
    # Constant but for rounding: r1 would be 0 / 0.
    if squares <= (1e-9 * mean) ** 2 * len(recent):
        return True
    r1 = math.fsum(a * b for a, b in itertools.pairwise(deviations)) / squares
    # All the steps count, though spread and r1 are estimated from the last ones.
    effective = effective_samples(num, r1=r1)
    if effective < 2:
        return False
    spread = math.sqrt(squares / (len(recent) - 1))
    return t_quantile_975(effective - 1) * spread / math.sqrt(effective) <= half_width * mean


def effective_samples(num: int, *, r1: float) -> float:
    """``n (1 - r1) / (1 + r1)``: how many independent samples ``num`` correlated ones are worth; never more than ``num``."""
    # A negative r1, mostly chance, would promise more information than there are steps; 1 would leave none.
    bounded = min(max(r1, 0.0), 0.999)
    return num * (1 - bounded) / (1 + bounded)


def t_quantile_975(degrees: float) -> float:
    """97.5 % quantile of Student's t: expansion about the normal (Abramowitz and Stegun 26.7.5), within 3 % from 2 degrees on."""
    z = 1.959963984540054
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def _is_checkpoint(num: int) -> bool:
    """Return whether to check after ``num`` steps: after each one up to 16, then every eighth to sixteenth part more."""
    return num <= 16 or num % (1 << (num.bit_length() - 4)) == 0


def _is_near(value: float, reference: float, *, tolerance: float) -> bool:
    return abs(value - reference) <= tolerance * abs(reference)

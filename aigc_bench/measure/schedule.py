"""Which trial runs when: round by round over all cases, shuffled within a round by the run's seed.

Every case gets its first trial before any gets its second, so that a run cut short has something of each; and no case is
always measured after the same neighbour.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aigc_bench.core.records import Case, TrialResult
from aigc_bench.measure.stopping import StoppingRule

FORKED_S = 1.5
SPAWNED_S = 20.0
"""Assumed cost of a trial besides warm-up and window: fork, or interpreter with imports and device context; build, first step."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One trial to run. ``trial`` counts from 0."""

    case: Case
    trial: int


def schedule(cases: Sequence[Case], *, num_trials: int, seed: int) -> list[Planned]:
    """All trials in the order they run."""
    shuffle = random.Random(seed)
    order: list[Planned] = []
    for trial in range(num_trials):
        in_round = list(cases)
        shuffle.shuffle(in_round)
        order += [Planned(case=case, trial=trial) for case in in_round]
    return order


def unfinished(order: Sequence[Planned], finished: Collection[TrialResult]) -> list[Planned]:
    """What is left to run: neither finished trials nor further trials of a case that failed."""
    done = {(trial.case, trial.trial) for trial in finished}
    # What failed once fails again: out of memory, unsupported, an error of the code.
    closed = {trial.case for trial in finished if trial.status != "ok"}
    return [planned for planned in order if planned.case.id not in closed and (planned.case.id, planned.trial) not in done]


def process_s(case: Case) -> float:
    """Return the assumed cost in seconds of a case's trial besides warm-up and window."""
    return FORKED_S if case.backend == "cpu" else SPAWNED_S


def expected_trial_s(rule: StoppingRule, *, case: Case) -> float:
    """A guess of one trial's time before anything was run: half-way between the rule's minima and its caps."""
    warmup_s = (rule.warmup_min_s + min(rule.warmup_cap_s, 2 * rule.warmup_min_s + 1)) / 2
    # Half-way to twice the minimum, since few windows run to their cap.
    window_s = (rule.window_min_s + min(rule.window_cap_s, 2 * rule.window_min_s)) / 2
    return process_s(case) + warmup_s + window_s


def remaining_s(left: Sequence[Planned], *, spent_s: Mapping[str, Sequence[float]], rule: StoppingRule) -> float:
    """Return the seconds that the other trials will take: each as its case's trials so far, the average one, or the guess."""
    all_spent = [seconds for trials in spent_s.values() for seconds in trials]
    total = 0.0
    for planned in left:
        known = spent_s.get(planned.case.id, ()) or all_spent
        total += sum(known) / len(known) if known else expected_trial_s(rule, case=planned.case)
    return total

"""Checkpoints: their interval, and the share of a training job's time that they and the interruptions cost.

    tau_opt  = sqrt(2 * C * MTTI)                        Young 1974; Daly 2006 (first order)
    lost     = C / tau + tau / (2 * MTTI) + R / MTTI     C seconds of stall for one checkpoint, R seconds to restart
             = sqrt(2 * C / MTTI) + R / MTTI             at tau_opt, at most ``MOST_LOST``
    MTTI     = accelerator-hours between interruptions / accelerators of the job

Llama 3 (Grattafiori et al. 2024) saw 419 unexpected interruptions in 54 days on 16,384 GPUs, one per 50,700 GPU-hours.
"""

from __future__ import annotations

import math

import numpy as np

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_HOUR
from aigc_bench.plan.records.demand import Job
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.stats.distributions import Array
from aigc_bench.plan.stats.estimates import combined

MOST_LOST = 0.95
"""Cap of the lost share: a job that is interrupted faster than it restarts never ends, and finds no fleet with this share."""
LOST = message("sqrt(2 x stall / MTTI) + restart / MTTI; MTTI = accelerator-hours between interruptions / accelerators")


def interval_s(stall_s: float, *, mtti_s: float) -> float:
    """Return the checkpoint interval that loses least: Young and Daly's sqrt(2 * C * MTTI)."""
    assert stall_s >= 0 and mtti_s > 0, "a checkpoint takes time and interruptions are not instant"
    # Where C / tau + tau / (2 MTTI) has its minimum: its derivative -C / tau^2 + 1 / (2 MTTI) is 0.
    return math.sqrt(2 * stall_s * mtti_s)


def overhead(stall_s: float, *, mtti_s: float, every_s: float | None = None, restart_s: float = 0.0) -> float:
    """Return the share of time lost with a checkpoint every ``every_s`` seconds (default: the optimal interval)."""
    period_s = interval_s(stall_s, mtti_s=mtti_s) if every_s is None else every_s
    # Without a stall the best interval is 0, and 0 / 0 is no share.
    stall = stall_s / period_s if stall_s > 0 else 0.0
    # A failure loses half an interval on average.
    return stall + period_s / (2 * mtti_s) + restart_s / mtti_s


def mtti_s(num_accelerators: float, *, hours: float) -> float:
    """Return the mean seconds between interruptions of a job on several accelerators, each interrupted every ``hours``."""
    assert num_accelerators > 0, "a job runs on something"
    # The failure of any accelerator interrupts the whole job, so failure rates add up.
    return hours / num_accelerators * SECONDS_PER_HOUR


def lost_shares(num_accelerators: Array, *, stall_s: Array, hours: Array, restart_s: Array) -> Array:
    """Return the share of time lost at the optimal interval, of shape (scenarios,) like its inputs.

    ``stall_s`` and ``restart_s`` in seconds, ``hours`` between two interruptions of one accelerator. Source: Young 1974; Daly 2006.
    """
    between_s = hours * SECONDS_PER_HOUR / num_accelerators
    # Both halves of the overhead are equal at the optimum: sqrt(C / (2 MTTI)) each.
    return np.asarray(np.minimum(MOST_LOST, np.sqrt(2 * stall_s / between_s) + restart_s / between_s))


def lost_share(job: Job, busy: Estimate, *, at_least: int, rules: Rules) -> Estimate | None:
    """Return the share of a training job's time that checkpoints and interruptions cost; ``None`` for a batch, which has neither.

    ``busy`` accelerators would do the job without them, in whole replicas of ``at_least``.
    """
    if job.mode != "train":
        return None
    stall, hours, restart = stall_of(job, rules), rules.hours_between_interruptions, rules.restart_s
    # The loss falls with the hours between interruptions, so these take the opposite end.
    other = {"value": "value", "low": "high", "high": "low"}
    ends = {
        end: min(
            MOST_LOST,
            overhead(
                getattr(stall, end),
                # A small job still occupies one whole replica, which fails as a whole.
                mtti_s=mtti_s(max(getattr(busy, end), at_least), hours=getattr(hours, other[end])),
                restart_s=getattr(restart, end),
            ),
        )
        for end in other
    }
    found = Estimate(**ends, unit="fraction", basis=combined((busy, stall, hours, restart)), source=LOST)
    per_s = "max({0}, {4}) / ({2} * 3600)"
    # {1}: stall, {2}: hours between interruptions, {3}: restart, {0} and {4}: accelerators, which make 1 / MTTI.
    words = f"min({MOST_LOST}, (2 * {{1}} * {per_s}) ** 0.5 + {{3}} * {per_s})"
    return record(found, Derivation(words, (busy, stall, hours, restart, float(at_least)), LOST))


def stall_of(job: Job, rules: Rules) -> Estimate:
    """Return the seconds that one checkpoint stalls the job: as the demand states, else by the rules."""
    return job.checkpoints.stall_s or rules.checkpoint_stall_s

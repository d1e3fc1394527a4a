"""Checkpoints: how often, and what share of a training job's time they and the interruptions cost.

    tau_opt  = sqrt(2 * C * MTTI)                        Young 1974; Daly 2006 (first order)
    lost     = C / tau + tau / (2 * MTTI) + R / MTTI     C seconds of stall for one checkpoint, R seconds to restart
             = sqrt(2 * C / MTTI) + R / MTTI             at tau_opt, at most ``MOST_LOST``
    MTTI     = accelerator-hours between interruptions / accelerators of the job

Llama 3 (Grattafiori et al. 2024) saw 419 unexpected interruptions in 54 days on 16,384 GPUs, one per 50,700 GPU-hours.
"""

from __future__ import annotations

import math

import numpy as np

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_HOUR
from aigc_bench.plan.records.demand import Job
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.stats.distributions import Array
from aigc_bench.plan.stats.estimates import combined

MOST_LOST = 0.95
"""Where interruptions come faster than a job starts again it never ends; it is planned with this share, and finds no fleet."""
LOST = "sqrt(2 x stall / MTTI) + restart / MTTI; MTTI = accelerator-hours between interruptions / accelerators"


def interval_s(stall_s: float, *, mtti_s: float) -> float:
    """The time between checkpoints that loses least: Young and Daly's sqrt(2 * C * MTTI)."""
    assert stall_s >= 0 and mtti_s > 0, "a checkpoint takes time and interruptions are not instant"
    return math.sqrt(2 * stall_s * mtti_s)


def overhead(stall_s: float, *, mtti_s: float, every_s: float | None = None, restart_s: float = 0.0) -> float:
    """Share of the time that is lost with a checkpoint every ``every_s`` seconds (the best interval where not told)."""
    period_s = interval_s(stall_s, mtti_s=mtti_s) if every_s is None else every_s
    stall = stall_s / period_s if stall_s > 0 else 0.0
    return stall + period_s / (2 * mtti_s) + restart_s / mtti_s


def mtti_s(num_accelerators: float, *, hours: float) -> float:
    """Mean seconds between interruptions of a job on so many accelerators, one of which is interrupted every ``hours``."""
    assert num_accelerators > 0, "a job runs on something"
    return hours / num_accelerators * SECONDS_PER_HOUR


def lost_shares(num_accelerators: Array, *, stall_s: Array, hours: Array, restart_s: Array) -> Array:
    """Share of the time that is lost at the best interval, of many worlds at once."""
    between_s = hours * SECONDS_PER_HOUR / num_accelerators
    return np.asarray(np.minimum(MOST_LOST, np.sqrt(2 * stall_s / between_s) + restart_s / between_s))


def lost_share(job: Job, busy: Estimate, *, at_least: int, rules: Rules) -> Estimate | None:
    """Share of a training job's time that checkpoints and interruptions cost; ``None`` for a batch, which saves nothing.

    ``busy`` accelerators would do the job without them, whole replicas of ``at_least`` at the least.
    """
    if job.mode != "train":
        return None
    stall, hours, restart = stall_of(job, rules), rules.hours_between_interruptions, rules.restart_s
    other = {"value": "value", "low": "high", "high": "low"}
    ends = {
        end: min(
            MOST_LOST,
            overhead(
                getattr(stall, end),
                mtti_s=mtti_s(max(getattr(busy, end), at_least), hours=getattr(hours, other[end])),
                restart_s=getattr(restart, end),
            ),
        )
        for end in other
    }
    return Estimate(**ends, unit="fraction", basis=combined((busy, stall, hours, restart)), source=LOST)


def stall_of(job: Job, rules: Rules) -> Estimate:
    """Seconds that saving one checkpoint stops the job: as the demand allows, else as usual."""
    return job.checkpoints.stall_s or rules.checkpoint_stall_s

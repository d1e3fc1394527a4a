"""Checkpoints: how large, how often, and what share of the time they and the interruptions cost.

    tau_opt  = sqrt(2 * C * MTTI)                        Young 1974; Daly 2006 (first order)
    overhead = C / tau + tau / (2 * MTTI) + R / MTTI     C seconds of stall for one checkpoint, R seconds to restart

``MTTI`` of a job falls with its size: Llama 3 (Grattafiori et al. 2024) saw 419 unexpected interruptions in 54 days on 16,384
GPUs, one per 50,700 GPU-hours.
"""

from __future__ import annotations

import math

from aigc_bench.core.units import SECONDS_PER_HOUR

GPU_HOURS_PER_INTERRUPTION = 50_700.0
BYTES_PER_PARAM_MIXED = 14.0
"""bf16 weights 2 + fp32 master weights 4 + two Adam moments 8; published checkpoints are 13-15 (planning figure)."""


def interval_s(checkpoint_s: float, *, mtti_s: float) -> float:
    """The time between checkpoints that loses least: Young and Daly's sqrt(2 * C * MTTI)."""
    assert checkpoint_s >= 0 and mtti_s > 0, "a checkpoint takes time and interruptions are not instant"
    return math.sqrt(2 * checkpoint_s * mtti_s)


def overhead(checkpoint_s: float, *, mtti_s: float, every_s: float | None = None, restart_s: float = 0.0) -> float:
    """Share of the time that is lost with a checkpoint every ``every_s`` seconds (the best interval where not told)."""
    period_s = interval_s(checkpoint_s, mtti_s=mtti_s) if every_s is None else every_s
    stall = checkpoint_s / period_s if checkpoint_s > 0 else 0.0
    return stall + period_s / (2 * mtti_s) + restart_s / mtti_s


def mtti_s(num_accelerators: int, *, gpu_hours: float = GPU_HOURS_PER_INTERRUPTION) -> float:
    """Mean time to interruption of a job on that many accelerators, in seconds."""
    assert num_accelerators >= 1, "a job runs on at least one accelerator"
    return gpu_hours / num_accelerators * SECONDS_PER_HOUR


def checkpoint_bytes(num_params: float, *, bytes_per_param: float = BYTES_PER_PARAM_MIXED) -> float:
    """Size of a full training checkpoint: weights, master weights and Adam's two moments."""
    return num_params * bytes_per_param


def write_s(num_bytes: float, *, bandwidth_bytes_per_s: float) -> float:
    """Seconds that storage of that aggregate write bandwidth needs for one checkpoint."""
    assert bandwidth_bytes_per_s > 0, "storage that writes nothing never finishes"
    return num_bytes / bandwidth_bytes_per_s


def bandwidth_for_stall_bytes_per_s(num_bytes: float, *, stall_s: float) -> float:
    """Aggregate write bandwidth that finishes a checkpoint within the stall that is allowed."""
    assert stall_s > 0, "no checkpoint is written in no time"
    return num_bytes / stall_s

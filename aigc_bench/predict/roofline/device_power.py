"""Mean power of a device under load: idle, and a share of what the cap leaves that grows with utilisation.

``P = idle + s (min(cap, TDP) - idle)``, ``s`` between three published levels by how busy memory and arithmetic are: 45-75 % where
memory bounds the work, 75-100 % where arithmetic does (Zeus power sweeps, ML.ENERGY), and little more than idle where the device
waits for its host with its clocks up (assumed: an H100 with an idle context draws 110 to 140 W of 700).
"""

from __future__ import annotations

import numpy as np

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.predict.fitting.effects import Floats

# Shares of the watts between idle and limit: low, value, high.
_WAITING = (0.05, 0.10, 0.20)
_MEMORY_BOUND = (0.45, 0.60, 0.75)
_COMPUTE_BOUND = (0.75, 0.95, 1.0)
_IDLE_SHARE = 0.15
"""Idle watts over TDP where the catalogue has none (assumed)."""
BUSY_MEMORY = 0.6
"""Share of the bandwidth from which memory is taken to be busy all the time."""
BUSY_ARITHMETIC = 0.3
"""MFU from which arithmetic is taken to be busy all the time: FLUX draws 98 % of an H100's limit at an MFU of 0.33, 90 % of a
B200's at 0.22 (ML.ENERGY v3)."""


def mean_power_w(
    spec: AcceleratorSpec, *, busy_share: float, memory_share: float = 1.0, cap_w: float | None = None
) -> Estimate | None:
    """Watts of one device whose arithmetic is busy for ``busy_share`` (0 to 1) of the time, its memory for ``memory_share``.

    ``None`` without a known TDP.
    """
    if spec.tdp_w is None:
        return None
    limit = min(spec.tdp_w, cap_w) if cap_w else spec.tdp_w
    low, value, high = (
        float(_watts(spec, np.asarray(busy_share), np.asarray(memory_share), limit_w=limit, end=end)) for end in range(3)
    )
    return Estimate(
        value=value, low=low, high=high, unit="W", basis="modelled", source=message("power.py: published means by bound")
    )


def mean_watts(spec: AcceleratorSpec, *, busy_share: Floats, memory_share: Floats | None = None) -> Floats | None:
    """Return the middle value of ``mean_power_w`` in watts for an array of shares."""
    if spec.tdp_w is None:
        return None
    return _watts(spec, busy_share, np.ones(1) if memory_share is None else memory_share, limit_w=spec.tdp_w, end=1)


def _watts(spec: AcceleratorSpec, busy_share: Floats, memory_share: Floats, *, limit_w: float, end: int) -> Floats:
    assert spec.tdp_w is not None, "only parts with a TDP get here"
    # A cap may lie below idle: then that is all there is.
    idle = min(spec.idle_w if spec.idle_w is not None else _IDLE_SHARE * spec.tdp_w, limit_w)
    # Two interpolations, first by memory, then by arithmetic: busy arithmetic draws the most whatever memory does.
    without_arithmetic = _WAITING[end] + np.clip(memory_share, 0.0, 1.0) * (_MEMORY_BOUND[end] - _WAITING[end])
    share = without_arithmetic + np.clip(busy_share, 0.0, 1.0) * (_COMPUTE_BOUND[end] - without_arithmetic)
    watts: Floats = idle + share * (limit_w - idle)
    return watts

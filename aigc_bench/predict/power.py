"""Mean power of a device under load: idle, and a share of what the cap leaves that grows with utilisation.

``P = idle + u (min(cap, TDP) - idle)`` with u by how busy the arithmetic is: published means of single devices lie at 45-75 % of
TDP where memory bounds the work and at 70-98 % where arithmetic does (Zeus power sweeps, ML.ENERGY).
"""

from __future__ import annotations

import numpy as np

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.records import Estimate
from aigc_bench.predict.effects import Floats

_MEMORY_BOUND = (0.45, 0.60, 0.75)
_COMPUTE_BOUND = (0.70, 0.86, 0.98)
_IDLE_SHARE = 0.15
"""Idle watts over TDP where the catalogue has none (assumed)."""


def mean_power_w(spec: AcceleratorSpec, *, busy_share: float, cap_w: float | None = None) -> Estimate | None:
    """Watts of one device whose arithmetic is busy for ``busy_share`` (0 to 1) of the time; ``None`` without a known TDP."""
    if spec.tdp_w is None:
        return None
    limit = min(spec.tdp_w, cap_w) if cap_w else spec.tdp_w
    low, value, high = (float(_watts(spec, np.asarray(busy_share), limit_w=limit, end=end)) for end in range(3))
    return Estimate(value=value, low=low, high=high, unit="W", basis="modelled", source="power.py: published means by bound")


def mean_watts(spec: AcceleratorSpec, *, busy_share: Floats) -> Floats | None:
    """The middle of ``mean_power_w`` for many shares at once."""
    return None if spec.tdp_w is None else _watts(spec, busy_share, limit_w=spec.tdp_w, end=1)


def _watts(spec: AcceleratorSpec, busy_share: Floats, *, limit_w: float, end: int) -> Floats:
    assert spec.tdp_w is not None, "asked for parts with a TDP only"
    idle = min(spec.idle_w if spec.idle_w is not None else _IDLE_SHARE * spec.tdp_w, limit_w)
    busy = np.clip(busy_share, 0.0, 1.0)
    watts: Floats = idle + (_MEMORY_BOUND[end] + busy * (_COMPUTE_BOUND[end] - _MEMORY_BOUND[end])) * (limit_w - idle)
    return watts

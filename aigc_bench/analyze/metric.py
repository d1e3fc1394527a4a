"""What a metric is: a row of the registry (``analyze.metrics``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]
Kind = Literal["speed", "latency", "share", "memory", "energy", "use", "spread", "quality"]
"""What reasons apply to a metric: a throttled clock changes speed, latency and energy, but not memory."""

TRIALS = "trials"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. ``unit`` and ``name`` hold ``{item}`` or ``{stage}`` where they depend on the workload."""

    id: str
    name: str
    unit: str
    formula: str
    n_means: str = TRIALS
    source: str = "aigc-bench"
    kind: Kind
    better: Better | None = None
    is_compared: bool = False
    """Whether ``compare`` tests it: the few that a regression would show in, so that the family of tests stays small."""

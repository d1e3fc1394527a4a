"""Equipment that powers the racks: feeds of each, and UPS capacity with its redundancy.

feeds of a rack = ceil(rack peak / continuous load of a feed), on two paths each for the whole rack
installed UPS   = load x (n + 1) / n, 4/3, 3/2 or 2
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from aigc_bench.core.records import Record
from aigc_bench.core.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR

Redundancy = Literal["N", "N+1", "4N/3", "3N/2", "2N"]
HOURS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_HOUR
SHARES: dict[Redundancy, float] = {"N": 1.0, "4N/3": 4 / 3, "3N/2": 1.5, "2N": 2.0}
"""Installed over needed capacity; N+1 depends on the number of modules."""


class Feeds(Record):
    """Feeds of one rack. ``capacity_w`` is the continuous load of one; with ``paths`` 2 either path carries the whole rack."""

    per_path: int
    paths: int = Field(ge=1, le=2)
    capacity_w: float

    @property
    def total(self) -> int:
        """Return the number of feeds, one PDU each."""
        return self.per_path * self.paths


def installed_share(redundancy: Redundancy, *, modules: int) -> float:
    """Return installed over needed capacity; of N+1 with ``modules`` needed ones (n + 1) / n."""
    assert modules >= 1, "a system has at least one module"
    return (modules + 1) / modules if redundancy == "N+1" else SHARES[redundancy]


def feeds_for(rack_peak_w: float, *, feed_w: float, is_dual: bool = True) -> Feeds:
    """Return the feeds of ``feed_w`` continuous watts that carry a rack, on two independent paths where ``is_dual``."""
    assert rack_peak_w >= 0 and feed_w > 0, "a feed has a positive capacity"
    return Feeds(per_path=max(1, math.ceil(rack_peak_w / feed_w - 1e-9)), paths=2 if is_dual else 1, capacity_w=feed_w)

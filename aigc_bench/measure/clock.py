"""The run's clock: one monotonic clock, anchored once per session to Unix time, shared by parent, worker and sampler.

``CLOCK_MONOTONIC`` counts the same nanoseconds in every process of a machine, so two numbers handed to a child are enough to
align its timestamps with ours. A step of the system's clock (NTP, a suspended laptop) cannot bend a window: Unix time is read once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

SESSION_GAP_S = 1.0
"""A run that is resumed under a clock that was set back continues this long after its last reading: timestamps stay unique."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Unix seconds that advance with ``time.monotonic_ns``. Both fields are plain numbers: pass them to a child process."""

    anchor_unix_s: float
    anchor_monotonic_ns: int

    @classmethod
    def start(cls, *, not_before_s: float = 0.0) -> Clock:
        """Anchor a new clock at this moment, or just behind ``not_before_s`` where the system's clock was set back beyond it."""
        # The system's clock is read between two readings of the other: the anchor errs by half their distance at most.
        before_ns = time.monotonic_ns()
        unix_s = time.time()
        after_ns = time.monotonic_ns()
        if unix_s <= not_before_s:
            unix_s = not_before_s + SESSION_GAP_S
        return cls(anchor_unix_s=unix_s, anchor_monotonic_ns=(before_ns + after_ns) // 2)

    def now_s(self) -> float:
        """This moment in Unix seconds of the run's clock."""
        return self.at(time.monotonic_ns())

    def at(self, monotonic_ns: int) -> float:
        """The moment of a ``time.monotonic_ns`` (on Linux also ``time.perf_counter_ns``) reading, in Unix seconds."""
        return self.anchor_unix_s + (monotonic_ns - self.anchor_monotonic_ns) / 1e9

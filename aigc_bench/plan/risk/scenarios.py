"""Drawn worlds: every input has a stream of its own that depends on its name and the seed alone.

So the same world is drawn for every option, whatever other options there are and in whichever order they come. A fraction is cut
off at 1. The first worlds of many are the worlds of few.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aigc_bench.core.records import Estimate
from aigc_bench.plan.stats.distributions import Array, normals, spread

Flags: TypeAlias = npt.NDArray[np.bool_]
"""Worlds in which something holds."""
NUM_SCENARIOS = 2048
"""Worlds of the options that are looked at closely: a probability of 0.9 is then known to +- 0.7 % (one standard error)."""


class Scenarios:
    """``num`` worlds. ``inputs`` remembers what was drawn, by name."""

    def __init__(self, num: int = NUM_SCENARIOS, *, seed: int = 0) -> None:
        self.num, self.seed = num, seed
        self.inputs: dict[str, Array] = {}
        self._normals: dict[str, Array] = {}
        self._drawn: dict[tuple[str, float, float, float, str], Array] = {}

    def of(self, name: str, estimate: Estimate) -> Array:
        """An estimate in every world, in its unit. What is exact is the same in all."""
        key = (name, estimate.low, estimate.value, estimate.high, estimate.unit)
        if key not in self._drawn:
            found = self._draw(name, estimate)
            found.setflags(write=False)
            self._drawn[key] = found
        if estimate.low < estimate.high:
            self.inputs[name] = self._drawn[key]
        return self._drawn[key]

    def ratio(self, name: str, estimate: Estimate) -> Array:
        """The same over its middle value; 1 where that is 0."""
        if estimate.value == 0:
            return np.ones(self.num)
        return np.asarray(self.of(name, estimate) / estimate.value)

    def normals(self, name: str) -> Array:
        """Standard normals of a name."""
        if name not in self._normals:
            self._normals[name] = normals(name, num=self.num, seed=self.seed)
        return self._normals[name]

    def _draw(self, name: str, estimate: Estimate) -> Array:
        if estimate.low == estimate.high:
            return np.full(self.num, estimate.value)
        found = spread(estimate, self.normals(name))
        return np.minimum(found, 1.0) if estimate.unit == "fraction" else found


class Middle(Scenarios):
    """The one world in which every input has its middle value."""

    def __init__(self) -> None:
        super().__init__(1)

    def of(self, name: str, estimate: Estimate) -> Array:
        """The middle value."""
        return np.full(1, estimate.value)

    def normals(self, name: str) -> Array:
        """The middle of the normal distribution."""
        return np.zeros(1)

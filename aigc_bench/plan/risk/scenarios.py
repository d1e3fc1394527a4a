"""Monte Carlo scenarios: every input has a random stream of its own that depends on its name and the seed alone.

So every option is computed in the same scenarios, whatever the other options and their order. A fraction is cut off at 1. The
first scenarios of a large number are those of a small number.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aigc_bench.core.records import Estimate
from aigc_bench.plan.stats.distributions import Array, normals, spread

Flags: TypeAlias = npt.NDArray[np.bool_]
"""Per scenario, whether something holds."""
NUM_SCENARIOS = 2048
"""Scenarios of the closely computed options: a probability of 0.9 has a standard error of 0.7 percentage points."""


class Scenarios:
    """``num`` scenarios. ``inputs`` records what was sampled, by name."""

    def __init__(self, num: int = NUM_SCENARIOS, *, seed: int = 0) -> None:
        self.num, self.seed = num, seed
        self.inputs: dict[str, Array] = {}
        self._normals: dict[str, Array] = {}
        self._drawn: dict[tuple[str, float, float, float, str], Array] = {}

    def of(self, name: str, estimate: Estimate) -> Array:
        """Return an estimate in every scenario, in its unit. An exact value is the same in all."""
        key = (name, estimate.low, estimate.value, estimate.high, estimate.unit)
        if key not in self._drawn:
            found = self._draw(name, estimate)
            found.setflags(write=False)
            self._drawn[key] = found
        if estimate.low < estimate.high:
            self.inputs[name] = self._drawn[key]
        return self._drawn[key]

    def ratio(self, name: str, estimate: Estimate) -> Array:
        """Return the samples over the central value; 1 where that is 0."""
        if estimate.value == 0:
            return np.ones(self.num)
        return np.asarray(self.of(name, estimate) / estimate.value)

    def normals(self, name: str) -> Array:
        """Return standard normal samples for a name."""
        if name not in self._normals:
            self._normals[name] = normals(name, num=self.num, seed=self.seed)
        return self._normals[name]

    def _draw(self, name: str, estimate: Estimate) -> Array:
        if estimate.low == estimate.high:
            return np.full(self.num, estimate.value)
        found = spread(estimate, self.normals(name))
        return np.minimum(found, 1.0) if estimate.unit == "fraction" else found


class Middle(Scenarios):
    """The single scenario in which every input has its central value."""

    def __init__(self) -> None:
        super().__init__(1)

    def of(self, name: str, estimate: Estimate) -> Array:
        """Return the central value."""
        return np.full(1, estimate.value)

    def normals(self, name: str) -> Array:
        """Return 0, the median of the normal distribution."""
        return np.zeros(1)

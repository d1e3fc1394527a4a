"""Whether two runs met the machine in the same condition: other programs' share of the CPU, steal, and the reference kernel's time.

Trials are fresh processes, but they share their hour. Where a neighbour came between two runs their trials differ for certain and
the program does not: seen for real as +275 % with p = 0.0003, when others' share of the CPU went from a third to three quarters.
Such a difference is not decided, even where the test finds it significant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from aigc_bench.analyze.drift import reference_mean_s
from aigc_bench.analyze.sensing import Scene, others_share
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record

MAX_OTHERS_CHANGE = 0.10
MAX_STEAL_CHANGE = 0.02
MAX_REFERENCE_CHANGE = 0.10
EXPLAINED = 0.5


class Condition(Record):
    """One condition of the machine during a case's trials, mean over the trials of each run; higher is worse."""

    name: str
    unit: str
    base: float
    other: float

    @property
    def got_worse(self) -> bool:
        """Return whether the other run was measured under the worse condition."""
        return self.other > self.base


def conditions(base: Sequence[Scene], other: Sequence[Scene], *, is_same_kernel: bool) -> tuple[Condition, ...]:
    """Return every condition that is known of both; the reference kernel's time only where hardware and torch are the same."""
    probes = {name: probe for name, probe in _PROBES.items() if is_same_kernel or name != "reference kernel"}
    return tuple(_known(base, other, probes=probes))


def changed(found: Sequence[Condition], *, effect: float) -> tuple[Condition, ...]:
    """Those that differ: by more than their bound, or the reference kernel by half of the effect that it is to explain."""
    return tuple(condition for condition in found if _differs(condition, effect=effect))


def _known(base: Sequence[Scene], other: Sequence[Scene], *, probes: Mapping[str, _Probe]) -> Iterator[Condition]:
    for name, (unit, read) in probes.items():
        before, after = ([value for scene in scenes if (value := read(scene)) is not None] for scenes in (base, other))
        if before and after:
            yield Condition(name=name, unit=unit, base=float(np.mean(before)), other=float(np.mean(after)))


def _differs(condition: Condition, *, effect: float) -> bool:
    difference = abs(condition.other - condition.base)
    if condition.name == "reference kernel":
        # A small effect is in doubt already by a small shift of the machine.
        return difference / condition.base > min(MAX_REFERENCE_CHANGE, EXPLAINED * abs(effect))
    return difference > (MAX_STEAL_CHANGE if condition.name == "steal" else MAX_OTHERS_CHANGE)


def _steal(scene: Scene) -> float | None:
    steal = scene.host("cpu_steal").value
    return float(steal.mean()) if steal.size else None


_Probe = tuple[str, Callable[[Scene], float | None]]
_PROBES: Mapping[str, _Probe] = {
    message("others' share of the CPU"): ("fraction", others_share),
    message("steal"): ("fraction", _steal),
    message("reference kernel"): ("s", lambda scene: reference_mean_s(scene.trial)),
}

"""Traces the stages of one step: what is repeated, at the fewest repeats that determine all of them.

The first and the last repeat are run; where they are equal, all are. Otherwise repeats are run in order, since a stage may
depend on its index or on what earlier repeats left behind: from where two are equal, or grow by a straight line, the rest follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aigc_bench.core.records import Stage
from aigc_bench.predict.tracing.optrace import Operator, Point, Shape, StageTrace
from aigc_bench.predict.tracing.recorder import Recorder
from aigc_bench.workloads.base import Program

_QUANTITIES = ("flops", "params_read_bytes", "cache_read_bytes", "other_read_bytes", "written_bytes")
_PROBED = 4
"""Repeats run in order to find how a stage grows: one that starts up, and three on a line."""


class StageTracer:
    """Runs the stages of one program under a recorder; ``resident_bytes`` is what lives between steps."""

    def __init__(self, program: Program, *, stages: Sequence[Stage], recorder: Recorder) -> None:
        self._program = program
        self._stages = stages
        self._recorder = recorder
        self._resident_bytes = recorder.storages.current

    def trace(self) -> tuple[StageTrace, ...]:
        """One step, stage by stage."""
        storages = self._recorder.storages
        traced: list[StageTrace] = []
        self._program.begin(0)
        for index, stage in enumerate(self._stages):
            storages.epoch = index
            points = self._points(index, stage)
            traced.append(StageTrace(**stage.model_dump(exclude={"on_host"}), points=points))
        # What the stage left alive at the end of the step, by the stage (epoch) that made it.
        kept = [storages.num_bytes(epoch=index) for index in range(len(traced))]
        # From this stage on: leftovers of earlier stages have been replaced by the time it runs.
        return tuple(_holding(stage, held_bytes=sum(kept[index:])) for index, stage in enumerate(traced))

    def _points(self, index: int, stage: Stage) -> tuple[Point, ...]:
        first = self._run(stage, 0)
        if stage.repeats == 1:
            return (first,)
        # Out of order, right after the first: stages take their repeat's index, so most need no more than these two.
        last = self._run(stage, stage.repeats - 1)
        if first.operators == last.operators:
            return (_standing(last, weight=stage.repeats),)
        # The last repeat ran out of order and may have filled caches: begin from a clean step.
        self._rewind(index)
        probed = [self._run(stage, repeat) for repeat in range(min(_PROBED, stage.repeats))]
        if stage.repeats <= _PROBED:
            return tuple(probed)
        return follow(probed, last, repeats=stage.repeats) or self._unrolled(index, stage)

    def _unrolled(self, index: int, stage: Stage) -> tuple[Point, ...]:
        self._rewind(index)
        return tuple(self._run(stage, repeat) for repeat in range(stage.repeats))

    def _rewind(self, index: int) -> None:
        """Begin the step anew and go to the stage at ``index``."""
        self._program.begin(0)
        for stage in self._stages[:index]:
            for repeat in range(stage.repeats):
                self._program.stages[stage.name](repeat)

    def _run(self, stage: Stage, repeat: int) -> Point:
        recorder = self._recorder
        # Peaks are per repeat and start from what is alive now.
        recorder.storages.restart()
        recorder.is_recording = True
        try:
            self._program.stages[stage.name](repeat)
        finally:
            recorder.is_recording = False
        peak = recorder.storages.peak - self._resident_bytes
        return Point(repeat=repeat, weight=1.0, peak_bytes=max(0, peak), operators=recorder.take())


def follow(probed: Sequence[Point], last: Point, *, repeats: int) -> tuple[Point, ...] | None:
    """Points that stand for all ``repeats``, given the first ones in order and the last one by its index out of order.

    Constant from the second on, or growing by a straight line from there; ``None`` where it is neither.
    """
    # The first repeat may start up (fill a cache, make masks), so it never takes part in the line.
    start, second, third, fourth = probed
    remaining = repeats - 1
    if second.operators == third.operators == fourth.operators:
        if last.operators == second.operators:
            return start, _standing(second, weight=remaining)
        # Of five repeats four have run in order: running all of them is exact and costs one more.
        if repeats == _PROBED + 1:
            return None
        return start, _standing(second, weight=remaining - 1), last
    # From second by two steps of (third - second) one must land on the fourth, in every shape and byte.
    if grown(second, third, steps=2) != fourth:
        return None
    # The last repeat has index repeats - 1, the second has index 1.
    end = grown(second, third, steps=repeats - 2)
    if end is None:
        return None
    # A straight line's sum is the mean of its ends times their number.
    return start, _standing(second, weight=remaining / 2), _standing(end, weight=remaining / 2)


def grown(point: Point, following: Point, *, steps: int) -> Point | None:
    """The point ``steps`` repeats on, if every quantity goes on as it does to ``following``; ``None`` if the two do not match."""
    if len(point.operators) != len(following.operators):
        return None
    pairs = zip(point.operators, following.operators, strict=True)
    operators = [_grown_operator(before, after, steps=steps) for before, after in pairs]
    if any(operator is None for operator in operators):
        return None
    return Point(
        repeat=point.repeat + steps,
        weight=1.0,
        peak_bytes=_line(point.peak_bytes, following.peak_bytes, steps),
        operators=tuple(operator for operator in operators if operator is not None),
    )


def _grown_operator(before: Operator, after: Operator, *, steps: int) -> Operator | None:
    # What must not change along a line; shapes and quantities may grow.
    fixed = ("name", "kind", "phase", "dtype", "count", "is_causal")
    if any(getattr(before, name) != getattr(after, name) for name in fixed):
        return None
    inputs = _grown_shapes(before.inputs, after.inputs, steps=steps)
    outputs = _grown_shapes(before.outputs, after.outputs, steps=steps)
    if inputs is None or outputs is None:
        return None
    quantities: dict[str, Any] = {name: _line(getattr(before, name), getattr(after, name), steps) for name in _QUANTITIES}
    return before.model_copy(update={**quantities, "inputs": inputs, "outputs": outputs})


def _grown_shapes(before: tuple[Shape, ...], after: tuple[Shape, ...], *, steps: int) -> tuple[Shape, ...] | None:
    if [len(shape) for shape in before] != [len(shape) for shape in after]:
        return None
    return tuple(
        tuple(_line(size, next_size, steps) for size, next_size in zip(shape, next_shape, strict=True))
        for shape, next_shape in zip(before, after, strict=True)
    )


def _line(before: int, after: int, steps: int) -> int:
    return before + steps * (after - before)


def _standing(point: Point, *, weight: float) -> Point:
    return point.model_copy(update={"weight": float(weight)})


def _holding(stage: StageTrace, *, held_bytes: int) -> StageTrace:
    """In every step but the first, what the previous one left behind is alive until the same stage replaces it."""
    points = tuple(point.model_copy(update={"peak_bytes": point.peak_bytes + held_bytes}) for point in stage.points)
    return stage.model_copy(update={"points": points})

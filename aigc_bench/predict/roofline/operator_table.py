"""A traced step as arrays, so that its roofline is computed for many batch sizes together; the formula is ``roofline``'s.

Two traces of one program, at batch 1 and 2, have the same operators in the same order, and FLOPs and bytes that are affine in the
batch. So every batch size follows from the two. Where the operators differ (an algorithm that changes with the batch),
``tables`` traces each batch size by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.predict.engines import EngineCosts
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.roofline import roofline
from aigc_bench.predict.tracing.optrace import Operator, OpTrace


@dataclass(frozen=True, kw_only=True)
class OperatorTable:
    """Operators of all points of a step: rows are operators, columns batch sizes.

    ``point`` indexes the point an operator belongs to, ``weight`` and ``stage`` describe the points. Bytes of ``memory`` are
    peaks of live tensors and of what the allocator holds, per batch size.
    """

    batches: tuple[int, ...]
    stage_names: tuple[str, ...]
    stage: tuple[int, ...]
    repeats: tuple[int, ...]
    weight: Floats
    point: Floats
    kinds: tuple[str, ...]
    dtypes: tuple[str, ...]
    is_forward: Floats
    count: Floats
    flops: Floats
    moved_bytes: Floats
    items: Floats
    peak_bytes: Floats
    params_bytes: int
    num_params: int
    gradient_bytes: int
    item: str

    @property
    def step_flops(self) -> Floats:
        """FLOPs of a step, per batch size."""
        total: Floats = (self.flops * (self.count * self.weight[self.point.astype(int)])[:, None]).sum(axis=0)
        return total

    def step_bytes(self, costs: EngineCosts) -> Floats:
        """Bytes that a step moves under an engine's fusion, per batch size."""
        fused = np.array([costs.unfused_share if kind in roofline.FUSIBLE else 1.0 for kind in self.kinds])
        total: Floats = (self.moved_bytes * (fused * self.count * self.weight[self.point.astype(int)])[:, None]).sum(axis=0)
        return total


_FAR = 8
"""Batch size that a line is drawn to: small enough to be traced quickly, far enough that memory shows how it grows."""


def tables(case: Case, batches: Sequence[int], *, trace: Callable[[Case], OpTrace]) -> tuple[OperatorTable, ...]:
    """The case at every batch size that it runs at: in one table all whose operators are the same.

    Batch 1 often has operators of its own, since a library has shortcuts for it; two larger ones that agree determine the rest.
    """
    # Each batch size is traced once, although several checks look at it.
    known: dict[int, OpTrace] = {}

    def at(batch: int) -> OpTrace:
        if batch not in known:
            known[batch] = trace(case.model_copy(update={"batch_size": batch}))
        return known[batch]

    # Where batch 1 agrees as well, one table does for all.
    if _agree(at, 1, _FAR):
        return (_affine(at(1), at(_FAR), batches),)
    larger = [batch for batch in batches if batch > 1]
    # Batch 1 through itself: a line of no length, used at its own point only.
    parts = [(at(1), at(1), [batch for batch in batches if batch == 1])]
    if _agree(at, 2, _FAR):
        parts.append((at(2), at(_FAR), larger))
    else:
        parts += [(one, one, [one.batch_size]) for one in _running(at, larger)]
    return tuple(_affine(one, other, chosen) for one, other, chosen in parts if chosen)


def _agree(at: Callable[[int], OpTrace], near: int, far: int) -> bool:
    """Whether both batch sizes run, and run the same operators."""
    traces = list(_running(at, (near, far)))
    return len(traces) == 2 and len({tuple(_key(op) for _, _, op in one.operators()) for one in traces}) == 1


def _running(at: Callable[[int], OpTrace], batches: Sequence[int]) -> Iterator[OpTrace]:
    """Traces of growing batch sizes until one does not run: libraries have limits of their own."""
    for batch in batches:
        try:
            yield at(batch)
        except UsageError:
            return


def _key(operator: Operator) -> tuple[str, str, str, int]:
    # Not the shapes, which differ with the batch.
    return operator.name, operator.kind, operator.dtype, operator.count


def _affine(first: OpTrace, second: OpTrace, batches: Sequence[int]) -> OperatorTable:
    """Quantities at every batch size on the line through both traces; one trace is a line of its own."""
    # 1 where both are the same trace, to not divide by zero.
    step = max(1, second.batch_size - first.batch_size)
    at = (np.asarray(batches, dtype=float) - first.batch_size) / step

    def line(one: Sequence[float] | Floats | float, two: Sequence[float] | Floats | float) -> Floats:
        start, end = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
        # [operators, batches]; an extrapolated line may fall below zero towards small batches.
        values: Floats = np.maximum(0.0, start[..., None] + (end - start)[..., None] * at)
        return values

    points = [(index, point) for index, stage in enumerate(first.stages) for point in stage.points]
    ones, twos = ([op for _, _, op in trace.operators()] for trace in (first, second))

    def column(of: Callable[[Operator], float], operators: Sequence[Operator] = ones) -> Floats:
        # As floats, so that every column of the table is of one type.
        return np.array([of(op) for op in operators], dtype=float)

    def affine(of: Callable[[Operator], float]) -> Floats:
        return line(column(of), column(of, twos))

    return OperatorTable(
        batches=tuple(batches),
        stage_names=tuple(stage.name for stage in first.stages),
        stage=tuple(index for index, _ in points),
        repeats=tuple(stage.repeats for stage in first.stages),
        weight=np.array([point.weight for _, point in points]),
        # Used as an index after astype(int).
        point=np.array([number for number, (_, point) in enumerate(points) for _ in point.operators], dtype=float),
        kinds=tuple(op.kind for op in ones),
        dtypes=tuple(op.dtype for op in ones),
        is_forward=column(lambda op: op.phase not in ("backward", "optimizer")),
        count=column(lambda op: op.count),
        flops=affine(lambda op: op.flops),
        moved_bytes=affine(lambda op: op.moved_bytes),
        items=line(float(_items(first)), float(_items(second))),
        peak_bytes=_held_bytes(line, first, second),
        params_bytes=first.params_bytes,
        num_params=first.num_params,
        gradient_bytes=first.gradient_bytes,
        item=first.item,
    )


def _items(trace: OpTrace) -> float:
    return sum(stage.repeats * stage.items for stage in trace.stages)


def stage_times(table: OperatorTable, spec: AcceleratorSpec, *, costs: EngineCosts, precision: str) -> Floats:
    """Seconds of every stage at every batch size, ``[stages, batches]``: ``model.stage_times`` without own runs, as arrays.

    Raises ``UsageError`` where the device has no peak for an operator's dtype.
    """
    basis = "measured" if spec.basis == "measured" else "datasheet"
    shares = {kind: roofline.efficiencies()[basis, kind] for kind in set(table.kinds)}
    peaks = {dtype: roofline.peak_of(dtype, spec, precision=precision) for dtype in _multiplied(table)}
    compute = np.array(
        [
            shares[kind].flops_per_s(peaks[dtype]) if dtype in peaks else np.inf
            for kind, dtype in zip(table.kinds, table.dtypes, strict=True)
        ]
    )
    memory = np.array([shares[kind].memory * spec.memory_bandwidth_bytes_per_s for kind in table.kinds])
    fused = np.array([costs.unfused_share if kind in roofline.FUSIBLE else 1.0 for kind in table.kinds])
    each = (
        np.maximum(fused[:, None] * table.moved_bytes / memory[:, None], table.flops / compute[:, None])
        + (fused * costs.launch_s)[:, None]
    )
    point, num_points = table.point.astype(int), len(table.weight)
    device = np.zeros((num_points, len(table.batches)))
    # add.at and not ``device[point] +=``, which would add repeated indices once.
    np.add.at(device, point, each * table.count[:, None])
    host_s = fused * (costs.dispatch_s + costs.python_s * table.is_forward)
    dispatch = np.bincount(point, weights=table.count * host_s, minlength=num_points)
    # An accelerator works while its host dispatches: of a point the longer of the two counts.
    whole = np.maximum(device, dispatch[:, None]) * table.weight[:, None]
    stages = np.zeros((len(table.stage_names), len(table.batches)))
    np.add.at(stages, np.array(table.stage), whole)
    ideal = np.zeros_like(stages)
    # 1 / inf = 0: dtypes in which nothing is multiplied have no peak to keep.
    arithmetic = np.array([1.0 / peaks.get(dtype, np.inf) for dtype in table.dtypes])
    of_stage = np.array(table.stage)[point]
    np.add.at(ideal, of_stage, table.flops * (arithmetic * table.count * table.weight[point])[:, None])
    slowest: Floats = np.maximum(stages, ideal)
    return slowest


def _multiplied(table: OperatorTable) -> set[str]:
    """The dtypes in which something is multiplied."""
    busy = table.flops.max(axis=1) > 0
    return {dtype for dtype, is_busy in zip(table.dtypes, busy, strict=True) if is_busy}


def _held_bytes(line: Callable[[float, float], Floats], first: OpTrace, second: OpTrace) -> Floats:
    """What an allocator holds of the tensors alive, which grow by a line: never less, nor less more than at the larger batch.

    Small models fill segments that were there already, so that the line through what is held may rise too slowly.
    """
    live = line(first.peak_bytes, second.peak_bytes)
    if first.device_held_bytes is None or second.device_held_bytes is None:
        return live
    # Beyond the larger trace the surplus that it shows goes on, below it the line decides.
    surplus = np.where(live > second.peak_bytes, second.device_held_bytes - second.peak_bytes, 0)
    held: Floats = np.maximum(line(first.device_held_bytes, second.device_held_bytes), live + surplus)
    return held

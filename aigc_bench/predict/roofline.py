"""The time of one traced operator on a device: ``max(FLOPs / (ec P), bytes / (em W)) + t0``, and of a stage as their sum.

Efficiencies by class of operator are in ``data/operator_efficiencies.csv``, with their sources. A spec whose peaks were measured by
probes is already net of most losses; then the shares of ``measured`` apply.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib.resources import files

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Record
from aigc_bench.predict.engines import EngineCosts
from aigc_bench.predict.optrace import Operator, StageTrace

_DTYPES: Mapping[str, tuple[str, ...]] = {
    "float32": ("fp32",),
    "float16": ("fp16", "bf16"),
    "bfloat16": ("bf16", "fp16"),
    "float64": ("fp64", "fp32"),
    "int8": ("int8", "fp16"),
    "fp32": ("fp32",),
    "fp16": ("fp16", "bf16"),
    "bf16": ("bf16", "fp16"),
    "fp64": ("fp64", "fp32"),
}
"""An operator's dtype, as torch or as the tracer spells it -> the peaks it may run at, best first."""
FUSIBLE = frozenset({"norm", "elementwise", "copy", "reduction"})
"""Classes whose operators a compiler fuses with their neighbours."""


class Efficiency(Record):
    """Share of the compute peak and of the bandwidth that a class of operator reaches."""

    kind: str
    basis: str
    compute: float
    memory: float
    source: str


@functools.cache
def efficiencies() -> Mapping[tuple[str, str], Efficiency]:
    """``(basis of the spec, class)`` -> shares."""
    with files(__package__).joinpath("data/operator_efficiencies.csv").open(encoding="utf-8") as file:
        rows = [Efficiency.model_validate(row) for row in csv.DictReader(file)]
    return {(row.basis, row.kind): row for row in rows}


def peak_of(operator_dtype: str, spec: AcceleratorSpec, *, precision: str) -> float:
    """The peak an operator of this dtype runs at; with ``precision`` tf32 single precision runs on tensor cores."""
    names = _DTYPES.get(operator_dtype, ("fp32",))
    if precision == "tf32" and names == ("fp32",):
        names = ("tf32", "fp32")
    found = next((peak for name in names if (peak := spec.peak(name))), None)
    if found is None:
        known = ", ".join(name for name, peak in spec.peak_flops.items() if peak)
        raise UsageError(f"{spec.id}: no dense peak of {names[0]} is known.", f"It has {known}; choose one with --precision.")
    return found


def operator_s(operator: Operator, spec: AcceleratorSpec, *, costs: EngineCosts, precision: str) -> float:
    """Seconds on the device of one of these operators."""
    share = efficiencies()["measured" if spec.basis == "measured" else "datasheet", operator.kind]
    fused = costs.unfused_share if operator.kind in FUSIBLE else 1.0
    memory_s = fused * operator.moved_bytes / (share.memory * spec.memory_bandwidth_bytes_per_s)
    compute_s = operator.flops / (share.compute * peak_of(operator.dtype, spec, precision=precision)) if operator.flops else 0.0
    return max(memory_s, compute_s) + fused * costs.launch_s


def stage_s(
    stage: StageTrace, spec: AcceleratorSpec, *, costs: EngineCosts, precision: str, host: int = 1, is_serial: bool = False
) -> float:
    """Seconds of all repeats of a stage in one step: device or host, whichever is longer, repeat by repeat.

    ``host`` chooses the low, middle or high dispatch time (0, 1, 2). Where host and device are one (``is_serial``) they add.
    """
    total = 0.0
    for point in stage.points:
        device_s = sum(op.count * operator_s(op, spec, costs=costs, precision=precision) for op in point.operators)
        host_s = (
            sum(op.count * (costs.unfused_share if op.kind in FUSIBLE else 1.0) for op in point.operators) * costs.dispatch_s[host]
        )
        total += point.weight * (device_s + host_s if is_serial else max(device_s, host_s))
    return total


def ideal_s(stage: StageTrace, spec: AcceleratorSpec, *, precision: str) -> float:
    """Seconds of the stage's arithmetic at the peaks without any loss: no prediction is shorter."""

    def arithmetic_s(operator: Operator) -> float:
        return operator.flops / peak_of(operator.dtype, spec, precision=precision) if operator.flops else 0.0

    return stage.total(arithmetic_s)

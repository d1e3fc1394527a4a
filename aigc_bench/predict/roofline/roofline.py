"""The time of one traced operator on a device: ``max(FLOPs / (ec P), bytes / (em W)) + t0``. ``quantities`` adds them up.

Efficiencies by class of operator are in ``data/operator_efficiencies.csv``, with their sources. A spec whose peaks were measured by
probes is already net of most losses; then the shares of ``measured`` apply.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib.resources import files

from pydantic import Field

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.predict.engines import EngineCosts
from aigc_bench.predict.tracing.optrace import Operator, StageTrace

_DTYPES: Mapping[str, tuple[str, ...]] = {
    "float32": ("fp32",),
    "float16": ("fp16", "bf16"),
    "bfloat16": ("bf16", "fp16"),
    "float64": ("fp64", "fp32"),
    "int8": ("int8", "fp16"),
    "fp8": ("fp8",),
    "fp32": ("fp32",),
    "fp16": ("fp16", "bf16"),
    "bf16": ("bf16", "fp16"),
    "fp64": ("fp64", "fp32"),
}
"""An operator's dtype, as torch or as the tracer spells it -> the peaks it may run at, best first."""
FUSIBLE = frozenset({"norm", "elementwise", "copy", "reduction"})
"""Classes whose operators a compiler fuses with their neighbours."""


REFERENCE_PEAK = 312e12
"""FLOP/s of the device (an A100) at which ``Efficiency.compute`` holds."""
MOST_COMPUTE = 0.85
"""No class of operator reaches more of the peak: the best public matrix products are at 0.8 to 0.85 (reference GEMM tables)."""


class Efficiency(Record):
    """Share of the compute peak and of the bandwidth that a class of operator reaches.

    Kernels that are not written anew for each architecture use less of a higher peak: ``compute`` is the share at
    ``REFERENCE_PEAK``, and falls with the ``peak_exponent``-th power of the peak (0: it does not).
    """

    kind: str
    basis: str
    compute: float
    memory: float
    peak_exponent: float = Field(default=0.0, ge=0.0, lt=1.0)
    source: Sentence

    def flops_per_s(self, peak: float) -> float:
        """What is reached of ``peak`` FLOP/s; never less where the peak is higher."""
        share: float = self.compute * (REFERENCE_PEAK / peak) ** self.peak_exponent
        # Towards small peaks the share grows past 1; capped at MOST_COMPUTE it still never falls as the peak rises.
        return peak * min(share, max(self.compute, MOST_COMPUTE))


@functools.cache
def efficiencies() -> Mapping[tuple[str, str], Efficiency]:
    """``(basis of the spec, class)`` -> shares."""
    with files("aigc_bench.predict").joinpath("data/operator_efficiencies.csv").open(encoding="utf-8") as file:
        rows = [Efficiency.model_validate(row) for row in csv.DictReader(file)]
    return {(row.basis, row.kind): row for row in rows}


def peak_of(operator_dtype: str, spec: AcceleratorSpec, *, precision: str) -> float:
    """The peak in FLOP/s an operator of this dtype runs at; with ``precision`` tf32 single precision runs on tensor cores.

    Raises ``UsageError`` where the device has no known peak for it.
    """
    # Other dtypes (indices, masks) are given fp32's rate; they have hardly any FLOPs.
    names = _DTYPES.get(operator_dtype, ("fp32",))
    if precision == "tf32" and names == ("fp32",):
        names = ("tf32", "fp32")
    found = next((peak for name in names if (peak := spec.peak(name))), None)
    if found is None:
        known = ", ".join(name for name, peak in spec.peak_flops.items() if peak)
        raise UsageError(
            message("{id}: no dense peak of {names} is known.", id=spec.id, names=names[0]),
            message("It has {known}; choose one with --precision.", known=known),
        )
    return found


def operator_s(operator: Operator, spec: AcceleratorSpec, *, costs: EngineCosts, precision: str) -> float:
    """Seconds on the device of one of these operators, its launch included (roofline, Williams et al. 2009).

    Raises ``UsageError`` where the device has no peak for the operator's dtype.
    """
    # A probed peak is what kernels reached, and must not be reduced by a datasheet's efficiencies a second time.
    share = efficiencies()["measured" if spec.basis == "measured" else "datasheet", operator.kind]
    fused = unfused_share(operator, costs)
    memory_s = fused * operator.moved_bytes / (share.memory * spec.memory_bandwidth_bytes_per_s)
    compute_s = operator.flops / share.flops_per_s(peak_of(operator.dtype, spec, precision=precision)) if operator.flops else 0.0
    return max(memory_s, compute_s) + fused * costs.launch_s


def unfused_share(operator: Operator, costs: EngineCosts) -> float:
    """Share of the operator's traffic and launches that the engine's fusion leaves."""
    return costs.unfused_share if operator.kind in FUSIBLE else 1.0


def ideal_s(stage: StageTrace, spec: AcceleratorSpec, *, precision: str) -> float:
    """Seconds of the stage's arithmetic at the peaks without any loss: no prediction is shorter.

    Raises ``UsageError`` where the device has no peak for an operator's dtype.
    """

    def arithmetic_s(operator: Operator) -> float:
        return operator.flops / peak_of(operator.dtype, spec, precision=precision) if operator.flops else 0.0

    return stage.total(arithmetic_s)

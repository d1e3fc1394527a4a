"""A traced case as quantities of the hierarchical model: seconds of a stage, bytes of a peak, watts.

Of a stage, on an accelerator, a repeat takes as long as its operators on the device or their dispatch on the host, whichever is
longer; where host and device are one, both are added. Every operator may be off by the effects of its class, size and shape, the
dispatch by its own, and the stage as a whole by those of its machine, engine and family (``levels``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.records import PROBE_PREFIX, Case, MetricRow
from aigc_bench.predict.engines import EngineCosts, engine_costs
from aigc_bench.predict.fitting import random_effects as levels
from aigc_bench.predict.fitting.posterior import Groups, Quantity, Term
from aigc_bench.predict.memory.peak import memory_quantity, peak_memory
from aigc_bench.predict.roofline.device_power import BUSY_ARITHMETIC, BUSY_MEMORY, mean_power_w
from aigc_bench.predict.roofline.omp_regions import num_teams
from aigc_bench.predict.roofline.roofline import operator_s, peak_of, unfused_share
from aigc_bench.predict.tracing.glibc_malloc import LAST_THRESHOLD
from aigc_bench.predict.tracing.optrace import Operator, OpTrace, Point, StageTrace

_PHASES: Mapping[str, str] = {"backward": "backward", "optimizer": "optimizer"}
"""Forward operators are called from Python, the backward pass from C++, an optimizer's tensors from one kernel."""

FAULT_S_PER_BYTE = 1 / 3e9
"""Seconds to fault in and clear fresh memory (assumed, 1 to 5 GB/s; the probes measure it)."""
_ITEM_BYTES: Mapping[str, int] = {"float64": 8, "fp64": 8, "int64": 8, "bf16": 2, "fp16": 2, "bool": 1}
WAKE_S = 30e-6
"""Seconds to wake and gather a team of threads that wait passively (16 to 56 us on a virtual machine of two cores, 2026-11; the
probes measure it)."""


def stage_quantity(stage: StageTrace, spec: AcceleratorSpec, *, case: Case, machine: str) -> Quantity:
    """Seconds of all repeats of a stage in one step; raises ``UsageError`` where the device lacks a peak."""
    costs = engine_costs(case.engine, backend=case.backend)
    is_serial = case.backend == "cpu"
    parts = []
    for point in stage.points:
        device = _device_terms(point, spec, costs=costs, case=case, machine=machine, is_serial=is_serial)
        host = _host_terms(point, costs=costs, case=case, machine=machine, is_serial=is_serial)
        # One alternative with all terms is their sum; two alternatives are the longer of device and host.
        parts.append(((*device, *host),) if is_serial else (device, host))
    return Quantity(parts=tuple(parts), groups=levels.case_groups(case, machine=machine, stage=stage.name))


def _device_terms(
    point: Point, spec: AcceleratorSpec, *, costs: EngineCosts, case: Case, machine: str, is_serial: bool
) -> tuple[Term, ...]:
    # A CPU launches nothing: its dispatch is in the host's terms.
    own = costs.model_copy(update={"launch_s": 0.0}) if is_serial else costs
    return tuple(
        Term(
            point.weight * operator.count * operator_s(operator, spec, costs=own, precision=case.precision),
            levels.operator_groups(operator, machine=machine, backend=case.backend),
        )
        for operator in point.operators
    )


def _host_terms(point: Point, *, costs: EngineCosts, case: Case, machine: str, is_serial: bool) -> tuple[Term, ...]:
    """What dispatching costs, and a model's own code around the operators; a probe has none."""
    counts: dict[str, float] = {}
    for operator in point.operators:
        phase = _PHASES.get(operator.phase, "forward")
        counts[phase] = counts.get(phase, 0.0) + _num_dispatched(operator, costs, is_serial=is_serial)
    terms = [
        Term(point.weight * count * costs.dispatch_s, levels.dispatch_groups(case, machine=machine, phase=phase))
        for phase, count in counts.items()
    ]
    fresh = sum(operator.count * _mapped_bytes(operator) for operator in point.operators)
    # On an accelerator the caching allocator keeps its segments, and no page is faulted in.
    if is_serial and fresh:
        terms.append(Term(point.weight * fresh * FAULT_S_PER_BYTE, levels.page_groups(machine=machine)))
    num_woken = sum(operator.count * _num_woken(operator, costs) for operator in point.operators)
    # One thread works alone: no team, no wake.
    if is_serial and case.threads != 1 and num_woken:
        terms.append(Term(point.weight * num_woken * WAKE_S, levels.team_groups(case, machine=machine)))
    # Only forward operators are called by a model's own Python code.
    if not case.workload.startswith(PROBE_PREFIX) and counts.get("forward"):
        terms.append(Term(point.weight * counts["forward"] * costs.python_s, levels.python_groups(case, machine=machine)))
    return tuple(terms)


def _mapped_bytes(operator: Operator) -> int:
    """Bytes of results that malloc maps anew at each call, so that every page of them is faulted in and cleared."""
    item = _ITEM_BYTES.get(operator.dtype, 4)
    # From malloc's largest threshold on blocks are mapped and unmapped at each call; smaller ones come from the heap again.
    return sum(size for shape in operator.outputs if (size := item * math.prod(shape)) >= LAST_THRESHOLD)


def _num_woken(operator: Operator, costs: EngineCosts) -> float:
    """How often the team of threads is woken for one operator; a compiler fuses regions as it fuses launches."""
    counted = num_teams(operator, is_transposed=levels.is_transposed(operator))
    return (min(1, counted) if costs.keeps_layouts else counted) * unfused_share(operator, costs)


def _num_dispatched(operator: Operator, costs: EngineCosts, *, is_serial: bool) -> float:
    """A fused optimizer is one kernel of an accelerator; a CPU goes through its tensors one by one."""
    num_tensors = operator.inputs[0][0] if operator.kind == "optimizer" and is_serial else 1
    return num_tensors * operator.count * unfused_share(operator, costs)


def memory_quantities(
    trace: OpTrace, *, case: Case, machine: str, catalogue: Catalogue, libraries: Collection[str]
) -> dict[str, Quantity]:
    """Metric id -> bytes: of a process on a CPU; on an accelerator in tensors, in the allocator, and on the device."""
    peak = peak_memory(trace, catalogue=catalogue, libraries=libraries)
    if case.backend == "cpu":
        return {"memory_host_peak": memory_quantity(peak.moments.values(), case=case, machine=machine)}
    # An accelerator's peak has one moment, the step.
    (terms,) = peak.moments.values()
    excluded = {"memory_allocated_peak": {"allocator", "workspace", "context"}, "memory_reserved_peak": {"workspace", "context"}}
    chosen = {metric: {name: term for name, term in terms.items() if name not in left_out} for metric, left_out in excluded.items()}
    return {
        metric: memory_quantity([own], case=case, machine=machine)
        for metric, own in (chosen | {"memory_device_peak": dict(terms)}).items()
    }


def power_quantity(case: Case, spec: AcceleratorSpec, *, trace: OpTrace, step_s: float, machine: str) -> Quantity | None:
    """Watts of one device that does the trace's step in ``step_s``; ``None`` where its TDP is not known."""
    costs = engine_costs(case.engine, backend=case.backend)
    mfu = trace.flops / step_s / peak_of(case_dtype(case), spec, precision=case.precision)
    moved = sum(stage.total(lambda operator: unfused_share(operator, costs) * operator.moved_bytes) for stage in trace.stages)
    memory_share = moved / step_s / spec.memory_bandwidth_bytes_per_s / BUSY_MEMORY
    watts = mean_power_w(spec, busy_share=min(1.0, mfu / BUSY_ARITHMETIC), memory_share=min(1.0, memory_share))
    return None if watts is None else _single(watts.value, levels.power_groups(case, machine=machine))


def case_dtype(case: Case) -> str:
    """The dtype that a case multiplies in, in torch's word, or the format in which its engine does."""
    linear = engine_costs(case.engine, backend=case.backend).linear
    if linear is not None and linear.product is not None:
        return linear.product
    return {"bf16": "bfloat16", "fp16": "float16"}.get(case.precision, "float32")


def served_quantity(case: Case, predicted: MetricRow, *, machine: str) -> Quantity:
    """A metric of a served engine, as its closed form predicts it."""
    assert predicted.value is not None, "a predicted row has a value"
    return _single(predicted.value, levels.served_groups(case, machine=machine, metric=predicted.metric))


def _single(amount: float, groups: Groups) -> Quantity:
    # One part, one alternative, one term: only the whole is off by its groups.
    return Quantity(parts=(((Term(amount, {}),),),), groups=groups)

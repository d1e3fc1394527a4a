"""The basis of a plan's numbers, and the single measurement that would narrow it most.

A load's busy accelerators are its peak rate over the throughput of one. A measurement replaces a predicted throughput, whatever
its interval, by one known to ``MEASURED_WITHIN``; the plan's busy accelerators are summed again with that one interval collapsed::

    value = 1 - log(high / low) of the sum afterwards / log(high / low) of the sum now
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence

from aigc_bench.core import registry
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.records.machine import Capability, Load, Machine
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.stats.estimates import over, total

MEASURED_WITHIN = 0.03
"""Half-width of the interval of a throughput after a run with several trials: the spread between repeated runs."""


class RestsOn(Record):
    """An input of the recommended option, and whether it was measured, modelled or assumed."""

    load: str
    quantity: Sentence
    value: float
    unit: str
    basis: Basis
    source: Sentence | None
    reasons: tuple[str, ...] = ()


class ValueOfMeasurement(Record):
    """A run that would narrow the plan: ``shrinks_by`` is the share by which it shrinks the interval of busy accelerators.

    ``command`` is to be run on ``accelerator``; ``before`` and ``after`` are (low, high) of the busy accelerators at the peak.
    """

    load: str
    accelerator: str | None
    shrinks_by: float
    before: tuple[float, float]
    after: tuple[float, float]
    command: str


def basis_of(option: Option) -> tuple[RestsOn, ...]:
    """Return throughput, watts and memory of every load with their basis."""
    names = {
        "throughput": "throughput",
        "power_w": "watts",
        "device_memory_bytes": "memory",
        "step_latency_s": message("step time"),
    }
    return tuple(
        RestsOn(
            load=load.name,
            quantity=title,
            value=found.value,
            unit=found.unit,
            basis=found.basis,
            source=found.source,
            reasons=tuple(dict.fromkeys((*found.reasons, *capability.reasons))),
        )
        for load, capability, _ in _running(option)
        for field, title in names.items()
        if isinstance(found := getattr(capability, field), Estimate)
    )


def doubts_of(option: Option) -> tuple[str, ...]:
    """Return the loads that are planned with numbers whose verdict is not valid."""
    return tuple(
        message(
            "{name} is planned with {verdict} numbers ({reasons})",
            name=load.name,
            verdict=capability.verdict,
            reasons=", ".join(capability.reasons) or message("no reason given"),
        )
        for load, capability, _ in _running(option)
        if capability.verdict != "valid"
    )


def best_measurements(plan: Plan) -> tuple[ValueOfMeasurement, ...]:
    """Return every measurement that would narrow the recommended option, the most useful first; none where all was measured."""
    option = plan.recommended
    running = list(_running(option)) if option is not None else []
    if not running:
        return ()
    now = [load.busy_machines for load, _, _ in running]
    before = total(now, unit="machines")
    found = [
        _value(index, running, now=now, before=before, plan=plan)
        for index, (load, capability, _) in enumerate(running)
        # What was measured cannot be narrowed by measuring it again.
        if capability.throughput.basis != "measured" and load.busy_machines.value > 0
    ]
    return tuple(sorted(found, key=lambda one: (-one.shrinks_by, one.load)))


def _value(
    index: int, running: Sequence[tuple[Load, Capability, Machine]], *, now: Sequence[Estimate], before: Estimate, plan: Plan
) -> ValueOfMeasurement:
    load, capability, machine = running[index]
    known = collapsed(capability.throughput)
    narrower = over(load.rate_items_per_s, known, unit="machines")
    after = total([*now[:index], narrower, *now[index + 1 :]], unit="machines")
    return ValueOfMeasurement(
        load=load.name,
        accelerator=machine.accelerator,
        shrinks_by=max(0.0, 1 - _width(after) / _width(before)) if _width(before) > 0 else 0.0,
        before=(before.low, before.high),
        after=(after.low, after.high),
        command=command_for(capability, plan=plan, load=load),
    )


def collapsed(value: Estimate) -> Estimate:
    """Return the same value with the interval that a measurement would give it."""
    return value.model_copy(
        update={
            # A prediction that is narrower already stays as narrow.
            "low": max(value.low, value.value * (1 - MEASURED_WITHIN)),
            "high": min(value.high, value.value * (1 + MEASURED_WITHIN)),
        }
    )


def _width(value: Estimate) -> float:
    # Widths are ratios, because errors of throughputs multiply.
    return math.log(value.high / value.low) if value.low > 0 else math.inf


def command_for(capability: Capability, *, plan: Plan, load: Load) -> str:
    """Return the command that measures a load's case: with the user's own model, the family's preset, or a model without preset."""
    own = {one.name: one.model for one in plan.demand.services} | {one.name: one.model for one in plan.demand.jobs}
    model = own.get(load.name)
    if model is not None:
        return message(
            "aigc-bench run --model {path} --mode {mode} --batch-size {batch_size}",
            path=shlex.quote(model.path),
            mode=capability.mode,
            batch_size=capability.batch_size,
        )
    if capability.preset in registry.load("workloads", capability.workload).presets:
        return message("aigc-bench run --only '{workload}/{preset}/*'", workload=capability.workload, preset=capability.preset)
    return message(
        "aigc-bench run --model FOLDER_OF_{preset} --mode {mode} --batch-size {batch_size}",
        preset=capability.preset,
        mode=capability.mode,
        batch_size=capability.batch_size,
    )


def _running(option: Option) -> Iterator[tuple[Load, Capability, Machine]]:
    """Yield each load with its capability and its machine, through the parts of a mixed option."""
    for part in option.parts or (option,):
        if part.machine is not None:
            capability = {one.case: one for one in part.machine.capabilities}
            yield from ((load, capability[load.case], part.machine) for load in part.loads if load.case in capability)

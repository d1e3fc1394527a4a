"""Recorded runs as the basis of a plan: a measurement on an accelerator replaces its prediction.

A measured case applies to a load where workload, preset, mode and every setting agree and its verdict is not invalid. It replaces
the prediction where both use the same engine, and where it is faster than the prediction's low end; a slower measured engine
does not. A run without accelerators is a machine of its own, which is replicated.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core import registry
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.core.records import PROBE_PREFIX, Case, MetricRow, OwnModel, Setting
from aigc_bench.plan.hardware.measured_machine import machine_from_run
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.sizing.batching import entries_of, requests_in
from aigc_bench.plan.sizing.fleets import latency_floor_s
from aigc_bench.plan.stats.estimates import scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec
    from aigc_bench.measure.store import Run


@dataclass(frozen=True, kw_only=True)
class MeasuredMachine:
    """A run's machine, the cases behind its capabilities, its number of accelerators, and the invalid cases to use."""

    machine: Machine
    cases: Mapping[str, Case]
    num_accelerators: int
    with_invalid: tuple[str, ...] = ()


def measured_machines(
    runs: Sequence[Run], *, catalogue: Catalogue, with_invalid: Sequence[str] = ()
) -> tuple[MeasuredMachine, ...]:
    """Return each run as a machine with its measured capabilities.

    ``with_invalid`` names cases whose numbers are used although they are invalid; raises ``UsageError`` for one that no run has.
    """
    from aigc_bench.analyze.rows import metric_rows

    found = [as_machine(run, metric_rows(run, catalogue=catalogue), catalogue=catalogue, with_invalid=with_invalid) for run in runs]
    known = [name for one in found for name in one.cases]
    for name in with_invalid:
        if name not in known:
            raise UnknownNameError(message("case of the runs"), name, known=known)
    return tuple(found)


def as_machine(run: Run, rows: Sequence[MetricRow], *, catalogue: Catalogue, with_invalid: Collection[str] = ()) -> MeasuredMachine:
    """Return a run with its metric rows as a machine; probes measure the machine itself and are no capability."""
    return MeasuredMachine(
        # A probe's throughput is bytes or FLOPs, which no demand states.
        machine=machine_from_run(run, [row for row in rows if not row.workload.startswith(PROBE_PREFIX)], catalogue),
        cases={case.id: case for case in run.info.cases},
        num_accelerators=len(run.info.system.accelerators),
        with_invalid=tuple(with_invalid),
    )


def best_measured(
    workload: Service | Job, accelerator: str, *, measured: Sequence[MeasuredMachine], predicted: Capability
) -> Capability:
    """Return the measured capability of one accelerator where it takes precedence, else the predicted one."""
    usable = [
        per_accelerator(capability, workload, run)
        for run in measured
        if run.machine.accelerator == accelerator
        for capability in run.machine.capabilities
        if _fits(capability, workload, run)
    ]
    in_time = [capability for capability in usable if _is_in_time(capability, workload)]
    # Same engine: the measurement is the better number, even if slower. Another engine has to be worth choosing.
    winners = [
        capability
        for capability in in_time
        if capability.engine == predicted.engine or capability.throughput.value >= predicted.throughput.low
    ]
    return _with_cores(
        # The name of the case breaks ties, so that the order of runs does not matter.
        max(winners, key=lambda capability: (capability.throughput.value, capability.case), default=predicted),
        usable,
    )


def _with_cores(capability: Capability, usable: Sequence[Capability]) -> Capability:
    """Return the capability with the CPU cores that runs with a data pipeline used, in proportion to its throughput."""
    known = [
        # Work of the host per item is the same, so cores grow with the items per second.
        scaled(one.cores_per_device, capability.throughput.value / one.throughput.value)
        for one in usable
        if one.cores_per_device is not None
    ]
    if capability.cores_per_device is not None or not known:
        return capability
    return capability.model_copy(update={"cores_per_device": max(known, key=lambda cores: cores.value)})


def measured_rows(
    workload: Service | Job, specs: Sequence[AcceleratorSpec], *, measured: Sequence[MeasuredMachine], catalogue: Catalogue
) -> Iterator[dict[str, object]]:
    """Return candidates for loads without a prediction that a run has measured; a measured case is assumed to fit."""
    for run in measured:
        # Only accelerators that the demand allows are in the list.
        spec = next((spec for spec in specs if spec.id == run.machine.accelerator), None)
        for capability in run.machine.capabilities:
            if spec is None or not _fits(capability, workload, run):
                continue
            one, usable = per_accelerator(capability, workload, run), catalogue.usable_memory(spec).value
            rate, request = one.throughput, one.service_s
            yield {
                "accelerator": spec.id,
                "engine": one.engine,
                "precision": one.precision,
                "devices": one.machines_per_replica,
                "batch": one.batch_size,
                # A run's power limit is not known, so it counts as the default one.
                "cap": 1.0,
                "throughput": rate.value * one.machines_per_replica,
                "slots": one.slots,
                "service_s": request.value if request else math.nan,
                "latency_s": request.value if request else math.nan,
                "memory_bytes": one.device_memory_bytes.value if one.device_memory_bytes else usable,
                "usable_bytes": usable,
                "power_w": one.power_w.value if one.power_w else math.nan,
                "spread_low": rate.low / rate.value,
                "spread_high": rate.high / rate.value,
            }


def _fits(capability: Capability, workload: Service | Job, run: MeasuredMachine) -> bool:
    case = run.cases.get(capability.case)
    if case is None or (capability.verdict == "invalid" and capability.case not in run.with_invalid):
        return False
    if (capability.workload, capability.preset, capability.mode, _sha256(case.model)) != (
        workload.workload,
        workload.preset,
        workload.mode,
        _sha256(workload.model),
    ):
        return False
    if (workload.precisions and case.precision not in workload.precisions) or (
        not isinstance(workload, Job) and workload.engines and case.engine not in workload.engines
    ):
        return False
    # Compared after defaults are filled in: a setting that is left out equals its default.
    return options_of(case, {}) == options_of(case, workload.settings)


def _sha256(model: OwnModel | None) -> str | None:
    return None if model is None else model.sha256


def left_out(workload: Service | Job, measured: Sequence[MeasuredMachine]) -> tuple[str, ...]:
    """Return the invalid cases that would match a load, with why they are not used."""
    found = [
        (capability, replace(run, with_invalid=(capability.case,)))
        for run in measured
        for capability in run.machine.capabilities
        if capability.verdict == "invalid" and capability.case not in run.with_invalid
    ]
    return tuple(
        message(
            "{case} is invalid ({reasons}) and not used; measure again, or pass --use-invalid {case!r}",
            case=one.case,
            reasons=", ".join(one.reasons),
        )
        for one, run in found
        if _fits(one, workload, run)
    )


def options_of(case: Case, changes: Mapping[str, Setting]) -> object:
    """Return the family's settings of a case, overridden by the demand's own."""
    family = registry.load("workloads", case.workload)
    # Keys that the family does not have, such as lengths of the served form, are left out.
    own = {key: value for key, value in changes.items() if key in family.settings.model_fields}
    return family.options(case.model_copy(update={"settings": {**case.settings, **own}}))


def per_accelerator(capability: Capability, workload: Service | Job, run: MeasuredMachine) -> Capability:
    """Return the capability of the whole measured machine as that of one of its accelerators."""
    case, count = run.cases[capability.case], max(1, run.num_accelerators)
    # Undoes what made the machine's capability of the case's: throughput and batch of all its copies.
    copies = max(1, count // case.devices)
    request = latency_floor_s(workload, capability) if isinstance(workload, Service) else capability.step_latency_s
    return capability.model_copy(
        update={
            "throughput": scaled(capability.throughput, 1 / count),
            "batch_size": max(1, capability.batch_size // copies),
            "engine": case.engine,
            "precision": case.precision,
            "machines_per_replica": case.devices,
            "slots": _slots(workload, capability, batch=max(1, capability.batch_size // copies)),
            "service_s": request,
            # The peak is of the whole measured host, which a share of another server cannot be compared with.
            "host_memory_bytes": None,
        }
    )


def _slots(workload: Service | Job, capability: Capability, *, batch: int) -> float:
    """Return the requests that a batch of this size holds."""
    if isinstance(workload, Job) or not capability.items_per_step:
        return float(batch)
    entries = entries_of(workload.items_per_request.value, items_per_entry=capability.items_per_step / capability.batch_size)
    return float(requests_in(np.array(float(batch)), entries=entries, item=capability.item))


def _is_in_time(capability: Capability, workload: Service | Job) -> bool:
    if isinstance(workload, Job) or workload.slo.latency_s is None or capability.service_s is None:
        return True
    return capability.service_s.value <= workload.slo.latency_s

"""The measured machine as the unit that a plan replicates: its capability in each case, its memory, power and price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate, MetricRow, TrialResult
from aigc_bench.core.run_records import System
from aigc_bench.core.units import memory
from aigc_bench.plan.hardware.server_match import ServerMatch, Watts, match_server, with_sensors
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.stats.estimates import combined, estimate, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.measure.store import Run

NIC_KEY = "network_bits_per_s"
DISK_KEY = "disk_total_bytes"
"""Keys of ``System.details`` that the plan reads; missing ones stay unknown."""
SINGLE_TRIAL = 0.2
"""Half-width given to a figure of one trial: step times of two-threaded CPU runs vary by 17-25 % between processes."""
# Low and high are at most this many times the value away, so that logarithms of an interval stay finite.
WIDEST = 4.0


def machine_from_run(run: Run, rows: Sequence[MetricRow], catalogue: Catalogue) -> Machine:
    """Return the run's machine with a capability for every case that has a throughput."""
    system = run.info.system
    match = match_server(system, catalogue)
    cases = {case.id: case for case in run.info.cases}
    works = {trial.case: trial for trial in run.trials if trial.work is not None}
    day = datetime.fromtimestamp(run.info.created_s, tz=UTC).date().isoformat()
    found = capabilities_of(rows, cases=cases, works=works, num_devices=max(1, len(system.accelerators)), on=day)
    capabilities = tuple(found)
    watts = _watts(match, capabilities, catalogue)
    devices = system.accelerators
    return Machine(
        name=machine_name(system),
        server=match.id,
        accelerator=match.accelerator,
        machines_per_server=match.machines_per_server,
        capabilities=capabilities,
        # A container's limit (cgroup) may be below the memory of its host; what is smaller holds.
        host_memory_bytes=_fact(min(filter(None, (system.memory_limit_bytes, system.memory_bytes))), unit="B", on=day),
        host_cores=_fact(system.num_usable_cores / len(devices), unit="cores", on=day) if devices else None,
        device_memory_bytes=_fact(devices[0].memory_bytes, unit="B", on=day) if devices else None,
        network_bits_per_s=_fact(system.details.get(NIC_KEY), unit="bit/s", on=day),
        disk_bytes=_fact(system.details.get(DISK_KEY), unit="B", on=day),
        devices_per_server=match.num_accelerators,
        peak_power_w=watts.peak,
        full_power_w=watts.full,
        idle_power_w=watts.idle,
        design_heat_w=watts.heat,
        rack_units=match.rack_units,
        price_usd=match.price_usd,
        embodied_kg=match.embodied_kg,
        notes=match.notes,
    )


def machine_name(system: System) -> str:
    """Return a short description of the machine: its accelerators, or its cores and memory."""
    if system.accelerators:
        return f"{len(system.accelerators)} x {system.accelerators[0].name}"
    # The smaller of the container's limit and the host's memory.
    size = min(filter(None, (system.memory_limit_bytes, system.memory_bytes)))
    return message(
        "{num_usable_cores:g} cores of {cpu_model}, {memory}",
        num_usable_cores=system.num_usable_cores,
        cpu_model=system.cpu_model,
        memory=memory(size),
    )


def capabilities_of(
    rows: Iterable[MetricRow],
    *,
    cases: Mapping[str, Case],
    works: Mapping[str, TrialResult],
    num_devices: int,
    on: str | None = None,
) -> list[Capability]:
    """Return one capability for every case with a throughput, in the order of the rows; ``on`` is the day of measurement."""
    by_case: dict[str, dict[str, MetricRow]] = {}
    for row in rows:
        by_case.setdefault(row.case, {})[row.metric] = row
    return [
        _capability(metrics, case=cases.get(name), trial=works.get(name), num_devices=num_devices, on=on)
        for name, metrics in by_case.items()
        if metrics.get("throughput") is not None and (metrics["throughput"].value or 0) > 0
    ]


def _capability(
    metrics: Mapping[str, MetricRow], *, case: Case | None, trial: TrialResult | None, num_devices: int, on: str | None
) -> Capability:
    row, figure = metrics["throughput"], partial(estimate_of, on=on)
    # On a CPU a case has the whole machine, so it is not copied.
    on_device = case is not None and case.backend != "cpu"
    # The other devices of the machine would run copies of the case side by side.
    copies = max(1, num_devices // row.devices) if on_device else 1
    work = trial.work if trial else None
    # Training has no request latency; its step time stands in.
    latency = metrics.get("latency_p50") or metrics.get("step_time")
    # The driver's counter holds context and libraries, the allocator's only tensors: the former where there is one.
    device_memory = metrics.get("memory_device_peak") or metrics.get("memory_allocated_peak") if on_device else None
    throughput = figure(row)
    assert throughput is not None, "a capability is made of a case with a throughput"
    return Capability(
        case=row.case,
        workload=row.workload,
        preset=row.preset,
        mode=row.mode,
        item=work.item if work else row.unit.removesuffix("/s").removesuffix("s"),
        throughput=_replicated(throughput, copies),
        items_per_step=work.items_per_step if work else None,
        # Of the whole machine, as its throughput.
        batch_size=row.batch_size * copies,
        step_latency_s=figure(latency),
        host_memory_bytes=figure(metrics.get("memory_host_peak")),
        device_memory_bytes=figure(device_memory),
        params_bytes=work.params_bytes if work else None,
        num_params=work.num_params if work else None,
        power_w=_per_device(figure(metrics.get("power_mean")), row.devices if on_device else 1),
        power_peak_w=figure(metrics.get("power_peak")),
        cores_per_device=figure(metrics.get("cores_per_device")) if on_device else None,
        verdict=row.verdict,
        reasons=row.reasons,
    )


def estimate_of(row: MetricRow | None, *, on: str | None = None) -> Estimate | None:
    """Return a row measured ``on`` a day as an Estimate that keeps its reasons; ``None`` where it has no value.

    One trial has no interval of its own and gets ``+-SINGLE_TRIAL``; two or three trials may have one that reaches below 0
    (Student's t), which is clipped at a quarter and four times the value.
    """
    if row is None or row.value is None:
        return None
    low = row.value * (1 - SINGLE_TRIAL) if row.low is None else row.low
    high = row.value * (1 + SINGLE_TRIAL) if row.high is None else row.high
    measured_on = message(", measured {on}", on=on) if on else ""
    return Estimate(
        value=row.value,
        low=min(row.value, max(low, row.value / WIDEST)),
        high=max(row.value, min(high, row.value * WIDEST)),
        unit=row.unit,
        basis=row.basis,
        source=message("{metric} of {case}{measured_on}", metric=row.metric, case=row.case, measured_on=measured_on),
        reasons=row.reasons,
    )


def _replicated(throughput: Estimate, copies: int) -> Estimate:
    """Return the throughput of copies of the case on the machine's other devices, at worst 5 % below proportional."""
    if copies == 1:
        return throughput
    source = message("{source}, x {copies} copies on one machine", source=throughput.source, copies=copies)
    more = scaled(throughput, copies)
    # Copies share host, memory bandwidth and power; no run has measured by how much they slow each other.
    return more.model_copy(update={"low": 0.95 * more.low, "basis": "modelled", "source": source})


def _per_device(power: Estimate | None, devices: int) -> Estimate | None:
    return None if power is None else scaled(power, 1 / devices)


def _fact(number: object, *, unit: str, on: str) -> Estimate | None:
    """Return a figure of the system's fingerprint; ``None`` where it holds none."""
    # Details of a fingerprint are free-form settings: texts, flags, None.
    if isinstance(number, bool) or not isinstance(number, int | float) or number <= 0:
        return None
    return estimate(float(number), unit=unit, basis="measured", source=message("fingerprint of the machine, {on}", on=on))


def _watts(match: ServerMatch, capabilities: Sequence[Capability], catalogue: Catalogue) -> Watts:
    """Return the server's watts, from sensors where the measured machine is a whole server or holds its accelerators."""
    busy = [capability.power_w for capability in capabilities if capability.power_w is not None]
    # A slice of a CPU server: its sensors read the packages that others use, too.
    if not busy or (match.num_accelerators == 0 and match.machines_per_server.value > 1):
        return match.watts
    peaks = [capability.power_peak_w for capability in capabilities if capability.power_peak_w is not None]
    peak_w = _span(peaks, highest=True) if peaks else None
    spec = catalogue.accelerators.get(match.accelerator or "")
    return with_sensors(
        match.watts, busy_w=_span(busy), peak_w=peak_w, count=match.num_accelerators, spec=spec, catalogue=catalogue
    )


def _span(quantities: Sequence[Estimate], *, highest: bool = False) -> Estimate:
    """Return one estimate for several cases: their mean (or highest) value between the lowest and the highest end."""
    values = [quantity.value for quantity in quantities]
    return Estimate(
        value=max(values) if highest else sum(values) / len(values),
        low=min(quantity.low for quantity in quantities),
        high=max(quantity.high for quantity in quantities),
        unit=quantities[0].unit,
        basis=combined(quantities),
        source=message(
            "sensor readings of {num_quantities} case{more}",
            num_quantities=len(quantities),
            more="s" if len(quantities) != 1 else "",
        ),
    )

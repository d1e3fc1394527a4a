"""Checks of the sensors: whether each source can be read, and positive controls, so that no dead sensor looks healthy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence

from aigc_bench.core import registry
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import Check
from aigc_bench.measure.doctor.finding import absent, note, ok, warning
from aigc_bench.telemetry.base import SensorAbsent, Source, Value
from aigc_bench.telemetry.host import WORKER, Host

# Energy counters refresh about every 100 ms: three times in this.
_CONTROL_S = 0.3
_TOLERATED_CORES = 0.1


def checks() -> list[Check]:
    """One check for each registered source, and the controls of those that can be read."""
    found: list[Check] = []
    for name in registry.names("telemetry"):
        found += source_checks(name, registry.load("telemetry", name))
    return [*found, cpu_control(Host())]


def source_checks(name: str, source: Source) -> list[Check]:
    """Whether a source opens, which metrics it lacks and why, and whether its energy counters count."""
    try:
        source.open()
    except SensorAbsent as absence:
        return [
            absent(message("sensor {name}", name=name), message("{absence}; its values are null in every result", absence=absence))
        ]
    try:
        status = source.status()
        detail = message(
            "{num_metrics} metrics of {devices}",
            num_metrics=len(status.metrics),
            devices=", ".join(status.devices) or message("no device"),
        )
        if not status.available:
            return [absent(message("sensor {name}", name=name), status.reason or detail)]
        missing = "; ".join(_by_reason(status.absent))
        opened = (
            note(message("sensor {name}", name=name), message("{detail}; absent: {missing}", detail=detail, missing=missing))
            if missing
            else ok(message("sensor {name}", name=name), detail)
        )
        return [opened, *energy_control(name, source)]
    finally:
        source.close()


def _by_reason(absent_metrics: Mapping[str, str]) -> Iterator[str]:
    """``energy_j, power_w @ MIG-1 (why)``: one clause for each reason."""
    for reason in dict.fromkeys(absent_metrics.values()):
        names = sorted(name for name, why in absent_metrics.items() if why == reason)
        by_device: dict[str, list[str]] = {}
        for name in names:
            metric, _, device = name.partition(" @ ")
            by_device.setdefault(device, []).append(metric)
        missing = (f"{', '.join(metrics)}{f' @ {device}' if device else ''}" for device, metrics in by_device.items())
        yield f"{'; '.join(missing)} ({reason})"


def energy_control(name: str, source: Source) -> Iterator[Check]:
    """Check that the energy counters advance: one that stands still while power is drawn is broken."""
    before = source.read_energy()
    if not before:
        return
    time.sleep(_CONTROL_S)
    stuck = _standing_still(before, source.read_energy())
    if stuck:
        detail = message("does not move within {control_s} s: {stuck}", control_s=_CONTROL_S, stuck=", ".join(stuck))
        yield warning(
            message("{name} energy control", name=name), detail, remedy=message("Energy will be integrated from power instead.")
        )
    else:
        yield ok(
            message("{name} energy control", name=name), message("{num_before} counter(s) are counting", num_before=len(before))
        )


def _standing_still(before: Sequence[Value], after: Sequence[Value]) -> list[str]:
    pairs = zip(before, after, strict=True)
    return [first.device for first, second in pairs if first.value is None or second.value is None or second.value <= first.value]


def cpu_control(host: Host) -> Check:
    """Keep a core busy and check that the sensor reads it."""
    try:
        host.open()
    except SensorAbsent as absence:
        return absent(message("cpu control"), str(absence))
    try:
        host.watch(os.getpid())
        started_s, used_s = time.monotonic(), time.process_time()
        while time.monotonic() < started_s + _CONTROL_S:
            pass
        cores = next((v.value for v in host.read() if v.device == WORKER and v.metric == "cpu_utilization"), None)
        # Not 1: on a busy host the loop does not get the whole core.
        true_cores = (time.process_time() - used_s) / (time.monotonic() - started_s)
    finally:
        host.close()
    detail = message(
        "a test process used {true_cores:.2f} cores, the sensor reports {more}",
        true_cores=true_cores,
        more="none" if cores is None else f"{cores:.2f}",
    )
    if cores is None or abs(cores - true_cores) > _TOLERATED_CORES:
        return warning(
            message("cpu control"), detail, remedy=message("The worker's utilisation is unreliable here (is /proc restricted?).")
        )
    return ok(message("cpu control"), detail)

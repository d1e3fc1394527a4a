"""NVIDIA GPUs through NVML: utilisation, memory, power, the energy counter, temperature, clocks, throttle reasons, PCIe link.

Devices are named by UUID. A MIG instance has a device of its own, which offers its memory and its processes; NVML measures
power, energy, temperature and clocks for the whole GPU only.

Power is ``NVML_FI_DEV_POWER_INSTANT`` where the driver has it; ``nvmlDeviceGetPowerUsage`` is an average over 1 s on Ampere and
later (NVML API reference), so that the fallback is reported as the absence of ``power_instant_w``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aigc_bench.core.messages import message
from aigc_bench.core.run_records import SensorStatus
from aigc_bench.telemetry._nvml_door import PERMANENT, Device, NvmlProblem, bind, close_library, devices, open_library, query
from aigc_bench.telemetry._nvml_facts import GpuFacts as GpuFacts
from aigc_bench.telemetry._nvml_facts import describe as describe
from aigc_bench.telemetry._nvml_facts import nvml_open as nvml_open
from aigc_bench.telemetry.base import Source, Value

# NVML_FI_DEV_POWER_INSTANT of nvml.h.
_POWER_INSTANT_FIELD = 186
Reader = Callable[[], tuple[float, ...]]
_WHOLE_GPU_ONLY = message("NVML measures it for the whole GPU, not for a MIG instance")


@dataclass(frozen=True, kw_only=True)
class _Probe:
    """Readers of the same metrics, the preferred one first."""

    metrics: tuple[str, ...]
    readers: tuple[Reader, ...]
    is_slow: bool = False
    fallback_note: tuple[str, str] | None = None
    """(metric that is absent, what its absence means) where the first reader does not answer."""


class _Bound(NamedTuple):
    """A probe that answered when the source was opened."""

    device: str
    metrics: tuple[str, ...]
    read: Reader


class Nvml(Source):
    """The NVIDIA driver's sensors."""

    title = "NVIDIA GPUs (NVML)"
    period_s = 0.1

    def __init__(self) -> None:
        self._chosen: frozenset[str] = frozenset()
        self._devices: tuple[str, ...] = ()
        self._fast: list[_Bound] = []
        self._slow: list[_Bound] = []
        self._power: list[_Bound] = []
        self._energy: list[_Bound] = []
        self._absent: dict[str, dict[str, str]] = {}
        self._problems: dict[str, str] = {}
        self._codes: dict[tuple[str, str], int] = {}
        self._processes = _Processes()

    def choose(self, devices: Sequence[str]) -> None:
        """Read these devices alone, by UUID; all where none is named."""
        self._chosen = frozenset(devices)

    def open(self) -> None:
        """Initialise NVML and bind the calls that each device answers; raises ``SensorAbsent``."""
        library = open_library()
        listed, problems = devices()
        found = [device for device in listed if not self._chosen or device.uuid in self._chosen]
        self._fast, self._slow, self._power, self._energy, self._absent = [], [], [], [], {}
        self._devices = tuple(device.uuid for device in found)
        self._problems = {message("device {number}", number=number): problem for number, problem in enumerate(problems)}
        for device in found:
            for probe in _probes(library, device, self._processes):
                self._bind(device, probe)

    def _bind(self, device: Device, probe: _Probe) -> None:
        """Keep the first reader that answers; a metric that never will is absent, with the reason."""
        reason = _WHOLE_GPU_ONLY
        for reader in probe.readers:
            try:
                reader()
            except NvmlProblem as problem:
                reason = problem.reason
                # Any other error (a timeout, a lost GPU) may pass: the reader is kept and queried again.
                if problem.code in PERMANENT:
                    if probe.fallback_note and reader is probe.readers[0]:
                        self._note(device.uuid, probe.fallback_note[0], f"{reason}; {probe.fallback_note[1]}")
                    continue
            bound = _Bound(device=device.uuid, metrics=probe.metrics, read=reader)
            # Power is read at random moments, so that it cannot share the grid of the other fast sensors.
            chosen = self._power if "power_w" in probe.metrics else self._slow if probe.is_slow else self._fast
            chosen.append(bound)
            if "energy_j" in probe.metrics:
                self._energy.append(bound)
            return
        for metric in probe.metrics:
            self._note(device.uuid, metric, reason)

    def _note(self, device: str, metric: str, reason: str) -> None:
        self._absent.setdefault(metric, {})[device] = reason

    def status(self) -> SensorStatus:
        """Devices, metrics, what is absent, and the last reason why a device stopped answering."""
        metrics = dict.fromkeys(metric for bound in (*self._power, *self._fast, *self._slow) for metric in bound.metrics)
        return SensorStatus(
            source="nvml",
            available=bool(self._devices),
            reason=None if self._devices else "; ".join(self._problems.values()) or message("the driver lists no GPU"),
            devices=self._devices,
            metrics=tuple(metrics),
            absent={**self._absences(), **self._problems},
        )

    def _absences(self) -> dict[str, str]:
        """``metric`` where all devices lack it for one reason, else ``metric @ device``."""
        absent: dict[str, str] = {}
        for metric, reasons in self._absent.items():
            if len(reasons) == len(self._devices) and len(set(reasons.values())) == 1:
                absent[metric] = next(iter(reasons.values()))
            else:
                absent |= {f"{metric} @ {device}": reason for device, reason in reasons.items()}
        return absent

    def read(self) -> Sequence[Value]:
        """All fast sensors of all devices but for their power."""
        return self._read(self._fast)

    def read_power(self) -> Sequence[Value]:
        """Power of all devices."""
        return self._read(self._power)

    def has_lone_power(self) -> bool:
        """Whether some GPU has no total-energy counter: those before Volta."""
        return bool({bound.device for bound in self._power} - {bound.device for bound in self._energy})

    def read_slow(self) -> Sequence[Value]:
        """Link, limits and the processes on each device."""
        return self._read(self._slow)

    def read_energy(self) -> Sequence[Value]:
        """The total-energy counters."""
        return self._read(self._energy)

    def _read(self, probes: list[_Bound]) -> list[Value]:
        values: list[Value] = []
        for device, metrics, read in probes:
            try:
                answer: tuple[float | None, ...] = read()
            except NvmlProblem as problem:
                self._problems[message("{device} at last", device=device)] = problem.reason
                self._codes |= {(device, metric): problem.code for metric in metrics}
                answer = (None,) * len(metrics)
            for metric, value in zip(metrics, answer, strict=True):
                values.append(Value(device, metric, value))
        return values

    def failure_code(self, device: str, metric: str) -> int | None:
        """NVML's return code of the last reading of this metric that failed."""
        return self._codes.get((device, metric))

    def watch(self, pid: int | None) -> None:
        """Processes other than this one and its descendants are foreign."""
        self._processes.ours = pid

    def close(self) -> None:
        """Release NVML."""
        self._fast, self._slow, self._power, self._energy = [], [], [], []
        close_library()


def _probes(library: Any, device: Device, processes: _Processes) -> tuple[_Probe, ...]:
    """Return the readers of one device; for a MIG instance the whole-GPU metrics have no reader."""
    count = partial(processes.count, library, device.handle)
    on_device = (
        _Probe(metrics=("memory_used_bytes",), readers=_memory(library, device.handle)),
        _Probe(metrics=("num_processes", "num_foreign_processes"), readers=(count,), is_slow=True),
    )
    whole = _whole_gpu(library, device.handle)
    if device.parent is not None:
        whole = tuple(_Probe(metrics=probe.metrics, readers=()) for probe in whole)
    return (*whole, *on_device)


def _whole_gpu(library: Any, handle: Any) -> tuple[_Probe, ...]:
    def number(metric: str, *calls: tuple[Any, ...], per: float = 1, into: Any = ctypes.c_uint, slow: bool = False) -> _Probe:
        """A metric that is one number of one call; ``calls`` are C functions with their arguments, the preferred one first."""
        readers = tuple(_number(bind(name, handle, *arguments, into=into()), per=per) for name, *arguments in calls)
        return _Probe(metrics=(metric,), readers=readers, is_slow=slow)

    clock, mask = "nvmlDeviceGetClockInfo", ctypes.c_ulonglong
    # The enforced limit is the least of all in force; the other is only what was set.
    limits = (("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetPowerManagementLimit",))
    # One bit mask under two names: later drivers renamed the call.
    reasons = (("nvmlDeviceGetCurrentClocksEventReasons",), ("nvmlDeviceGetCurrentClocksThrottleReasons",))
    return (
        _power(library, handle),
        # Millijoules since the driver was loaded.
        number("energy_j", ("nvmlDeviceGetTotalEnergyConsumption",), per=1000, into=mask),
        _utilization(library, handle),
        number("temperature_c", ("nvmlDeviceGetTemperature", library.NVML_TEMPERATURE_GPU)),
        number("sm_clock_hz", (clock, library.NVML_CLOCK_SM), per=1e-6),
        number("memory_clock_hz", (clock, library.NVML_CLOCK_MEM), per=1e-6, slow=True),
        number("throttle_reasons", *reasons, into=mask),
        number("pcie_generation", ("nvmlDeviceGetCurrPcieLinkGeneration",), slow=True),
        number("pcie_width", ("nvmlDeviceGetCurrPcieLinkWidth",), slow=True),
        number("power_limit_w", *limits, per=1000, slow=True),
    )


def _number(call: Callable[[], Any], *, per: float) -> Reader:
    return lambda: (call().value / per,)


def _power(library: Any, handle: Any) -> _Probe:
    """Watts now; where the driver has no such field, its average."""
    field = library.c_nvmlFieldValue_t(fieldId=_POWER_INSTANT_FIELD)
    ask_field = bind("nvmlDeviceGetFieldValues", handle, 1, into=field)

    def instant() -> tuple[float, ...]:
        ask_field()
        # The call succeeds although the field has failed: each field carries a return code of its own.
        if field.nvmlReturn:
            raise NvmlProblem(field.nvmlReturn)
        # Milliwatts.
        return (field.value.uiVal / 1000,)

    average = bind("nvmlDeviceGetPowerUsage", handle, into=ctypes.c_uint())
    note = ("power_instant_w", message("power_w is the driver's average (over 1 s on Ampere and later)"))
    return _Probe(metrics=("power_w",), readers=(instant, _number(average, per=1000)), fallback_note=note)


def _utilization(library: Any, handle: Any) -> _Probe:
    rates = library.c_nvmlUtilization_t()
    call = bind("nvmlDeviceGetUtilizationRates", handle, into=rates)

    def read() -> tuple[float, ...]:
        call()
        return (rates.gpu / 100, rates.memory / 100)

    return _Probe(metrics=("gpu_utilization", "memory_controller_utilization"), readers=(read,))


def _memory(library: Any, handle: Any) -> tuple[Reader, ...]:
    """Used bytes without the driver's own reserve (v2), or with it where the driver is older than 510."""
    without = bind("nvmlDeviceGetMemoryInfo_v2", handle, into=library.c_nvmlMemory_v2_t(version=library.nvmlMemory_v2))
    with_reserve = bind("nvmlDeviceGetMemoryInfo", handle, into=library.c_nvmlMemory_t())
    return (lambda: (float(without().used),), lambda: (float(with_reserve().used),))


class _Processes:
    """Counts the compute processes on a device, and those that are not the worker's."""

    def __init__(self) -> None:
        self.ours: int | None = None

    def count(self, library: Any, handle: Any) -> tuple[float, ...]:
        """(all, foreign).

        In a container the driver may name processes by numbers of another namespace: where the worker is not in the
        list, one number that does not exist here is taken for it.
        """
        pids = [process.pid for process in query(library.nvmlDeviceGetComputeRunningProcesses, handle)]
        foreign = [pid for pid in pids if not self._is_ours(pid)]
        hidden = sum(not Path(f"/proc/{pid}").exists() for pid in foreign)
        # Only one is forgiven: further unknown numbers are other tenants.
        if self.ours is not None and len(foreign) == len(pids) and hidden:
            return (float(len(pids)), float(len(foreign) - 1))
        return (float(len(pids)), float(len(foreign)))

    def _is_ours(self, pid: int) -> bool:
        """Whether ``pid`` is the watched worker or descends from it."""
        while self.ours is not None and pid > 1:
            if pid == self.ours:
                return True
            pid = _parent_of(pid)
        return False


def _parent_of(pid: int) -> int:
    """Parent process, 0 where there is none to be seen."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - a path object costs more than the read
            # The command's name may hold blanks and parentheses: state and parent stand behind the last one.
            return int(file.read(1024).rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


source = Nvml()

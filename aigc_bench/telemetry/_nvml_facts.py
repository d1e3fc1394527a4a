"""Facts and present state of a GPU as the NVIDIA driver reports them: for the fingerprint, the doctor and recorded traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aigc_bench.telemetry._nvml_door import Device, close_library, devices, open_library, query_or

# NVML_NVLINK_MAX_LINKS of nvml.h: H100, H200 and B200 have 18 links, Rubin 36; a link that is not there answers with an error.
_MAX_NVLINKS = 36
# Of nvml.h: NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, NVML_TEMPERATURE_THRESHOLD_SLOWDOWN.
_UNCORRECTED, _SINCE_BOOT = 1, 0
_SLOWDOWN_THRESHOLD = 1
_MEGA = 1e6


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """One GPU or MIG instance; ``None`` where the driver does not report it."""

    index: int
    uuid: str
    name: str
    parent: str | None = None
    memory_bytes: int | None = None
    vbios: str | None = None
    compute_capability: str | None = None
    power_limit_w: float | None = None
    power_limit_default_w: float | None = None
    sm_clock_max_hz: float | None = None
    memory_clock_max_hz: float | None = None
    temperature_c: float | None = None
    temperature_slowdown_c: float | None = None
    throttle_reasons: int | None = None
    throttle_supported: int | None = None
    ecc: bool | None = None
    ecc_uncorrected: int | None = None
    mig: bool | None = None
    persistence: bool | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    nvlinks: int | None = None
    pids: tuple[int, ...] | None = None

    def trace_keys(self) -> Mapping[str, float | int | str | bool]:
        """The facts under the names that a trace gives them, without those that are unknown or vary by themselves."""
        # The PCIe link slows down while the GPU idles, so that its present state is no fact of the device.
        left_out = {"index", "uuid", "name", "parent", "temperature_c", "throttle_reasons", "pids", "pcie_generation", "pcie_width"}
        facts = {key: value for key, value in vars(self).items() if key not in left_out and value is not None}
        return {**facts, "pids": "none"}


@contextmanager
def nvml_open() -> Iterator[None]:
    """NVML for the duration of a block; raises ``SensorAbsent`` with the reason."""
    open_library()
    try:
        yield
    finally:
        close_library()


def describe() -> tuple[Mapping[str, str | None], tuple[GpuFacts, ...]]:
    """(``driver``, ``nvml`` and ``cuda`` versions, the devices). NVML must be open; ``cuda`` as NVML counts it (12080 is 12.8)."""
    import pynvml

    cuda = query_or(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    versions = {
        "driver": query_or(pynvml.nvmlSystemGetDriverVersion),
        "nvml": query_or(pynvml.nvmlSystemGetNVMLVersion),
        "cuda": None if cuda is None else str(cuda),
    }
    return versions, tuple(_facts(pynvml, device) for device in devices()[0])


def _facts(library: Any, device: Device) -> GpuFacts:
    name = query_or(library.nvmlDeviceGetName, device.handle) or "unknown"
    memory = query_or(library.nvmlDeviceGetMemoryInfo, device.handle)
    common: dict[str, Any] = {"index": device.index, "uuid": device.uuid, "name": name, "memory_bytes": memory and memory.total}
    # NVML answers limits and state for the whole GPU only, not for a MIG instance.
    if device.parent is not None:
        return GpuFacts(**common, parent=device.parent)
    return GpuFacts(**common, mig=device.mig_enabled, **_limits(library, device.handle), **_state(library, device.handle))


def _limits(library: Any, handle: Any) -> dict[str, Any]:
    capability = query_or(library.nvmlDeviceGetCudaComputeCapability, handle)
    # NVML counts milliwatts and MHz.
    default_mw = query_or(library.nvmlDeviceGetPowerManagementDefaultLimit, handle)
    limit_mw = query_or(library.nvmlDeviceGetEnforcedPowerLimit, handle)
    sm_mhz = query_or(library.nvmlDeviceGetMaxClockInfo, handle, library.NVML_CLOCK_SM)
    memory_mhz = query_or(library.nvmlDeviceGetMaxClockInfo, handle, library.NVML_CLOCK_MEM)
    return {
        "vbios": query_or(library.nvmlDeviceGetVbiosVersion, handle),
        "compute_capability": capability and "{}.{}".format(*capability),
        "power_limit_w": None if limit_mw is None else limit_mw / 1000,
        "power_limit_default_w": None if default_mw is None else default_mw / 1000,
        "sm_clock_max_hz": None if sm_mhz is None else sm_mhz * _MEGA,
        "memory_clock_max_hz": None if memory_mhz is None else memory_mhz * _MEGA,
        "temperature_slowdown_c": query_or(library.nvmlDeviceGetTemperatureThreshold, handle, _SLOWDOWN_THRESHOLD),
        "throttle_supported": query_or(library.nvmlDeviceGetSupportedClocksThrottleReasons, handle),
        "pcie_generation_max": query_or(library.nvmlDeviceGetMaxPcieLinkGeneration, handle),
        "pcie_width_max": query_or(library.nvmlDeviceGetMaxPcieLinkWidth, handle),
    }


def _state(library: Any, handle: Any) -> dict[str, Any]:
    ecc = query_or(library.nvmlDeviceGetEccMode, handle)
    persistence = query_or(library.nvmlDeviceGetPersistenceMode, handle)
    processes = query_or(library.nvmlDeviceGetComputeRunningProcesses, handle)
    links = [query_or(library.nvmlDeviceGetNvLinkState, handle, link) for link in range(_MAX_NVLINKS)]
    return {
        "temperature_c": query_or(library.nvmlDeviceGetTemperature, handle, library.NVML_TEMPERATURE_GPU),
        "throttle_reasons": query_or(library.nvmlDeviceGetCurrentClocksThrottleReasons, handle),
        "ecc": bool(ecc[0]) if ecc else None,
        "ecc_uncorrected": query_or(library.nvmlDeviceGetTotalEccErrors, handle, _UNCORRECTED, _SINCE_BOOT),
        "persistence": None if persistence is None else bool(persistence),
        "pcie_generation": query_or(library.nvmlDeviceGetCurrPcieLinkGeneration, handle),
        "pcie_width": query_or(library.nvmlDeviceGetCurrPcieLinkWidth, handle),
        # 0 means links that are all down, None a GPU without NVLink.
        "nvlinks": sum(map(bool, links)) if any(link is not None for link in links) else None,
        "pids": None if processes is None else tuple(process.pid for process in processes),
    }

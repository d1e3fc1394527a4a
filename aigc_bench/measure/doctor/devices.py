"""Checks of the NVIDIA devices: driver, thermal state, power limit, clocks, ECC, MIG, persistence, links, other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from aigc_bench.core.records import Check
from aigc_bench.core.throttle import APPLICATIONS_CLOCKS, SPOILING, SW_POWER_CAP, THERMAL, throttle_names
from aigc_bench.measure.doctor.finding import absent, failure, note, ok, warning
from aigc_bench.measure.fingerprint import cuda_version
from aigc_bench.measure.host_facts import SYS, text
from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.nvml import (
    GpuFacts,
    describe,
    nvml_open,
)

_NVIDIA_VENDOR, _DISPLAY_CLASS = "0x10de", "0x03"
HOTTER_THAN_OTHERS_C = 15
NEAR_SLOWDOWN_C = 10


def checks() -> list[Check]:
    """The driver's check, and all checks of each device."""
    try:
        with nvml_open():
            versions, facts = describe()
    except SensorAbsent as absence:
        return [_no_driver(str(absence), num_cards=num_nvidia_cards())]
    return [_driver(versions, facts), *device_checks(facts)]


def num_nvidia_cards() -> int:
    """NVIDIA display devices on the PCI bus, whether a driver is loaded or not."""
    folders = (SYS / "bus/pci/devices").glob("*")
    return sum(text(f / "vendor") == _NVIDIA_VENDOR and (text(f / "class") or "").startswith(_DISPLAY_CLASS) for f in folders)


def _no_driver(reason: str, *, num_cards: int) -> Check:
    if num_cards == 0:
        return absent("nvidia driver", f"{reason}; no NVIDIA device is on the PCI bus")
    remedy = "Install the driver and load it (`sudo modprobe nvidia`); in a container, start it with `--gpus all`."
    return failure("nvidia driver", f"{num_cards} NVIDIA device(s) on the PCI bus, but {reason}", remedy=remedy)


def _driver(versions: Mapping[str, str | None], facts: Sequence[GpuFacts]) -> Check:
    count = sum(gpu.parent is None for gpu in facts)
    detail = f"driver {versions['driver']}, CUDA up to {cuda_version(versions['cuda']) or 'unknown'}, {count} GPU(s)"
    if count == 0:
        return failure("nvidia driver", detail, remedy="See `dmesg | grep -i nvrm` for why no GPU came up.")
    return ok("nvidia driver", detail)


def device_checks(facts: Sequence[GpuFacts]) -> list[Check]:
    """All checks of all physical GPUs."""
    gpus = [gpu for gpu in facts if gpu.parent is None]
    temperatures = [gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None]
    typical_c = median(temperatures) if temperatures else None
    found: list[Check] = []
    for gpu in gpus:
        found += (check(gpu) for check in _EACH)
        found.append(_temperature(gpu, typical_c))
    return [*found, *_nvlink(gpus)]


def health_checks(facts: Sequence[GpuFacts]) -> list[Check]:
    """Yield the checks of whether the physical GPUs are healthy and idle now; a run makes them before its first trial."""
    gpus = [gpu for gpu in facts if gpu.parent is None]
    temperatures = [gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None]
    typical_c = median(temperatures) if temperatures else None
    found: list[Check] = []
    for gpu in gpus:
        found += (_throttling(gpu), _throttle_control(gpu), _ecc(gpu), _temperature(gpu, typical_c), _processes(gpu))
    return found


def _of(gpu: GpuFacts, what: str) -> str:
    return f"gpu {gpu.index}: {what}"


def _throttling(gpu: GpuFacts) -> Check:
    active = gpu.throttle_reasons
    if active is None:
        return absent(_of(gpu, "throttling"), "the driver does not say why clocks are reduced")
    names = ", ".join(throttle_names(active)) or "none"
    if active & SPOILING:
        remedy = "Let it cool down; check fans, airflow, dust and the power supply before measuring."
        return failure(_of(gpu, "throttling"), f"slowed down now: {names}", remedy=remedy)
    if active & SW_POWER_CAP:
        return note(_of(gpu, "throttling"), f"at its power limit now: {names}")
    if active & APPLICATIONS_CLOCKS:
        remedy = f"Reset them unless that is wanted: `sudo nvidia-smi -i {gpu.index} -rac -rgc`."
        return note(_of(gpu, "throttling"), f"clocks are limited by a setting: {names}", remedy=remedy)
    return ok(_of(gpu, "throttling"), f"reasons now: {names}")


def _throttle_control(gpu: GpuFacts) -> Check:
    """A positive control: a probe that can never report heat would call every run healthy."""
    supported = gpu.throttle_supported
    if supported is None:
        return warning(_of(gpu, "throttle control"), "the driver does not say which throttle reasons it can report")
    if not supported & THERMAL:
        detail = "the driver cannot report thermal reasons: a throttled run would look healthy"
        return warning(_of(gpu, "throttle control"), detail)
    return ok(_of(gpu, "throttle control"), f"can report: {', '.join(throttle_names(supported))}")


def _temperature(gpu: GpuFacts, typical_c: float | None) -> Check:
    now_c, limit_c = gpu.temperature_c, gpu.temperature_slowdown_c
    if now_c is None:
        return absent(_of(gpu, "temperature"), "not reported")
    detail = f"{now_c:.0f} °C" + (f", slows down at {limit_c:.0f} °C" if limit_c else "")
    if limit_c and now_c > limit_c - NEAR_SLOWDOWN_C:
        return warning(_of(gpu, "temperature"), detail, remedy="Let it cool down; check fans and airflow.")
    if typical_c is not None and now_c > typical_c + HOTTER_THAN_OTHERS_C:
        detail = f"{detail}; the typical device is at {typical_c:.0f} °C"
        return warning(_of(gpu, "temperature"), detail, remedy="Check its fan and its slot.")
    return ok(_of(gpu, "temperature"), detail)


def _power_limit(gpu: GpuFacts) -> Check:
    limit, default = gpu.power_limit_w, gpu.power_limit_default_w
    if limit is None:
        return absent(_of(gpu, "power limit"), "not reported")
    if default is not None and abs(limit - default) > 0.5:
        remedy = f"Set the default again unless that is wanted: `sudo nvidia-smi -i {gpu.index} -pl {default:.0f}`."
        return warning(_of(gpu, "power limit"), f"{limit:.0f} W, the default is {default:.0f} W", remedy=remedy)
    return ok(_of(gpu, "power limit"), f"{limit:.0f} W" + (", the default" if default is not None else ""))


def _clocks(gpu: GpuFacts) -> Check:
    if gpu.sm_clock_max_hz is None:
        return absent(_of(gpu, "clocks"), "not reported")
    memory = f", memory up to {gpu.memory_clock_max_hz / 1e6:.0f} MHz" if gpu.memory_clock_max_hz else ""
    return ok(_of(gpu, "clocks"), f"SM up to {gpu.sm_clock_max_hz / 1e6:.0f} MHz{memory}")


def _persistence(gpu: GpuFacts) -> Check:
    if gpu.persistence is None:
        return absent(_of(gpu, "persistence"), "not reported")
    if not gpu.persistence:
        remedy = "Keep the driver loaded: `sudo nvidia-smi -pm 1` (or enable nvidia-persistenced)."
        detail = "off: every first use loads the driver again and resets the energy counter"
        return warning(_of(gpu, "persistence"), detail, remedy=remedy)
    return ok(_of(gpu, "persistence"), "on")


def _ecc(gpu: GpuFacts) -> Check:
    if gpu.ecc_uncorrected:
        remedy = "Run `nvidia-smi -q -d ECC,ROW_REMAPPER`, reset the GPU, and have it replaced if they come back."
        return failure(_of(gpu, "ecc"), f"{gpu.ecc_uncorrected} uncorrected memory errors since the driver came up", remedy=remedy)
    if gpu.ecc is None:
        return absent(_of(gpu, "ecc"), "this device has none")
    if not gpu.ecc:
        return note(_of(gpu, "ecc"), "off: a little more memory, no protection against bit errors")
    return ok(_of(gpu, "ecc"), "on, no uncorrected errors")


def _mig(gpu: GpuFacts) -> Check:
    if gpu.mig:
        detail = "on: a case runs on an instance, and power and energy are known for the whole GPU only"
        return note(_of(gpu, "mig"), detail, remedy=f"For the whole GPU: `sudo nvidia-smi -i {gpu.index} -mig 0`.")
    return ok(_of(gpu, "mig"), "off")


def _pcie(gpu: GpuFacts) -> Check:
    now, most = (gpu.pcie_generation, gpu.pcie_width), (gpu.pcie_generation_max, gpu.pcie_width_max)
    if None in now or None in most:
        return absent(_of(gpu, "pcie"), "not reported")
    detail = f"generation {now[0]} x{now[1]} of {most[0]} x{most[1]}"
    if (now[1] or 0) < (most[1] or 0):
        remedy = "Reseat the card; check the riser, and the slot's lanes in the BIOS."
        return warning(_of(gpu, "pcie"), f"{detail}: narrower than slot and card allow", remedy=remedy)
    if (now[0] or 0) < (most[0] or 0):
        return note(_of(gpu, "pcie"), f"{detail}; an idle link saves power at a lower generation, look again under load")
    return ok(_of(gpu, "pcie"), detail)


def _processes(gpu: GpuFacts) -> Check:
    if gpu.pids is None:
        return absent(_of(gpu, "processes"), "not reported")
    if gpu.pids:
        pids = ", ".join(map(str, gpu.pids))
        detail = f"{len(gpu.pids)} compute process(es): {pids}"
        return warning(_of(gpu, "processes"), detail, remedy="End them: they share the device's time and memory.")
    return ok(_of(gpu, "processes"), "no other compute process")


def _nvlink(gpus: Sequence[GpuFacts]) -> Iterator[Check]:
    """NVLink matters between devices: one check for all."""
    if len(gpus) < 2:
        return
    links = [gpu.nvlinks for gpu in gpus]
    counts = ", ".join("none" if not count else str(count) for count in links)
    if len(set(links)) > 1:
        remedy = "See `nvidia-smi nvlink -s` for the links that are down."
        yield warning("nvlink", f"active links differ between the devices: {counts}", remedy=remedy)
    elif not links[0]:
        yield note("nvlink", "no NVLink: devices exchange data over PCIe")
    else:
        yield ok("nvlink", f"{links[0]} active links on each device")


_EACH: tuple[Callable[[GpuFacts], Check], ...] = (
    _throttling,
    _throttle_control,
    _power_limit,
    _clocks,
    _persistence,
    _ecc,
    _mig,
    _pcie,
    _processes,
)

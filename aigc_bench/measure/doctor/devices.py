"""Checks of the NVIDIA devices: driver, thermal state, power limit, clocks, ECC, MIG, persistence, links, other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from aigc_bench.core.messages import joined, message
from aigc_bench.core.run_records import Check
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

# Class 0x03 of PCI holds 0x0300 (VGA) and 0x0302 (3D controllers: cards without an output).
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
        return absent(message("nvidia driver"), message("{reason}; no NVIDIA device is on the PCI bus", reason=reason))
    remedy = message("Install the driver and load it (`sudo modprobe nvidia`); in a container, start it with `--gpus all`.")
    return failure(
        message("nvidia driver"),
        message("{num_cards} NVIDIA device(s) on the PCI bus, but {reason}", num_cards=num_cards, reason=reason),
        remedy=remedy,
    )


def _driver(versions: Mapping[str, str | None], facts: Sequence[GpuFacts]) -> Check:
    count = sum(gpu.parent is None for gpu in facts)
    detail = message(
        "driver {versions}, CUDA up to {cuda_version}, {count} GPU(s)",
        versions=versions["driver"],
        cuda_version=cuda_version(versions["cuda"]) or "unknown",
        count=count,
    )
    if count == 0:
        return failure(message("nvidia driver"), detail, remedy=message("See `dmesg | grep -i nvrm` for why no GPU came up."))
    return ok(message("nvidia driver"), detail)


def device_checks(facts: Sequence[GpuFacts]) -> list[Check]:
    """All checks of all physical GPUs."""
    gpus, typical_c = _physical(facts)
    found: list[Check] = []
    for gpu in gpus:
        found += _about(gpu, *(check(gpu) for check in _EACH), _temperature(gpu, typical_c))
    return [*found, *_nvlink(gpus)]


def health_checks(facts: Sequence[GpuFacts]) -> list[Check]:
    """Yield the checks of whether the physical GPUs are healthy and idle now; a run makes them before its first trial."""
    gpus, typical_c = _physical(facts)
    found: list[Check] = []
    for gpu in gpus:
        found += _about(gpu, _throttling(gpu), _throttle_control(gpu), _ecc(gpu), _temperature(gpu, typical_c), _processes(gpu))
    return found


def _physical(facts: Sequence[GpuFacts]) -> tuple[list[GpuFacts], float | None]:
    """Return the GPUs without their MIG instances, and their typical temperature, that one of them may deviate from."""
    gpus = [gpu for gpu in facts if gpu.parent is None]
    temperatures = [gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None]
    return gpus, median(temperatures) if temperatures else None


def _about(gpu: GpuFacts, *checks: Check) -> list[Check]:
    """The checks with the device that they are about: a defect spoils the trials of that device alone."""
    return [check.model_copy(update={"device": gpu.uuid}) for check in checks]


def _of(gpu: GpuFacts, what: str) -> str:
    return message("gpu {index}: {what}", index=gpu.index, what=what)


def _throttling(gpu: GpuFacts) -> Check:
    active = gpu.throttle_reasons
    if active is None:
        return absent(_of(gpu, "throttling"), message("the driver does not say why clocks are reduced"))
    names = ", ".join(throttle_names(active)) or "none"
    if active & SPOILING:
        remedy = message("Let it cool down; check fans, airflow, dust and the power supply before measuring.")
        return failure(_of(gpu, "throttling"), message("slowed down now: {names}", names=names), remedy=remedy)
    if active & SW_POWER_CAP:
        return note(_of(gpu, "throttling"), message("at its power limit now: {names}", names=names))
    if active & APPLICATIONS_CLOCKS:
        remedy = message("Reset them unless that is wanted: `sudo nvidia-smi -i {index} -rac -rgc`.", index=gpu.index)
        return note(_of(gpu, "throttling"), message("clocks are limited by a setting: {names}", names=names), remedy=remedy)
    return ok(_of(gpu, "throttling"), message("reasons now: {names}", names=names))


def _throttle_control(gpu: GpuFacts) -> Check:
    """A positive control: a probe that can never report heat would call every run healthy."""
    supported = gpu.throttle_supported
    if supported is None:
        return warning(
            _of(gpu, message("throttle control")), message("the driver does not say which throttle reasons it can report")
        )
    if not supported & THERMAL:
        detail = message("the driver cannot report thermal reasons: a throttled run would look healthy")
        return warning(_of(gpu, message("throttle control")), detail)
    return ok(
        _of(gpu, message("throttle control")),
        message("can report: {names}", names=", ".join(throttle_names(supported))),
    )


def _temperature(gpu: GpuFacts, typical_c: float | None) -> Check:
    now_c, limit_c = gpu.temperature_c, gpu.temperature_slowdown_c
    if now_c is None:
        return absent(_of(gpu, "temperature"), message("not reported"))
    detail = joined("", (f"{now_c:.0f} °C", message(", slows down at {limit_c:.0f} °C", limit_c=limit_c) if limit_c else ""))
    if limit_c and now_c > limit_c - NEAR_SLOWDOWN_C:
        return warning(_of(gpu, "temperature"), detail, remedy=message("Let it cool down; check fans and airflow."))
    if typical_c is not None and now_c > typical_c + HOTTER_THAN_OTHERS_C:
        detail = message("{detail}; the typical device is at {typical_c:.0f} °C", detail=detail, typical_c=typical_c)
        return warning(_of(gpu, "temperature"), detail, remedy=message("Check its fan and its slot."))
    return ok(_of(gpu, "temperature"), detail)


def _power_limit(gpu: GpuFacts) -> Check:
    limit, default = gpu.power_limit_w, gpu.power_limit_default_w
    if limit is None:
        return absent(_of(gpu, message("power limit")), message("not reported"))
    # Limits are set in whole watts, and come back with rounding.
    if default is not None and abs(limit - default) > 0.5:
        remedy = message(
            "Set the default again unless that is wanted: `sudo nvidia-smi -i {index} -pl {default:.0f}`.",
            index=gpu.index,
            default=default,
        )
        return warning(
            _of(gpu, message("power limit")),
            message("{limit:.0f} W, the default is {default:.0f} W", limit=limit, default=default),
            remedy=remedy,
        )
    return ok(
        _of(gpu, message("power limit")), joined("", (f"{limit:.0f} W", message(", the default") if default is not None else ""))
    )


def _clocks(gpu: GpuFacts) -> Check:
    if gpu.sm_clock_max_hz is None:
        return absent(_of(gpu, "clocks"), message("not reported"))
    memory = (
        message(", memory up to {clock_mhz:.0f} MHz", clock_mhz=gpu.memory_clock_max_hz / 1e6) if gpu.memory_clock_max_hz else ""
    )
    return ok(
        _of(gpu, "clocks"), message("SM up to {clock_mhz:.0f} MHz{memory}", clock_mhz=gpu.sm_clock_max_hz / 1e6, memory=memory)
    )


def _persistence(gpu: GpuFacts) -> Check:
    if gpu.persistence is None:
        return absent(_of(gpu, "persistence"), message("not reported"))
    if not gpu.persistence:
        remedy = message("Keep the driver loaded: `sudo nvidia-smi -pm 1` (or enable nvidia-persistenced).")
        detail = message("off: every first use loads the driver again and resets the energy counter")
        return warning(_of(gpu, "persistence"), detail, remedy=remedy)
    return ok(_of(gpu, "persistence"), "on")


def _ecc(gpu: GpuFacts) -> Check:
    if gpu.ecc_uncorrected:
        remedy = message("Run `nvidia-smi -q -d ECC,ROW_REMAPPER`, reset the GPU, and have it replaced if they come back.")
        return failure(
            _of(gpu, "ecc"),
            message("{ecc_uncorrected} uncorrected memory errors since the driver came up", ecc_uncorrected=gpu.ecc_uncorrected),
            remedy=remedy,
        )
    if gpu.ecc is None:
        return absent(_of(gpu, "ecc"), message("this device has none"))
    if not gpu.ecc:
        return note(_of(gpu, "ecc"), message("off: a little more memory, no protection against bit errors"))
    return ok(_of(gpu, "ecc"), message("on, no uncorrected errors"))


def _mig(gpu: GpuFacts) -> Check:
    if gpu.mig:
        detail = message("on: a case runs on an instance, and power and energy are known for the whole GPU only")
        return note(
            _of(gpu, "mig"), detail, remedy=message("For the whole GPU: `sudo nvidia-smi -i {index} -mig 0`.", index=gpu.index)
        )
    return ok(_of(gpu, "mig"), "off")


def _pcie(gpu: GpuFacts) -> Check:
    now, most = (gpu.pcie_generation, gpu.pcie_width), (gpu.pcie_generation_max, gpu.pcie_width_max)
    if None in now or None in most:
        return absent(_of(gpu, "pcie"), message("not reported"))
    detail = message(
        "generation {now} x{lanes} of {most} x{most_lanes}", now=now[0], lanes=now[1], most=most[0], most_lanes=most[1]
    )
    # A resting link lowers its generation to save power, and hardly ever its width.
    if (now[1] or 0) < (most[1] or 0):
        remedy = message("Reseat the card; check the riser, and the slot's lanes in the BIOS.")
        return warning(_of(gpu, "pcie"), message("{detail}: narrower than slot and card allow", detail=detail), remedy=remedy)
    if (now[0] or 0) < (most[0] or 0):
        return note(
            _of(gpu, "pcie"),
            message("{detail}; an idle link saves power at a lower generation, look again under load", detail=detail),
        )
    return ok(_of(gpu, "pcie"), detail)


def _processes(gpu: GpuFacts) -> Check:
    if gpu.pids is None:
        return absent(_of(gpu, "processes"), message("not reported"))
    if gpu.pids:
        pids = ", ".join(map(str, gpu.pids))
        detail = message("{num_pids} compute process(es): {pids}", num_pids=len(gpu.pids), pids=pids)
        return warning(_of(gpu, "processes"), detail, remedy=message("End them: they share the device's time and memory."))
    return ok(_of(gpu, "processes"), message("no other compute process"))


def _nvlink(gpus: Sequence[GpuFacts]) -> Iterator[Check]:
    """NVLink matters between devices: one check for all."""
    if len(gpus) < 2:
        return
    links = [gpu.nvlinks for gpu in gpus]
    counts = ", ".join("none" if not count else str(count) for count in links)
    if len(set(links)) > 1:
        remedy = message("See `nvidia-smi nvlink -s` for the links that are down.")
        yield warning("nvlink", message("active links differ between the devices: {counts}", counts=counts), remedy=remedy)
    elif not links[0]:
        yield note("nvlink", message("no NVLink: devices exchange data over PCIe"))
    else:
        yield ok("nvlink", message("{links} active links on each device", links=links[0]))


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

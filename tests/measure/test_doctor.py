"""The doctor: each check can be bad, says so, and has a remedy."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.run_records import Check
from aigc_bench.engines.torch_compile import compiler_reason
from aigc_bench.measure import doctor
from aigc_bench.measure.doctor import devices, host, sensors, software
from aigc_bench.measure.torch_survey import SurveyedBackend, TorchSurvey
from aigc_bench.telemetry.base import Source
from aigc_bench.telemetry.host import Host
from aigc_bench.telemetry.nvml import GpuFacts, Nvml
from tests.fake_nvml import FakeGpu, FakeNvml, simulated

HEALTHY = GpuFacts(
    index=0,
    uuid="GPU-0",
    name="NVIDIA A100",
    power_limit_w=400,
    power_limit_default_w=400,
    sm_clock_max_hz=1.41e9,
    temperature_c=40,
    temperature_slowdown_c=89,
    throttle_reasons=0,
    throttle_supported=0x1FF,
    ecc=True,
    ecc_uncorrected=0,
    mig=False,
    persistence=True,
    pcie_generation=4,
    pcie_generation_max=4,
    pcie_width=16,
    pcie_width_max=16,
    nvlinks=12,
    pids=(),
)


def torch_with(*, cuda: str | None = "12.8", **backend: Any) -> TorchSurvey:
    """A torch whose backend ``cuda`` is as stated."""
    return TorchSurvey(version="2.13.0", import_s=1.0, threads=8, cuda=cuda, backends={"cuda": SurveyedBackend(**backend)})


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_healthy_device_gives_no_cause_for_concern() -> None:
    assert {check.status for check in devices.device_checks([HEALTHY])} == {"ok"}


@pytest.mark.parametrize(
    ("what", "fact", "status", "phrase"),
    [
        ("throttling", {"throttle_reasons": 0x40}, "failure", "hw_thermal_slowdown"),
        ("throttling", {"throttle_reasons": 0x88}, "failure", "hw_power_brake_slowdown"),
        ("throttling", {"throttle_reasons": 0x4}, "note", "sw_power_cap"),
        ("throttling", {"throttle_reasons": 0x2}, "note", "applications_clocks"),
        ("throttling", {"throttle_reasons": 0x1}, "ok", "gpu_idle"),
        ("throttling", {"throttle_reasons": None}, "absent", "does not say"),
        ("throttle control", {"throttle_supported": 0x7}, "warning", "look healthy"),
        ("power limit", {"power_limit_w": 300.0}, "warning", "300 W, the default is 400 W"),
        ("persistence", {"persistence": False}, "warning", "off"),
        ("ecc", {"ecc_uncorrected": 3}, "failure", "3 uncorrected"),
        ("ecc", {"ecc": False}, "note", "off"),
        ("mig", {"mig": True}, "note", "whole GPU"),
        ("pcie", {"pcie_width": 8}, "warning", "x8 of 4 x16"),
        ("pcie", {"pcie_generation": 1}, "note", "idle link"),
        ("processes", {"pids": (77, 78)}, "warning", "77, 78"),
        ("temperature", {"temperature_c": 84.0}, "warning", "84 °C"),
        ("clocks", {"sm_clock_max_hz": None}, "absent", "not reported"),
    ],
)
def test_each_ailment_of_a_device_is_found(what: str, fact: dict[str, Any], status: str, phrase: str) -> None:
    check = named(devices.device_checks([replace(HEALTHY, **fact)]))[f"gpu 0: {what}"]
    assert check.status == status
    assert phrase in check.detail


def test_a_device_hotter_than_its_neighbours_is_found() -> None:
    gpus = [replace(HEALTHY, index=i, temperature_c=40.0 if i else 62.0) for i in range(4)]
    checks = named(devices.device_checks(gpus))
    assert checks["gpu 0: temperature"].status == "warning"
    assert checks["gpu 1: temperature"].status == "ok"


def test_links_that_differ_between_devices_are_found() -> None:
    gpus = [HEALTHY, replace(HEALTHY, index=1, nvlinks=11)]
    assert named(devices.device_checks(gpus))["nvlink"].status == "warning"
    assert named(devices.device_checks([replace(HEALTHY, nvlinks=None), replace(HEALTHY, nvlinks=None)]))["nvlink"].status == "note"


def test_the_driver_and_its_devices_are_read_through_the_library(tmp_path: Path) -> None:
    with simulated(FakeNvml.build(tmp_path, FakeGpu(series={"pcie_width": 4}))):
        checks = named(devices.checks())
    assert checks["nvidia driver"].status == "ok" and "CUDA up to 12.8" in checks["nvidia driver"].detail
    assert checks["gpu 0: pcie"].status == "warning"


def test_the_compiler_is_the_one_that_the_engine_takes(tmp_path: Path) -> None:
    """clang++ beside no g++ is none to Inductor, unless $CXX says so; the doctor asks the engine."""
    (tmp_path / "clang++").write_text("#!/bin/sh\n")
    (tmp_path / "clang++").chmod(0o755)
    bare = software.compiler({"PATH": str(tmp_path)})
    assert (bare.status, bare.detail) == ("note", compiler_reason({"PATH": str(tmp_path)}))
    assert "g++" in bare.detail and "python3-dev" in (bare.remedy or "")
    named_one = {"PATH": str(tmp_path), "CXX": "clang++"}
    expected = ("ok", str(tmp_path / "clang++")) if compiler_reason(named_one) is None else ("note", compiler_reason(named_one))
    check = software.compiler(named_one)
    assert (check.status, check.detail) == expected


def test_a_quota_below_the_threads_comes_with_the_number_to_set() -> None:
    check = host.cpu_limit(2.5, num_cores=16, threads=None)
    assert check.status == "warning" and "OMP_NUM_THREADS=2" in (check.remedy or "")
    assert host.cpu_limit(2.5, num_cores=16, threads="2").status == "ok"
    assert host.cpu_limit(None, num_cores=16, threads=None).status == "ok"


def test_each_ailment_of_the_host_is_found(tmp_path: Path) -> None:
    zone = tmp_path / "thermal_zone0"
    zone.mkdir()
    for name, content in (("temp", "96000"), ("trip_point_0_type", "critical"), ("trip_point_0_temp", "100000")):
        (zone / name).write_text(content)
    swapped = {"swap_in_pages": 9.0, "swap_in_pages_before": 2.0}
    found = [
        host.governor("powersave"),
        host.neighbours(0.4),
        host.steal(0.05),
        host.swapping(swapped, swap_bytes=2**30),
        host.thermal(tmp_path),
        host.free_memory(2.0**30, limit_bytes=2**31),
    ]
    assert [check.status for check in found] == ["warning"] * len(found)
    assert all(check.remedy for check in found)
    assert "7 pages" in found[3].detail


def test_a_healthy_host_is_ok_and_what_cannot_be_seen_is_absent_not_ok() -> None:
    assert host.governor("performance").status == host.neighbours(0.01).status == host.steal(0.0).status == "ok"
    assert host.governor(None).status == host.neighbours(None).status == host.free_memory(None, limit_bytes=None).status == "absent"


NO_CUDA = {"absence": "torch 2.13.0+cpu is built without CUDA", "remedy": "Install the build of torch that matches the driver."}


@pytest.mark.parametrize(
    ("backend", "num_gpus", "status", "phrase"),
    [
        ({"num_devices": 1}, 1, "ok", "1 device"),
        (NO_CUDA, 2, "failure", "lists 2 device(s), torch can use none: torch 2.13.0+cpu is built without CUDA"),
        (NO_CUDA, 0, "absent", "on the CPU"),
        ({"num_devices": 1, "defects": ("no kernels for NVIDIA B200 (sm_100)",)}, 1, "failure", "no kernels for NVIDIA B200"),
        ({"num_devices": 1}, 8, "note", "1 of 8"),
    ],
)
def test_a_torch_that_cannot_use_the_devices_is_found(backend: dict[str, Any], num_gpus: int, status: str, phrase: str) -> None:
    check = software.torch_devices(torch_with(**backend), num_gpus=num_gpus, driver_cuda="12.4")
    assert check.status == status
    assert phrase in check.detail
    assert (check.remedy is not None) == (status == "failure")


def test_a_torch_that_cannot_be_imported_is_a_failure_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    check = named(software.checks())["torch"]
    assert check.status == "failure" and "libcudart.so.13" in check.detail
    assert check.remedy is not None and "pip install" in check.remedy


def test_variables_that_change_every_result_are_warnings() -> None:
    harmful = {"CUDA_LAUNCH_BLOCKING": "1", "NVIDIA_TF32_OVERRIDE": "0", "TORCH_COMPILE_DISABLE": "1"}
    assert [check.status for check in software.environment(harmful)] == ["warning"] * 3
    assert "CUDA_LAUNCH_BLOCKING=1" in software.environment(harmful)[0].detail
    assert software.environment({"CUDA_LAUNCH_BLOCKING": "0", "HOME": "/root"}) == []


def test_missing_packages_come_with_the_command_that_installs_them() -> None:
    check = software.packages({"torch": "2.13", "transformers": "5", "nvidia-ml-py": "13"})
    assert check.status == "failure" and check.remedy == "pip install diffusers"


def test_a_counter_that_stands_still_is_found(tmp_path: Path) -> None:
    with simulated(FakeNvml.build(tmp_path, FakeGpu())):
        checks = named(sensors.source_checks("nvml", Nvml()))
    assert checks["nvml energy control"].status == "warning"


def test_a_busy_process_is_seen_by_the_sensor() -> None:
    assert sensors.cpu_control(Host()).status == "ok"


def test_a_blind_sensor_is_found_by_the_control() -> None:
    class Blind(Host):
        def watch(self, pid: int | None) -> None:
            super().watch(None)

    assert sensors.cpu_control(Blind()).status == "warning"


def test_an_absent_sensor_is_absent_with_its_reason(tmp_path: Path) -> None:
    (check,) = sensors.source_checks("host", Host(proc=tmp_path))
    assert check.status == "absent" and "not mounted" in check.detail


def test_metrics_that_are_absent_for_one_reason_are_reported_together(tmp_path: Path) -> None:
    instance = FakeGpu(uuid="MIG-1", series={"mig_parent": 0})
    with simulated(FakeNvml.build(tmp_path, FakeGpu(series={"mig": 1}), instance)):
        check = named(sensors.source_checks("nvml", Nvml()))["sensor nvml"]
    assert check.status == "note"
    assert check.detail.count("whole GPU") == 1 and "temperature_c, throttle_reasons @ MIG-1" in check.detail


def test_every_registered_sensor_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "GROUPS", (sensors.checks,))
    checks = named(doctor.diagnose())
    assert {"sensor host", "sensor nvml", "sensor rapl"} <= set(checks)


def test_a_check_that_breaks_is_a_failure_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Check]:
        raise OSError("no such thing")

    def sound() -> list[Check]:
        return [software.python()]

    monkeypatch.setattr(doctor, "GROUPS", (broken, sound))
    first, second = doctor.diagnose()
    assert first.status == "failure" and "no such thing" in first.detail
    assert second.name == "python"


def test_warnings_and_failures_of_this_machine_have_remedies() -> None:
    found = [*host.checks(), *sensors.checks()]
    assert all(check.remedy for check in found if check.status in ("warning", "failure"))
    assert all(isinstance(source, Source) for source in (Host(), Nvml()))

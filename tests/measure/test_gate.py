"""The in-run gate reads throttle reasons from the spool, within the window, for the devices that count."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.core.records import TrialResult, Window
from aigc_bench.core.throttle import BRAKE, HW_THERMAL_SLOWDOWN, SW_POWER_CAP
from aigc_bench.measure import gate


def trial(*devices: str) -> TrialResult:
    window = Window(start_s=10.0, end_s=20.0, wall_s=10.0, num_steps=5)
    return TrialResult(case="c", trial=0, status="ok", started_s=9.0, finished_s=21.0, devices=devices, window=window)


def spool(tmp_path: Path, *readings: tuple[float, str, int]) -> Path:
    file = tmp_path / "telemetry.csv"
    file.write_text("".join(f"{time_s},nvml,{device},throttle_reasons,{float(bits)}\n" for time_s, device, bits in readings))
    return file


def test_heat_within_the_window_spoils_it_and_outside_it_does_not(tmp_path: Path) -> None:
    quiet = [(10 + i / 10, "GPU-a", 0) for i in range(100)]
    outside = spool(tmp_path, (9.9, "GPU-a", HW_THERMAL_SLOWDOWN), *quiet, (20.1, "GPU-a", HW_THERMAL_SLOWDOWN))
    assert not gate.is_spoiled(outside, offset=0, trial=trial("GPU-a"))
    inside = spool(tmp_path, *quiet, (15.01, "GPU-a", HW_THERMAL_SLOWDOWN), (15.02, "GPU-a", HW_THERMAL_SLOWDOWN))
    assert gate.throttled_fraction(inside, offset=0, trial=trial("GPU-a")) == pytest.approx(2 / 102)
    assert gate.is_spoiled(inside, offset=0, trial=trial("GPU-a"))


def test_a_power_cap_is_a_setting_and_spoils_nothing(tmp_path: Path) -> None:
    assert not gate.is_spoiled(spool(tmp_path, (15.0, "GPU-a", SW_POWER_CAP)), offset=0, trial=trial("GPU-a"))


def test_another_device_counts_only_for_a_trial_on_the_host(tmp_path: Path) -> None:
    file = spool(tmp_path, (15.0, "GPU-b", BRAKE))
    assert not gate.is_spoiled(file, offset=0, trial=trial("GPU-a"))
    assert gate.is_spoiled(file, offset=0, trial=trial("host"))


def test_torn_lines_and_a_missing_spool_are_no_reason(tmp_path: Path) -> None:
    file = spool(tmp_path, (15.0, "GPU-a", 0))
    file.write_text(file.read_text() + "15.1,nvml,GPU-a,throttle_reas")
    assert not gate.is_spoiled(file, offset=0, trial=trial("GPU-a"))
    assert gate.throttled_fraction(tmp_path / "none", offset=0, trial=trial("GPU-a")) == 0


def test_the_last_temperature_of_each_device_is_found(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.csv"
    file.write_text("1.0,nvml,GPU-a,temperature_c,40.0\n2.0,nvml,GPU-a,temperature_c,45.0\n2.0,nvml,GPU-b,temperature_c,\n")
    assert gate.temperatures(file) == {"GPU-a": 45.0}


def test_an_instance_of_a_divided_gpu_is_judged_by_the_whole_one(tmp_path: Path) -> None:
    file = spool(tmp_path, (15.0, "GPU-a", HW_THERMAL_SLOWDOWN))
    assert not gate.is_spoiled(file, offset=0, trial=trial("MIG-1"))
    assert gate.is_spoiled(file, offset=0, trial=trial("MIG-1"), devices=("MIG-1", "GPU-a"))

"""The real NVML source under the real pynvml, on a fake driver library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.throttle import BRAKE, HW_THERMAL_SLOWDOWN, SW_POWER_CAP, THERMAL, throttle_names
from aigc_bench.telemetry._nvml_trace import TraceWriter
from aigc_bench.telemetry.base import SensorAbsent, Value
from aigc_bench.telemetry.nvml import (
    Nvml,
)
from tests.fake_nvml import FakeGpu, FakeNvml, simulated, square

OTHER = "GPU-11111111-0000-0000-0000-000000000000"


def first_gpu(values: list[Value], gpu: FakeGpu) -> Mapping[str, float | None]:
    return {value.metric: value.value for value in values if value.device == gpu.uuid}


def test_every_sensor_of_a_device_is_read_in_si_units(tmp_path: Path) -> None:
    gpu = FakeGpu(power_w=[(0, 250.123)], series={"throttle_reasons": HW_THERMAL_SLOWDOWN, "pids": "1 2"})
    with simulated(FakeNvml.build(tmp_path, gpu)) as set_time_s:
        source = Nvml()
        source.open()
        set_time_s(10)
        seen = first_gpu([*source.read_power(), *source.read(), *source.read_slow()], gpu)
        status = source.status()
        source.close()
    assert seen == {
        "power_w": 250.123,
        "energy_j": 1000 + 2501.23,
        "gpu_utilization": 0.75,
        "memory_controller_utilization": 0.4,
        "temperature_c": 41,
        "sm_clock_hz": pytest.approx(1.41e9),
        "memory_clock_hz": pytest.approx(1.593e9),
        "throttle_reasons": HW_THERMAL_SLOWDOWN,
        "memory_used_bytes": 2e9,
        "pcie_generation": 4,
        "pcie_width": 16,
        "power_limit_w": 400,
        "num_processes": 2,
        "num_foreign_processes": 2,
    }
    assert set(status.metrics) == set(seen)
    assert status.available and not status.absent and status.devices == (gpu.uuid,)


@pytest.mark.parametrize("period_s", [0.037, 0.05, 0.1, 0.13, 6.0])
def test_the_energy_counter_is_the_integral_of_a_square_wave(tmp_path: Path, period_s: float) -> None:
    gpu = FakeGpu(
        power_w=square(low=80, high=400, period_s=period_s, duration_s=30), series={"energy_refresh_s": 0.1, "energy_offset_j": 5e6}
    )
    with simulated(FakeNvml.build(tmp_path, gpu)) as set_time_s:
        source = Nvml()
        source.open()
        counter = []
        for time_s in (3.02, 15.02):
            set_time_s(time_s)
            counter.append(first_gpu(list(source.read_energy()), gpu)["energy_j"])
        source.close()
    assert counter[0] is not None and counter[1] is not None
    assert counter[1] - counter[0] == pytest.approx(gpu.energy_j(3.0, 15.0), rel=1e-4)


def test_equal_power_samples_are_all_kept(tmp_path: Path) -> None:
    gpu = FakeGpu(power_w=[(0, 300.0)])
    with simulated(FakeNvml.build(tmp_path, gpu)) as set_time_s:
        source = Nvml()
        source.open()
        samples = []
        for tick in range(101):
            set_time_s(tick / 10)
            samples += [value.value for value in source.read_power()]
        source.close()
    assert samples == [300.0] * 101


def test_a_driver_without_instantaneous_power_gives_its_average_and_says_so(tmp_path: Path) -> None:
    gpu = FakeGpu(power_w=[(0, 100.0), (10.0, 300.0)], series={"power_instant_w": "unsupported"})
    with simulated(FakeNvml.build(tmp_path, gpu)) as set_time_s:
        source = Nvml()
        source.open()
        set_time_s(10.5)
        assert first_gpu(list(source.read_power()), gpu)["power_w"] == pytest.approx(200.0)
        assert "average" in source.status().absent["power_instant_w"]
        source.close()


def test_what_a_device_does_not_offer_is_absent_with_the_reason_and_never_zero(tmp_path: Path) -> None:
    without = FakeGpu(uuid=OTHER, series={"energy_j": "unsupported", "temperature_c": "unsupported"})
    gpus = FakeGpu(series={"temperature_c": "unsupported"}), without
    with simulated(FakeNvml.build(tmp_path, *gpus)):
        source = Nvml()
        source.open()
        seen = first_gpu(list(source.read()), without)
        absent = source.status().absent
        source.close()
    assert "energy_j" not in seen and "temperature_c" not in seen
    assert absent["temperature_c"] == absent[f"energy_j @ {OTHER}"] == "this device does not offer it"


def test_a_call_that_fails_once_is_one_missing_value(tmp_path: Path) -> None:
    gpu = FakeGpu(series={"fail.temperature_c": "3 999"})
    with simulated(FakeNvml.build(tmp_path, gpu)):
        source = Nvml()
        source.open()
        seen = [first_gpu(list(source.read()), gpu)["temperature_c"] for _ in range(3)]
        assert source.failure_code(gpu.uuid, "temperature_c") == 999
        source.close()
    assert seen == [41, None, 41]


def test_a_gpu_that_falls_off_the_bus_gives_no_values_and_the_reason_while_its_neighbour_goes_on(tmp_path: Path) -> None:
    dying, healthy = FakeGpu(series={"lost": [(5.0, 1)]}), FakeGpu(uuid=OTHER)
    with simulated(FakeNvml.build(tmp_path, dying, healthy)) as set_time_s:
        source = Nvml()
        source.open()
        set_time_s(6)
        values = [*source.read_power(), *source.read(), *source.read_slow()]
        reasons = " ".join(source.status().absent.values())
        source.close()
    assert set(first_gpu(values, dying).values()) == {None}
    assert None not in first_gpu(values, healthy).values()
    assert "fallen off the bus" in reasons


def test_a_mig_instance_has_its_memory_and_the_whole_gpu_has_the_power(tmp_path: Path) -> None:
    whole = FakeGpu(series={"mig": 1})
    instance = FakeGpu(uuid="MIG-1", series={"mig_parent": 0, "memory_used_bytes": 5e9})
    with simulated(FakeNvml.build(tmp_path, whole, instance)):
        source = Nvml()
        source.open()
        values = [*source.read_power(), *source.read(), *source.read_slow()]
        status = source.status()
        source.close()
    assert status.devices == (whole.uuid, "MIG-1")
    assert first_gpu(values, instance) == {"memory_used_bytes": 5e9, "num_processes": 0, "num_foreign_processes": 0}
    assert first_gpu(values, whole)["power_w"] == 250
    assert "whole GPU" in status.absent["power_w @ MIG-1"]


def test_the_worker_and_its_children_are_not_foreign(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        gpu = FakeGpu(series={"pids": f"{os.getpid()} {child.pid} 1"})
        with simulated(FakeNvml.build(tmp_path, gpu)):
            source = Nvml()
            source.open()
            source.watch(os.getpid())
            seen = first_gpu(list(source.read_slow()), gpu)
            source.watch(child.pid)
            narrower = first_gpu(list(source.read_slow()), gpu)
            source.close()
    assert (seen["num_processes"], seen["num_foreign_processes"]) == (3, 1)
    assert narrower["num_foreign_processes"] == 2


def test_a_process_of_another_namespace_is_taken_for_the_worker_once(tmp_path: Path) -> None:
    gpu = FakeGpu(series={"pids": "4194399 4194398"})
    with simulated(FakeNvml.build(tmp_path, gpu)):
        source = Nvml()
        source.open()
        source.watch(os.getpid())
        assert first_gpu(list(source.read_slow()), gpu)["num_foreign_processes"] == 1
        source.close()


def test_a_driver_that_is_not_loaded_is_an_absence_with_a_remedy(tmp_path: Path) -> None:
    with simulated(FakeNvml.replay(tmp_path / "there is none")), pytest.raises(SensorAbsent, match="modprobe"):
        Nvml().open()


def test_a_machine_without_the_driver_library_says_so() -> None:
    code = (
        "import ctypes, sys\n"
        "try: ctypes.CDLL('libnvidia-ml.so.1')\n"
        "except OSError: pass\n"
        "else: sys.exit(0)\n"
        "from aigc_bench.telemetry.nvml import source\n"
        "from aigc_bench.telemetry.base import SensorAbsent\n"
        "try: source.open()\n"
        "except SensorAbsent as absence: sys.exit(0 if 'libnvidia-ml' in str(absence) else 1)\n"
        "sys.exit(2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_throttle_decoder_can_match() -> None:
    assert throttle_names(THERMAL) == ("sw_thermal_slowdown", "hw_thermal_slowdown")
    assert throttle_names(BRAKE) == ("hw_slowdown", "hw_power_brake_slowdown")
    assert throttle_names(SW_POWER_CAP) == ("sw_power_cap",)
    assert throttle_names(0) == ()


def test_the_throttle_constants_are_those_of_pynvml() -> None:
    import pynvml

    assert pynvml.nvmlClocksThrottleReasonHwThermalSlowdown | pynvml.nvmlClocksThrottleReasonSwThermalSlowdown == THERMAL
    assert pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown | pynvml.nvmlClocksThrottleReasonHwSlowdown == BRAKE
    assert pynvml.nvmlClocksThrottleReasonSwPowerCap == SW_POWER_CAP


@given(st.integers(min_value=0, max_value=2**20))
def test_every_bit_of_a_mask_gets_a_name(mask: int) -> None:
    assert len(throttle_names(mask)) == mask.bit_count()


def test_a_recorded_device_answers_the_same_when_it_is_replayed(tmp_path: Path) -> None:
    odd = FakeGpu(
        name="NVIDIA Odd",
        power_w=square(low=90, high=310, period_s=0.7, duration_s=6),
        series={
            "energy_j": "unsupported",
            "throttle_reasons": [(0.0, 0), (1.0, 0x20)],
            "temperature_c": [(0.0, 50), (2.0, "error:999"), (2.5, 60)],
            "lost": [(4.0, 1)],
        },
    )
    recording = tmp_path / "recorded.csv"
    recorded = _play(FakeNvml.build(tmp_path, odd, FakeGpu(uuid=OTHER)), record=recording)
    assert _play(FakeNvml.replay(recording)) == recorded


def _play(fake: FakeNvml, *, record: Path | None = None) -> list[tuple[Value, ...]]:
    seen = []
    with simulated(fake) as set_time_s:
        source = Nvml()
        source.open()
        writer = TraceWriter(record, source=source) if record else None
        for tick in range(50):
            set_time_s(tick / 10 + 1e-6)
            values = (*source.read_power(), *source.read())
            seen.append(values)
            if writer is not None:
                writer.write(tick * 10**8, values)
        if writer is not None:
            writer.close()
        source.close()
    return seen


def test_only_the_chosen_devices_are_read(tmp_path: Path) -> None:
    used, other = FakeGpu(uuid="GPU-used"), FakeGpu(uuid="GPU-other")
    with simulated(FakeNvml.build(tmp_path, used, other)):
        source = Nvml()
        source.choose(["GPU-used"])
        source.open()
        assert source.status().devices == ("GPU-used",)
        assert {value.device for value in (*source.read(), *source.read_power(), *source.read_slow())} == {"GPU-used"}
        source.close()
        source.choose([])
        source.open()
        assert source.status().devices == ("GPU-used", "GPU-other")
        source.close()

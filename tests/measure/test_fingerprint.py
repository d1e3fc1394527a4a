"""The fingerprint on this machine and with a fake device."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from aigc_bench.measure import host_facts
from aigc_bench.measure.fingerprint import changed_software, cuda_version, fingerprint, variables
from tests.analyze.synthetic import make_system
from tests.fake_nvml import FakeGpu, FakeNvml, simulated


def test_this_machine_is_described_as_psutil_sees_it() -> None:
    system = fingerprint()
    assert system.num_cores == psutil.cpu_count()
    assert 0 < system.num_usable_cores <= system.num_cores
    assert system.memory_bytes == pytest.approx(psutil.virtual_memory().total, rel=0.01)
    assert system.software["python"] == platform.python_version()
    assert system.details["disk_total_bytes"] == psutil.disk_usage(str(Path.cwd())).total
    assert system.cpu_model


def test_the_host_is_distinguished_and_never_by_its_name() -> None:
    system = fingerprint()
    assert system.host_id == fingerprint().host_id
    assert len(system.host_id) == 12
    assert platform.node() not in system.model_dump_json() or len(platform.node()) < 4


def test_devices_carry_what_decides_their_speed(tmp_path: Path) -> None:
    gpu = FakeGpu(series={"power_limit_w": 300, "nvlinks": 36, "pcie_width": 8})
    with simulated(FakeNvml.build(tmp_path, gpu, driver="575.10", cuda=12090)):
        system = fingerprint()
    (device,) = system.accelerators
    assert (device.name, device.uuid, device.backend, device.memory_bytes) == (gpu.name, gpu.uuid, "cuda", 85_899_345_920)
    assert device.catalog_id == "a100_sxm_80gb"
    assert device.details["power_limit_w"] == 300 and device.details["power_limit_default_w"] == 400
    assert device.details["ecc"] is True and device.details["mig"] is False
    assert device.details["nvlinks"] == 36 and device.details["pcie_width"] == 8 and device.details["pcie_width_max"] == 16
    assert (system.software["nvidia_driver"], system.software["cuda_driver"]) == ("575.10", "12.9")


def test_a_divided_gpu_is_reported_as_its_instances(tmp_path: Path) -> None:
    instances = [FakeGpu(uuid=f"MIG-{i}", name="NVIDIA A100 MIG 3g.40gb", series={"mig_parent": 0}) for i in range(2)]
    with simulated(FakeNvml.build(tmp_path, FakeGpu(series={"mig": 1}), *instances)):
        devices = fingerprint().accelerators
    assert [device.uuid for device in devices] == ["MIG-0", "MIG-1"]
    assert [device.index for device in devices] == [0, 1]
    assert devices[0].details["mig"] is True and devices[0].details["power_limit_w"] == 400


def test_a_gpu_that_tells_little_is_described_without_inventing(tmp_path: Path) -> None:
    silent = dict.fromkeys(("power_limit_w", "vbios", "ecc", "persistence", "nvlinks", "sm_clock_max_hz", "mig"), "unsupported")
    with simulated(FakeNvml.build(tmp_path, FakeGpu(series=silent))):
        (device,) = fingerprint().accelerators
    assert {device.details[key] for key in ("power_limit_w", "vbios", "ecc", "persistence", "nvlinks", "sm_clock_max_hz")} == {None}


def test_no_torch_is_imported() -> None:
    code = "import sys; from aigc_bench.measure.fingerprint import fingerprint; fingerprint(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_cuda_versions_are_written_as_people_do() -> None:
    assert cuda_version("12080") == "12.8"
    assert cuda_version("13000") == "13.0"
    assert cuda_version(None) is None


def test_the_mount_of_a_folder_is_the_deepest(tmp_path: Path) -> None:
    assert host_facts.storage(tmp_path)["disk_file_system"] is not None
    assert host_facts.storage(Path("/proc"))["disk_file_system"] == "proc"


def test_variables_that_change_results_are_kept_and_folders_and_others_are_not() -> None:
    environ = {
        "NVIDIA_TF32_OVERRIDE": "0",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "NCCL_P2P_DISABLE": "1",
        "TORCHINDUCTOR_CACHE_DIR": "/tmp/inductor",
        "AWS_SECRET_ACCESS_KEY": "x",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert variables(environ) == {
        "CUDA_VISIBLE_DEVICES": "",
        "NCCL_P2P_DISABLE": "1",
        "NVIDIA_TF32_OVERRIDE": "0",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    }


def test_software_and_variables_that_changed_are_named_with_what_they_were() -> None:
    before = make_system(software={"torch": "2.13", "cudnn": "9.10.2"}, variables={"NCCL_ALGO": "Ring"})
    now = make_system(software={"torch": "2.13", "cudnn": "9.12.0"}, variables={"NVIDIA_TF32_OVERRIDE": "0"})
    assert changed_software(before, now) == [
        "cudnn",
        "NCCL_ALGO (from Ring to unset)",
        "NVIDIA_TF32_OVERRIDE (from unset to 0)",
    ]
    assert changed_software(now, now) == []

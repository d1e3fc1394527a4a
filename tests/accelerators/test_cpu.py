import time
from pathlib import Path

import pytest
import torch

from aigc_bench.accelerators.cpu import backend, precision_reason, usable_cores
from aigc_bench.core.records import Case


def case(**changes):
    return Case(workload="vae", preset="mlp-784-400-20", mode="infer", **changes)


def test_the_cpu_is_always_there_as_one_device():
    assert backend.absence() is None
    assert backend.num_devices() == 1
    assert backend.device_ids(case()) == ("host",)


def test_fp32_runs_everywhere():
    assert backend.unsupported(case()) is None


def test_tf32_is_refused_with_the_reason():
    assert "tensor-core format of NVIDIA" in backend.unsupported(case(precision="tf32"))


def test_several_devices_are_refused_with_the_reason():
    assert "devices = 2 needs an accelerator" in backend.unsupported(case(devices=2))


@pytest.mark.parametrize(
    ("precision", "capabilities", "is_native"),
    [
        ("bf16", {"avx512_f": True}, False),
        ("bf16", {"avx512_bf16": False, "amx_bf16": True}, True),
        ("bf16", {"avx512_bf16": True}, True),
        ("bf16", {"architecture": "aarch64", "bf16": True}, True),
        ("fp16", {"avx512_bf16": True, "f16c": True}, False),
        ("fp16", {"avx512_fp16": True}, True),
        ("fp16", {"fp16_arith": True}, True),
        ("fp32", {}, True),
    ],
)
def test_a_16_bit_precision_needs_its_instructions(precision, capabilities, is_native):
    reason = precision_reason(precision, capabilities=capabilities)
    assert (reason is None) == is_native
    if reason is not None:
        assert precision in reason and "emulated" in reason


def test_selecting_sets_the_threads_of_the_case():
    before = torch.get_num_threads()
    try:
        assert backend.select(case(threads=1)) == torch.device("cpu")
        assert torch.get_num_threads() == 1
        backend.select(case())
        assert torch.get_num_threads() == usable_cores()
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_num_threads(before)


def test_events_measure_wall_time():
    earliest_s = time.perf_counter()
    start = backend.event()
    time.sleep(0.05)
    end = backend.event()
    backend.wait(end)
    assert 0.05 <= backend.elapsed_s(start, end) <= time.perf_counter() - earliest_s


def test_memory_counters_are_missing_not_zero():
    backend.reset_peak_memory()
    assert backend.peak_memory() == (None, None)


def test_torchs_own_allocation_failure_is_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**14)
    assert backend.is_out_of_memory(caught.value)
    assert backend.is_out_of_memory(MemoryError())


def test_other_errors_are_not_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not backend.is_out_of_memory(caught.value)
    assert not backend.is_out_of_memory(ValueError("can't allocate memory"))


def group_of(root: Path, *, membership: str, files: dict[str, str]) -> dict[str, Path]:
    """A file system of control groups, and the group of this process."""
    for name, text in {"proc/self/cgroup": membership, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return {"proc": root / "proc", "sys": root / "sys"}


def test_a_cgroup_quota_cuts_the_cores(tmp_path: Path):
    groups = {f"{folder}cgroup.procs": "" for folder in ("", "jobs/", "jobs/one/")}
    files = {"cgroup.controllers": "cpu memory\n", "jobs/one/cpu.max": "max 100000\n", **groups}
    unlimited = usable_cores(**group_of(tmp_path / "free", membership="0::/jobs/one\n", files=files))
    held = {**files, "jobs/cpu.max": "100000 100000\n"}
    assert usable_cores(**group_of(tmp_path / "held", membership="0::/jobs/one\n", files=held)) == 1 <= unlimited


def test_a_fractional_quota_leaves_one_core(tmp_path: Path):
    files = {"cgroup.controllers": "cpu\n", "cgroup.procs": "", "cpu.max": "50000 100000\n"}
    # In a container the mount itself is the group, whatever path the membership file names.
    assert usable_cores(**group_of(tmp_path, membership="0::/pod/container\n", files=files)) == 1


def test_a_version_1_quota_is_read(tmp_path: Path):
    quota = {"cpu/job/cpu.cfs_quota_us": "100000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}
    files = {"cpu/cgroup.procs": "", "cpu/job/cgroup.procs": "", **quota}
    assert usable_cores(**group_of(tmp_path, membership="4:cpu,cpuacct:/job\n3:memory:/other\n", files=files)) == 1


def test_software_names_the_instructions_torch_uses():
    assert backend.software()["cpu_capability"]

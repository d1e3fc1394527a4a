"""The host source on this machine against psutil, and on folders that look like a kernel's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aigc_bench.core.control_group import find_cgroup
from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.host import HOST, WORKER, Host

CPU = "cpu  {0}\ncpu0 {0}\nintr 5\nprocs_running 3\nprocs_blocked 0\n"


@pytest.fixture
def host() -> Iterator[Host]:
    source = Host()
    source.open()
    yield source
    source.close()


def values(source: Host, device: str = HOST) -> dict[str, float | None]:
    return {value.metric: value.value for value in source.read() if value.device == device}


def fake_host(tmp_path: Path, *, cgroup: str = "", stat: str = "100 0 100 800 0 0 0 0 0 0") -> tuple[Host, Path]:
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "stat").write_text(CPU.format(stat))
    (proc / "meminfo").write_text("MemTotal:       8000 kB\nMemFree:  1 kB\nMemAvailable:   6000 kB\n")
    (proc / "self/cgroup").write_text(cgroup)
    return Host(proc=proc, sys=tmp_path / "sys"), proc


def test_memory_and_counters_agree_with_psutil(host: Host) -> None:
    seen = values(host)
    memory = psutil.virtual_memory()
    assert seen["memory_available_bytes"] == pytest.approx(memory.available, rel=0.1)
    assert seen["memory_used_bytes"] == pytest.approx(memory.total - memory.available, rel=0.3)
    swap = psutil.swap_memory()
    assert seen["swap_in_pages"] == swap.sin / os.sysconf("SC_PAGE_SIZE")
    assert seen["run_queue"] is not None and seen["run_queue"] >= 1


def cpu_at(pid: int) -> tuple[float, float]:
    """The CPU time of a process and the moment it was read at."""
    return sum(psutil.Process(pid).cpu_times()[:2]), time.monotonic()


def test_a_busy_child_is_seen_in_cores_and_its_memory_in_bytes(host: Host) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            first = cpu_at(child.pid)
            host.watch(child.pid)
            watched = cpu_at(child.pid)
            while (read := cpu_at(child.pid))[0] < watched[0] + 0.3:
                time.sleep(0.02)
            seen = values(host, WORKER)
            last = cpu_at(child.pid)
            rss_bytes = psutil.Process(child.pid).memory_info().rss
        finally:
            child.kill()
    ticks_s = 2 / os.sysconf("SC_CLK_TCK")
    least = (read[0] - watched[0] - ticks_s) / (last[1] - first[1])
    most = (last[0] - first[0] + ticks_s) / (read[1] - watched[1])
    assert seen["cpu_utilization"] is not None and least <= seen["cpu_utilization"] <= most
    assert seen["rss_bytes"] == pytest.approx(rss_bytes, rel=0.05)


def test_a_sleeping_worker_uses_next_to_nothing(host: Host) -> None:
    program = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()
        host.watch(child.pid)
        time.sleep(0.2)
        cores = values(host, WORKER)["cpu_utilization"]
    assert cores is not None and cores < 0.1


def test_a_worker_that_died_gives_no_value_instead_of_zero(host: Host) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    host.watch(child.pid)
    child.wait()
    assert values(host, WORKER) == {"cpu_utilization": None, "rss_bytes": None}
    host.watch(None)
    assert values(host, WORKER) == {}


def test_utilisation_counts_neither_idle_nor_stolen_time(tmp_path: Path) -> None:
    source, proc = fake_host(tmp_path)
    source.open()
    (proc / "stat").write_text(CPU.format("130 0 120 830 0 0 0 20 0 0"))
    seen = values(source)
    source.close()
    assert seen["cpu_utilization"] == pytest.approx(0.5)
    assert seen["cpu_steal"] == pytest.approx(0.2)
    assert seen["run_queue"] == 3


def test_a_kernel_without_control_groups_is_an_absence_with_the_reason(tmp_path: Path) -> None:
    source, _ = fake_host(tmp_path)
    source.open()
    status = source.status()
    source.close()
    assert "no control-group file system" in status.absent["cgroup_throttled_s"]
    assert "cgroup_throttled_s" not in status.metrics
    assert status.absent["disk_read_bytes"].endswith("No such file or directory")


def version_2(tmp_path: Path, *, path: str = "/") -> Path:
    folder = tmp_path / "sys/fs/cgroup" / path.lstrip("/")
    folder.mkdir(parents=True)
    for group in {folder, tmp_path / "sys/fs/cgroup"}:
        (group / "cgroup.controllers").write_text("cpu memory\n")
        (group / "cgroup.procs").write_text("1\n")
    (folder / "cpu.stat").write_text("usage_usec 7000000\nuser_usec 1\nnr_throttled 3\nthrottled_usec 2500000\n")
    (folder / "cpu.max").write_text("150000 100000\n")
    (folder / "memory.max").write_text("4096000\n")
    (folder / "memory.current").write_text("1024000\n")
    return folder


def test_a_container_of_version_2_tells_its_throttling_and_what_memory_is_left_to_it(tmp_path: Path) -> None:
    version_2(tmp_path)
    source, _ = fake_host(tmp_path, cgroup="0::/\n")
    source.open()
    seen = values(source)
    source.close()
    assert (seen["cgroup_throttled_s"], seen["cgroup_cpu_usage_s"]) == (2.5, 7.0)
    assert seen["memory_available_bytes"] == 4096000 - 1024000


def test_memory_left_is_what_the_fullest_group_on_the_way_up_leaves(tmp_path: Path) -> None:
    folder = version_2(tmp_path, path="/pod/container")
    (folder.parent / "cgroup.procs").write_text("")
    (folder.parent / "memory.max").write_text("5000000\n")
    (folder.parent / "memory.current").write_text("4900000\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n")
    source, proc = fake_host(tmp_path, cgroup="0::/pod/container\n")
    cgroup = find_cgroup(proc=proc, sys=tmp_path / "sys")
    assert cgroup is not None
    assert (cgroup.memory_limit_bytes(), cgroup.memory_left_bytes(), cgroup.num_oom_kills()) == (4096000, 100000, 2)
    source.open()
    assert values(source)["memory_available_bytes"] == 100000
    source.close()


def test_limits_of_version_2_are_the_tightest_on_the_way_up(tmp_path: Path) -> None:
    folder = version_2(tmp_path, path="/pod/container")
    (folder.parent / "cgroup.procs").write_text("")
    (folder.parent / "cpu.max").write_text("50000 100000\n")
    _, proc = fake_host(tmp_path, cgroup="0::/pod/container\n")
    cgroup = find_cgroup(proc=proc, sys=tmp_path / "sys")
    assert cgroup is not None and cgroup.version == 2
    assert cgroup.cpu_limit() == 0.5
    assert cgroup.memory_limit_bytes() == 4096000


def test_limits_of_version_1_are_read_and_its_huge_number_is_no_limit(tmp_path: Path) -> None:
    cpu, memory = (tmp_path / "sys/fs/cgroup" / name for name in ("cpu", "memory"))
    for folder in (cpu, memory):
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text("1\n")
    (cpu / "cpu.cfs_quota_us").write_text("200000\n")
    (cpu / "cpu.cfs_period_us").write_text("100000\n")
    (cpu / "cpu.stat").write_text("nr_periods 9\nnr_throttled 1\nthrottled_time 1500000000\n")
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    source, proc = fake_host(tmp_path, cgroup="3:cpu:/docker/abc\n4:memory:/docker/abc\n")
    cgroup = find_cgroup(proc=proc, sys=tmp_path / "sys")
    assert cgroup is not None and cgroup.version == 1
    assert (cgroup.cpu_limit(), cgroup.memory_limit_bytes()) == (2.0, None)
    source.open()
    assert values(source)["cgroup_throttled_s"] == 1.5
    source.close()


def test_without_proc_the_source_is_absent(tmp_path: Path) -> None:
    with pytest.raises(SensorAbsent, match="not mounted"):
        Host(proc=tmp_path).open()


def test_closing_leaves_no_file_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = Host()
    source.open()
    source.watch(os.getpid())
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before

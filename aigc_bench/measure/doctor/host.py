"""Checks of the host: governor, NUMA, control-group limits against threads, neighbours, steal, heat, memory and disk space."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from aigc_bench.core.control_group import find_cgroup
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import Check
from aigc_bench.core.units import GIB, memory, quantity
from aigc_bench.measure import host_facts
from aigc_bench.measure.doctor.finding import absent, note, ok, warning
from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.host import HOST, Host

BUSY_FRACTION = 0.10
STEAL_FRACTION = 0.02
_OBSERVED_S = 1.0
_MIN_MEMORY_BYTES = 6 * GIB
_MIN_DISK_BYTES = 2 * GIB
_NEAR_CRITICAL_C = 10.0


def checks() -> list[Check]:
    """Yield all checks of the host; they observe it for a second."""
    cgroup = find_cgroup()
    seen = observe(_OBSERVED_S)
    return [
        governor(host_facts.text(host_facts.SYS / "devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        numa(host_facts.num_numa_nodes()),
        cpu_limit(
            cgroup.cpu_limit() if cgroup else None,
            num_cores=len(os.sched_getaffinity(0)),
            threads=os.environ.get("OMP_NUM_THREADS"),
        ),
        neighbours(seen.get("cpu_utilization")),
        steal(seen.get("cpu_steal")),
        swapping(seen, swap_bytes=host_facts.swap_bytes()),
        thermal(host_facts.SYS / "class/thermal"),
        free_memory(seen.get("memory_available_bytes"), limit_bytes=cgroup.memory_limit_bytes() if cgroup else None),
        _disk_space_here(),
    ]


def observe(duration_s: float) -> Mapping[str, float | None]:
    """The host's metrics over a stretch of time in which this process sleeps; empty where there is no ``/proc``."""
    host = Host()
    try:
        host.open()
    except SensorAbsent:
        return {}
    try:
        # Shares of CPU time are those since the last reading: this one begins the stretch.
        before = {value.metric: value.value for value in host.read()}
        time.sleep(duration_s)
        after = {value.metric: value.value for value in host.read() if value.device == HOST}
    finally:
        host.close()
    swapped = {f"{name}_before": before.get(name) for name in ("swap_in_pages", "swap_out_pages")}
    return {**after, **swapped}


def governor(name: str | None) -> Check:
    """The frequency governor of the first core."""
    if name is None:
        return absent(message("cpu governor"), message("the kernel does not show one (usual in a virtual machine)"))
    if name == "performance":
        return ok(message("cpu governor"), name)
    remedy = message("For steadier times: `sudo cpupower frequency-set -g performance`.")
    return warning(message("cpu governor"), message("{name}: cores change their clock with the load", name=name), remedy=remedy)


def numa(num_nodes: int | None) -> Check:
    """Check for more than one NUMA node: access times then depend on placement."""
    if num_nodes is None:
        return absent("numa", message("the kernel does not show its memory nodes"))
    if num_nodes == 1:
        return ok("numa", message("one node"))
    remedy = message("For steadier times on the CPU, bind the run to one node: `numactl -N 0 -m 0 aigc-bench run ...`.")
    return note("numa", message("{num_nodes} nodes: times depend on where the memory lies", num_nodes=num_nodes), remedy=remedy)


def cpu_limit(quota: float | None, *, num_cores: int, threads: str | None) -> Check:
    """Check for a CPU quota below the number of threads: the group is stopped for the rest of each period."""
    wanted = int(threads) if threads and threads.isdigit() else num_cores
    if quota is None or quota >= wanted:
        limit = message("no CPU limit") if quota is None else message("limit of {quota:g} cores", quota=quota)
        return ok(
            message("cpu limit"),
            message("{limit}, {num_cores} usable cores, {wanted} threads", limit=limit, num_cores=num_cores, wanted=wanted),
        )
    fitting = max(1, int(quota))
    remedy = message(
        "Set `OMP_NUM_THREADS={fitting}` (or `threads = {fitting}` in the profile), or raise the container's limit.",
        fitting=fitting,
    )
    detail = message(
        "{wanted} threads on a control-group limit of {quota:g} cores: they are stopped for part of each period",
        wanted=wanted,
        quota=quota,
    )
    return warning(message("cpu limit"), detail, remedy=remedy)


def neighbours(utilization: float | None) -> Check:
    """Yield the checks of other load on the host."""
    if utilization is None:
        return absent(message("cpu load"), message("not readable"))
    detail = message("{utilization} busy while aigc-bench is idle", utilization=quantity(utilization, "fraction"))
    if utilization > BUSY_FRACTION:
        return warning(message("cpu load"), detail, remedy=message("End what is running (`top`), or expect wider intervals."))
    return ok(message("cpu load"), detail)


def steal(fraction: float | None) -> Check:
    """Check for steal: time that the hypervisor gave to other virtual machines."""
    if fraction is None:
        return absent(message("cpu steal"), message("not readable"))
    detail = message("{fraction} of the time went to other virtual machines", fraction=quantity(fraction, "fraction"))
    if fraction > STEAL_FRACTION:
        remedy = message("Other tenants take the cores: use a dedicated machine, or more trials (`--level rigorous`).")
        return warning(message("cpu steal"), detail, remedy=remedy)
    return ok(message("cpu steal"), detail)


def swapping(seen: Mapping[str, float | None], *, swap_bytes: int | None) -> Check:
    """Check for swapping: pages moved to or from the swap space."""
    if not swap_bytes:
        return ok("swap", message("no swap space"))
    pages = sum((seen.get(name) or 0.0) - (seen.get(f"{name}_before") or 0.0) for name in ("swap_in_pages", "swap_out_pages"))
    if pages > 0:
        return warning(
            "swap", message("{pages:.0f} pages moved within a second", pages=pages), remedy=message("Free memory before measuring.")
        )
    return ok("swap", message("{memory}, at rest", memory=memory(swap_bytes)))


def thermal(folder: Path) -> Check:
    """Thermal zones near their critical trip point."""
    zones = [(zone, host_facts.text(zone / "temp")) for zone in sorted(folder.glob("thermal_zone*"))]
    # Thousandths of a degree; below zero is possible.
    readable = {zone: int(raw) / 1000 for zone, raw in zones if raw is not None and raw.lstrip("-").isdigit()}
    if not readable:
        return absent("thermal", message("the kernel shows no thermal zone (usual in a virtual machine)"))
    hot = [f"{zone.name} {now_c:.0f} °C" for zone, now_c in readable.items() if now_c > _critical_c(zone) - _NEAR_CRITICAL_C]
    if hot:
        return warning(
            "thermal", message("near the critical point: {hot}", hot=", ".join(hot)), remedy=message("Let it cool down.")
        )
    return ok("thermal", message("hottest zone at {readable:.0f} °C", readable=max(readable.values())))


def _critical_c(zone: Path) -> float:
    """The zone's critical trip point, infinity where it has none."""
    for kind in zone.glob("trip_point_*_type"):
        limit = host_facts.text(zone / kind.name.replace("_type", "_temp"))
        if host_facts.text(kind) == "critical" and limit is not None and int(limit) > 0:
            return int(limit) / 1000
    return float("inf")


def free_memory(available_bytes: float | None, *, limit_bytes: int | None) -> Check:
    """Check the memory available to a case."""
    if available_bytes is None:
        return absent("memory", message("not readable"))
    limit = message(", the container's limit is {memory}", memory=memory(limit_bytes)) if limit_bytes else ""
    detail = message("{memory} available{limit}", memory=memory(available_bytes), limit=limit)
    if available_bytes < _MIN_MEMORY_BYTES:
        return warning("memory", detail, remedy=message("The default profile needs 6 GiB: free some, or use `--profile smoke`."))
    return ok("memory", detail)


def _disk_space_here() -> Check:
    try:
        return disk_space(Path.cwd())
    except OSError:
        return warning(
            message("disk space"), message("the current folder was removed"), remedy=message("Change to one that exists: cd.")
        )


def disk_space(folder: Path) -> Check:
    """Check the disk space where runs are written by default."""
    free_bytes = shutil.disk_usage(folder).free
    detail = message("{memory} free on the disk of {folder}", memory=memory(free_bytes), folder=folder)
    if not os.access(folder, os.W_OK):
        return warning(
            message("disk space"), message("{folder} is not writable", folder=folder), remedy=message("Give `--out DIR`.")
        )
    if free_bytes < _MIN_DISK_BYTES:
        return warning(message("disk space"), detail, remedy=message("Free some, or give `--out DIR` on another disk."))
    return ok(message("disk space"), detail)

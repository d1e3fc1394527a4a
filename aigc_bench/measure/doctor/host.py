"""Checks of the host: governor, NUMA, control-group limits against threads, neighbours, steal, heat, memory and disk space."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from aigc_bench.core.records import Check
from aigc_bench.core.units import GIB, memory, quantity
from aigc_bench.measure import host_facts
from aigc_bench.measure.doctor.finding import absent, note, ok, warning
from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.host import HOST, Host, find_cgroup

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
        return absent("cpu governor", "the kernel does not show one (usual in a virtual machine)")
    if name == "performance":
        return ok("cpu governor", name)
    remedy = "For steadier times: `sudo cpupower frequency-set -g performance`."
    return warning("cpu governor", f"{name}: cores change their clock with the load", remedy=remedy)


def numa(num_nodes: int | None) -> Check:
    """Check for more than one NUMA node: access times then depend on placement."""
    if num_nodes is None:
        return absent("numa", "the kernel does not show its memory nodes")
    if num_nodes == 1:
        return ok("numa", "one node")
    remedy = "For steadier times on the CPU, bind the run to one node: `numactl -N 0 -m 0 aigc-bench run ...`."
    return note("numa", f"{num_nodes} nodes: times depend on where the memory lies", remedy=remedy)


def cpu_limit(quota: float | None, *, num_cores: int, threads: str | None) -> Check:
    """Check for a CPU quota below the number of threads: the group is stopped for the rest of each period."""
    wanted = int(threads) if threads and threads.isdigit() else num_cores
    if quota is None or quota >= wanted:
        limit = "no CPU limit" if quota is None else f"limit of {quota:g} cores"
        return ok("cpu limit", f"{limit}, {num_cores} usable cores, {wanted} threads")
    fitting = max(1, int(quota))
    remedy = f"Set `OMP_NUM_THREADS={fitting}` (or `threads = {fitting}` in the profile), or raise the container's limit."
    detail = f"{wanted} threads on a control-group limit of {quota:g} cores: they are stopped for part of each period"
    return warning("cpu limit", detail, remedy=remedy)


def neighbours(utilization: float | None) -> Check:
    """Yield the checks of other load on the host."""
    if utilization is None:
        return absent("cpu load", "not readable")
    detail = f"{quantity(utilization, 'fraction')} busy while aigc-bench is idle"
    if utilization > BUSY_FRACTION:
        return warning("cpu load", detail, remedy="End what is running (`top`), or expect wider intervals.")
    return ok("cpu load", detail)


def steal(fraction: float | None) -> Check:
    """Check for steal: time that the hypervisor gave to other virtual machines."""
    if fraction is None:
        return absent("cpu steal", "not readable")
    detail = f"{quantity(fraction, 'fraction')} of the time went to other virtual machines"
    if fraction > STEAL_FRACTION:
        remedy = "Other tenants take the cores: use a dedicated machine, or more trials (`--level rigorous`)."
        return warning("cpu steal", detail, remedy=remedy)
    return ok("cpu steal", detail)


def swapping(seen: Mapping[str, float | None], *, swap_bytes: int | None) -> Check:
    """Check for swapping: pages moved to or from the swap space."""
    if not swap_bytes:
        return ok("swap", "no swap space")
    pages = sum((seen.get(name) or 0.0) - (seen.get(f"{name}_before") or 0.0) for name in ("swap_in_pages", "swap_out_pages"))
    if pages > 0:
        return warning("swap", f"{pages:.0f} pages moved within a second", remedy="Free memory before measuring.")
    return ok("swap", f"{memory(swap_bytes)}, at rest")


def thermal(folder: Path) -> Check:
    """Thermal zones near their critical trip point."""
    zones = [(zone, host_facts.text(zone / "temp")) for zone in sorted(folder.glob("thermal_zone*"))]
    readable = {zone: int(raw) / 1000 for zone, raw in zones if raw is not None and raw.lstrip("-").isdigit()}
    if not readable:
        return absent("thermal", "the kernel shows no thermal zone (usual in a virtual machine)")
    hot = [f"{zone.name} {now_c:.0f} °C" for zone, now_c in readable.items() if now_c > _critical_c(zone) - _NEAR_CRITICAL_C]
    if hot:
        return warning("thermal", f"near the critical point: {', '.join(hot)}", remedy="Let it cool down.")
    return ok("thermal", f"hottest zone at {max(readable.values()):.0f} °C")


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
        return absent("memory", "not readable")
    limit = f", the container's limit is {memory(limit_bytes)}" if limit_bytes else ""
    detail = f"{memory(available_bytes)} available{limit}"
    if available_bytes < _MIN_MEMORY_BYTES:
        return warning("memory", detail, remedy="The default profile needs 6 GiB: free some, or use `--profile smoke`.")
    return ok("memory", detail)


def _disk_space_here() -> Check:
    try:
        return disk_space(Path.cwd())
    except OSError:
        return warning("disk space", "the current folder was removed", remedy="Change to one that exists: cd.")


def disk_space(folder: Path) -> Check:
    """Check the disk space where runs are written by default."""
    free_bytes = shutil.disk_usage(folder).free
    detail = f"{memory(free_bytes)} free on the disk of {folder}"
    if not os.access(folder, os.W_OK):
        return warning("disk space", f"{folder} is not writable", remedy="Give `--out DIR`.")
    if free_bytes < _MIN_DISK_BYTES:
        return warning("disk space", detail, remedy="Free some, or give `--out DIR` on another disk.")
    return ok("disk space", detail)

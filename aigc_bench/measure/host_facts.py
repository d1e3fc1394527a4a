"""Facts of the machine from the kernel: plain reads of ``/proc`` and ``/sys``, ``None`` where a file is missing."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from aigc_bench.core.mounts import mount_of
from aigc_bench.core.records import Setting

PROC = Path("/proc")
SYS = Path("/sys")
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_STACKED_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd)\d")


def text(file: Path) -> str | None:
    """A file's content without the white space around it; ``None`` where it is empty or cannot be read."""
    try:
        # Files of the device tree end in a zero byte.
        return file.read_text(errors="replace").strip().strip("\0") or None
    except OSError:
        return None


def cpu_info(key: str) -> str | None:
    """The first value of a key in ``/proc/cpuinfo``."""
    found = re.search(rf"^{key}\s*:\s*(.+)$", text(PROC / "cpuinfo") or "", re.MULTILINE)
    return found[1].strip() if found else None


def cpu_model() -> str:
    """The processor's name, on Arm its part number where the kernel has no name."""
    return cpu_info("model name") or cpu_info("Processor") or cpu_info("CPU part") or platform.processor() or platform.machine()


def memory_bytes() -> int:
    """Installed memory that the kernel manages."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def host_id() -> str:
    """Return twelve hexadecimal digits that identify this machine without naming it: a hash of the name."""
    # machine-id(5) is not to be published as it is.
    identity = text(Path("/etc/machine-id")) or text(SYS / "class/dmi/id/product_uuid") or platform.node()
    return hashlib.sha256(f"aigc-bench {identity}".encode()).hexdigest()[:12]


def details() -> dict[str, Setting | None]:
    """Return what influences speed besides the processor's name."""
    return {
        "architecture": platform.machine(),
        "cpu_governor": text(SYS / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cpu_turbo": turbo(),
        "cpu_microcode": cpu_info("microcode"),
        "cpu_smt": {"1": True, "0": False}.get(text(SYS / "devices/system/cpu/smt/active") or ""),
        "cpu_clock_max_hz": clock_max_hz(),
        "cpu_features": features(),
        "numa_nodes": num_numa_nodes(),
        "virtual_machine": "hypervisor" in (cpu_info("flags") or "").split(),
        "transparent_hugepages": _chosen(SYS / "kernel/mm/transparent_hugepage/enabled"),
        "swap_bytes": swap_bytes(),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        **_storage_here(),
        "network_bits_per_s": network_bits_per_s(),
        "container": container(),
        "container_image": container_image(),
    }


def features() -> str | None:
    """The matrix and vector extensions that decide which kernels torch picks."""
    wanted = (
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "amx_tile",
        "amx_bf16",
        "amx_int8",
        "amx_fp16",
        "avx512_fp16",
        "asimd",
        "asimdhp",
        "bf16",
        "i8mm",
        "sve",
        "sve2",
    )
    present = set((cpu_info("flags") or cpu_info("Features") or "").split())
    return " ".join(name for name in wanted if name in present) or None


def clock_max_hz() -> int | None:
    """Highest clock of any core, boost included, where the kernel's cpufreq states it; a virtual machine mostly does not."""
    stated = [text(file) for file in (SYS / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")]
    kilohertz = [int(one) for one in stated if one and one.isdigit()]
    return 1000 * max(kilohertz) if kilohertz else None


def turbo() -> bool | None:
    """Whether the cores may run above their base clock."""
    no_turbo = text(SYS / "devices/system/cpu/intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == "0"
    boost = text(SYS / "devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == "1"


def num_numa_nodes() -> int | None:
    """NUMA nodes of the machine."""
    return len(list((SYS / "devices/system/node").glob("node[0-9]*"))) or None


def swap_bytes() -> int | None:
    """Configured swap space."""
    found = re.search(r"^SwapTotal:\s*(\d+) kB", text(PROC / "meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _storage_here() -> dict[str, Setting | None]:
    """The disk of the current folder; nothing is known of one that was removed."""
    try:
        return storage(Path.cwd())
    except OSError:
        return {}


def storage(folder: Path) -> dict[str, Setting | None]:
    """The file system and disk that ``folder`` lies on."""
    usage = shutil.disk_usage(folder)
    mount = mount_of(folder, listed=PROC / "self/mounts")
    disk = _physical_disk(mount.device if mount else None)
    # Hypervisors leave the flag at its default, 1, whatever the disk is.
    is_virtual = disk is not None and disk.startswith(("vd", "xvd"))
    rotational = text(SYS / "block" / disk / "queue/rotational") if disk and not is_virtual else None
    return {
        "disk_total_bytes": usage.total,
        "disk_file_system": mount.kind if mount else None,
        "disk_device": disk,
        "disk_model": text(SYS / "block" / disk / "device/model") if disk else None,
        "disk_rotational": None if rotational is None else rotational == "1",
    }


def _physical_disk(device: str | None) -> str | None:
    """``nvme0n1`` for ``/dev/nvme0n1p2``; of a stacked device the first disk below it."""
    name = Path(device).resolve().name if device and device.startswith("/dev/") else None
    if name is None:
        return None
    if (SYS / "class/block" / name / "partition").exists():
        name = (SYS / "class/block" / name).resolve().parent.name
    below = sorted((SYS / "class/block" / name / "slaves").glob("*"))
    if below and _STACKED_DISK.match(name):
        return _physical_disk(f"/dev/{below[0].name}")
    return name if (SYS / "block" / name).exists() else None


def network_bits_per_s() -> int | None:
    """Rate of the fastest link that is up, as its driver states it; virtual ones state none."""
    # Mbit/s; -1 where the driver does not know.
    rates = [int(rate) for rate in _link_rates() if rate.isdigit()]
    return max(rates) * 1_000_000 if rates else None


def _link_rates() -> Iterator[str]:
    for interface in sorted((SYS / "class/net").glob("*")):
        if interface.name != "lo" and text(interface / "operstate") == "up":
            yield text(interface / "speed") or ""


def container() -> str | None:
    """The kind of container this is, ``None`` outside of one (or where it does not show)."""
    if any(mark.exists() for mark in _CONTAINER_MARKS):
        return "podman" if _CONTAINER_MARKS[1].exists() else "docker"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    return os.environ.get("container") or None  # noqa: SIM112 - systemd's own spelling


def container_image() -> str | None:
    """Return the image's digest where the container engine or the user (``IMAGE_DIGEST``) provides it."""
    found = re.search(r'^imageid="(\w+)"', text(_CONTAINER_MARKS[1]) or "", re.MULTILINE)
    return os.environ.get("IMAGE_DIGEST") or (found[1] if found else None)


def _chosen(file: Path) -> str | None:
    """The word in brackets of ``always [madvise] never``."""
    found = re.search(r"\[(\w+)\]", text(file) or "")
    return found[1] if found else None

"""The control group this process lives in, version 1 or 2: a container's limits, not the host's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NO_LIMIT = 1 << 60
"""Version 1 writes "no memory limit" as a number near 2**63."""


@dataclass(frozen=True, kw_only=True)
class Cgroup:
    """The folders of the group's files, one per controller (version 2 has one for all)."""

    version: int
    cpu: Path | None
    accounting: Path | None
    memory: Path | None

    def cpu_limit(self) -> float | None:
        """Cores' worth of CPU time that the group and its parents may use, ``None`` for no limit."""
        # A group's file holds its own limit only; those of its parents bind as well.
        limits = [self._quota(folder) for folder in _upwards(self.cpu)]
        return min((limit for limit in limits if limit is not None), default=None)

    def _quota(self, folder: Path) -> float | None:
        if self.version == 2:
            quota, _, period = (_text(folder / "cpu.max") or "max").partition(" ")
        else:
            quota, period = _text(folder / "cpu.cfs_quota_us") or "-1", _text(folder / "cpu.cfs_period_us") or ""
        # isdigit() is false for "max" (version 2) and "-1" (version 1), which mean no limit; both numbers are microseconds.
        return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) > 0 else None

    def memory_limit_bytes(self) -> int | None:
        """Bytes that the group and its parents may use, ``None`` for no limit."""
        return min((limit for limit, _ in self.memory_bounds()), default=None)

    def memory_bounds(self) -> list[tuple[int, Path]]:
        """Each limit in bytes that binds the group, its own and its parents', with the file of the use that counts against it."""
        limit, usage = ("memory.max", "memory.current") if self.version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        texts = [(_text(folder / limit) or "", folder / usage) for folder in _upwards(self.memory)]
        return [(int(text), file) for text, file in texts if text.isdigit() and int(text) < _NO_LIMIT]

    def memory_left_bytes(self) -> int | None:
        """Bytes that the group may still take, ``None`` for no limit."""
        # Each level counts the use of all groups below it: a parent may have less left than the group's own limit leaves.
        uses = [(limit, _text(file) or "") for limit, file in self.memory_bounds()]
        return min((max(0, limit - int(use)) for limit, use in uses if use.isdigit()), default=None)

    def num_oom_kills(self) -> int | None:
        """Processes of the group that the kernel has killed for want of memory, anybody's; ``None`` where nothing counts them."""
        file = "memory.events" if self.version == 2 else "memory.oom_control"
        text = _text(self.memory / file) if self.memory is not None else None
        return stat_values((text or "").encode()).get(b"oom_kill")

    @property
    def cpu_stat(self) -> Path | None:
        """File with the group's throttling (and in version 2 its usage)."""
        return _existing(self.cpu, "cpu.stat")

    @property
    def cpu_usage(self) -> Path | None:
        """File with the CPU time the group has used."""
        return _existing(self.accounting, "cpu.stat" if self.version == 2 else "cpuacct.usage")


def find_cgroup(*, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Cgroup | None:
    """The group of this process, or ``None`` where no control-group file system is mounted."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return None
    # Lines are "ID:controllers:path"; that of version 2 names no controller ("0::/path").
    groups = {names: path for _, names, path in (line.split(":", 2) for line in lines if line.count(":") >= 2)}
    mount = sys / "fs/cgroup"
    # A hybrid host mounts version 2 in a subfolder, without these controllers: there the limits are in version 1.
    if "" in groups and (mount / "cgroup.controllers").exists():
        folder = _folder(mount, groups[""])
        return Cgroup(version=2, cpu=folder, accounting=folder, memory=folder)
    by_controller = {name: _folder(mount / name, path) for names, path in groups.items() for name in names.split(",")}
    found = Cgroup(
        version=1, cpu=by_controller.get("cpu"), accounting=by_controller.get("cpuacct"), memory=by_controller.get("memory")
    )
    return found if found.cpu or found.memory else None


def _folder(mount: Path, path: str) -> Path | None:
    """The group's folder; within a container the mount itself is the group, under any path that the host uses for it."""
    if not mount.is_dir():
        return None
    inside = mount / path.lstrip("/")
    return inside if inside.is_dir() else mount


def _upwards(folder: Path | None) -> list[Path]:
    """The folder and its parents that are groups too: the tightest limit on the way up counts."""
    chain: list[Path] = []
    # The folder above the mount is no group and lacks this file, which ends the walk.
    while folder is not None and (folder / "cgroup.procs").exists():
        chain.append(folder)
        folder = folder.parent
    return chain


def _existing(folder: Path | None, name: str) -> Path | None:
    return folder / name if folder is not None and (folder / name).exists() else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None


def stat_values(text: bytes) -> Mapping[bytes, int]:
    """A ``key value`` file (``cpu.stat``) as a mapping."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}

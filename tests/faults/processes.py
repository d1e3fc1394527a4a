"""The processes of one run, found by a mark in their environment: it outlives sessions and parents, so that no orphan hides."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MARK = "AIGC_BENCH_FAULT_MARK"
Role = Literal["parent", "worker", "fork server", "sampler", "other"]
ROLES: tuple[Role, ...] = ("parent", "worker", "fork server", "sampler")


def new_mark() -> dict[str, str]:
    """What to put into the environment of a program whose processes are to be found."""
    return {MARK: secrets.token_hex(8)}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A living process and what it is to the run."""

    pid: int
    parent: int
    role: Role


def processes(mark: dict[str, str]) -> list[Found]:
    """All living processes that carry the mark."""
    wanted = f"{MARK}={mark[MARK]}".encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [found for pid in pids if pid != os.getpid() and (found := _look(pid, wanted)) is not None]


def _look(pid: int, wanted: bytes) -> Found | None:
    place = Path("/proc") / str(pid)
    try:
        if wanted not in (place / "environ").read_bytes().split(b"\0"):
            return None
        state, parent = (place / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Found(pid=pid, parent=int(parent), role=_role(words, parent=int(parent)))


def _role(words: Sequence[str], *, parent: int) -> Role:
    if "aigc_bench.measure.sampler" in words:
        return "sampler"
    if "aigc_bench.measure.worker" in words:
        return "worker"
    if "aigc_bench.measure.fork_server" in words:
        return "worker" if _is_fork_server(parent) else "fork server"
    return "parent" if "aigc_bench" in words else "other"


def _is_fork_server(pid: int) -> bool:
    try:
        return b"aigc_bench.measure.fork_server" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def pid_of(role: Role, mark: dict[str, str]) -> int | None:
    """The process of that role, ``None`` while there is none."""
    return next((found.pid for found in processes(mark) if found.role == role), None)


def wait_for(role: Role, mark: dict[str, str], *, timeout_s: float = 600.0) -> int:
    """The process of that role as soon as there is one."""
    deadline = time.monotonic() + timeout_s
    while (pid := pid_of(role, mark)) is None:
        assert time.monotonic() < deadline, f"no {role} came up"
        time.sleep(0.05)
    return pid


def orphans(mark: dict[str, str], *, grace_s: float = 5.0) -> list[Found]:
    """What is left of a run whose parent has ended; killed processes have a moment to vanish."""
    deadline = time.monotonic() + grace_s
    while (left := processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left

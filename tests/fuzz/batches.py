"""Inputs read in forked children, a few hundred in each, under limits of CPU time and memory that hold for every single input.

A child that dies tells by its silence which input it was at: that one is a finding, and another child goes on behind it.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.outcome import Files, Outcome, outcome_of

CPU_LIMIT_S = 20.0
MEMORY_LIMIT_BYTES = 2 << 30
BATCH = 200
_GRACE_S = 5.0
"""CPU time beyond the limit after which a child that does not listen is killed."""


class Task(NamedTuple):
    """Something to read: its number, how it is made, and what reads it."""

    number: int
    make: Callable[[], Files]
    read: Callable[[Path], None]
    cpu_limit_s: float = CPU_LIMIT_S
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES


class Done(NamedTuple):
    """What came of one task, the CPU time that it took, and by how much the process had grown at its end."""

    number: int
    outcome: Outcome
    cpu_s: float = 0.0
    grown_bytes: int = 0


class Overtime(BaseException):
    """The limit of CPU time is over; no reader may take it for one of its own errors."""


@dataclass(kw_only=True)
class _Child:
    pid: int
    results: Connection
    tasks: Sequence[Task]
    at: int = -1
    cpu_at_start_s: float = 0.0
    is_killed: bool = False


def read_all(tasks: Sequence[Task], *, num_children: int, batch: int = BATCH) -> Iterator[Done]:
    """Every task's outcome, in no order."""
    waiting = deque(tasks[start : start + batch] for start in range(0, len(tasks), batch))
    children: list[_Child] = []
    while waiting or children:
        while waiting and len(children) < num_children:
            children.append(_started(waiting.popleft()))
        ready = wait([child.results for child in children], timeout=1.0)
        for child in tuple(children):
            if child.results in ready:
                yield from _heard(child, children, waiting)
            else:
                _kill_if_stuck(child)


def _heard(child: _Child, children: list[_Child], waiting: deque[Sequence[Task]]) -> Iterator[Done]:
    try:
        heard = child.results.recv()
    except EOFError:
        children.remove(child)
        status = os.waitpid(child.pid, 0)[1]
        if 0 <= child.at < len(child.tasks):
            yield Done(child.tasks[child.at].number, _of_death(child, status))
            if rest := child.tasks[child.at + 1 :]:
                waiting.appendleft(rest)
        return
    if isinstance(heard, Done):
        child.at = -1
        yield heard
    else:
        child.at, child.cpu_at_start_s = heard


def _of_death(child: _Child, status: int) -> Outcome:
    if child.is_killed:
        return Outcome("finding", "over the limit of CPU time, and deaf", "the process was killed")
    how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
    return Outcome("finding", f"the process died: {how}", how)


def _kill_if_stuck(child: _Child) -> None:
    if child.at < 0 or child.is_killed:
        return
    limit = child.tasks[child.at].cpu_limit_s + _GRACE_S
    if _cpu_s(child.pid) - child.cpu_at_start_s > limit:
        child.is_killed = True
        os.kill(child.pid, signal.SIGKILL)


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _started(tasks: Sequence[Task]) -> _Child:
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _serve(tasks, theirs)
    theirs.close()
    return _Child(pid=pid, results=ours, tasks=tasks)


def _serve(tasks: Sequence[Task], results: Connection) -> None:
    """What the child does, to its end."""
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    signal.signal(signal.SIGPROF, _stop)
    home = Path(tempfile.mkdtemp(prefix="fuzz-", dir=_memory_disk()))
    os.environ["XDG_CACHE_HOME"] = str(home / "cache")
    try:
        for at, task in enumerate(tasks):
            results.send((at, time.process_time()))
            results.send(_read_one(task, home / f"input-{at}"))
    finally:
        shutil.rmtree(home, ignore_errors=True)
        os._exit(0)


def _read_one(task: Task, folder: Path) -> Done:
    try:
        write_files(task.make(), folder)
    except Exception as problem:
        return Done(
            task.number,
            Outcome("finding", f"the mutation failed: {type(problem).__name__}", str(problem)[:200], traceback.format_exc()),
        )
    before = _size_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (before + task.memory_limit_bytes, resource.RLIM_INFINITY))
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, task.cpu_limit_s)
    try:
        outcome = outcome_of(task.read, folder)
        signal.setitimer(signal.ITIMER_PROF, 0)
    except Overtime:
        outcome = Outcome("finding", f"over {task.cpu_limit_s:g} s of CPU time", "a hang")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    spent, grown = time.process_time() - started, max(0, _size_bytes() - before)
    shutil.rmtree(folder, ignore_errors=True)
    return Done(task.number, outcome, spent, grown)


def write_files(files: Files, folder: Path) -> None:
    """The files below a folder that is made for them."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _stop(*_: object) -> None:
    raise Overtime


def _size_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _memory_disk() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

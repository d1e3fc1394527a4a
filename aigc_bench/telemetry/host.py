"""The machine's CPU, memory, disks, network and control group, and the worker's CPU and memory, from kept-open ``/proc`` files.

``os.pread`` on an open file costs a few microseconds, a psutil call several hundred; nothing here walks processes.

- ``cpu_utilization`` of ``host`` is busy time over all time of the cores this process may use; of ``worker`` it is in cores
  (its own threads; processes it starts are not in it). ``cpu_steal`` is the share that the hypervisor gave to others.
- Counters (``disk_*_bytes``, ``network_*_bytes``, ``swap_*_pages``, ``cgroup_*_s``) are cumulative: subtract two readings.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aigc_bench.core.control_group import Cgroup, find_cgroup, stat_values
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import SensorStatus
from aigc_bench.telemetry.base import SensorAbsent, Source, Value

HOST = "host"
WORKER = "worker"

# pread returns what fits into one call: enough for /proc/stat of a host with hundreds of cores and thousands of interrupts.
_BUFFER = 1 << 17
_SECTOR_BYTES = 512
"""``/proc/diskstats`` counts sectors of 512 bytes on every device (kernel, Documentation/admin-guide/iostats.rst)."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Stacked on disks that are counted themselves (dm, md, loop), in memory (ram, zram), removable (sr, fd) or remote (nbd).
_VIRTUAL_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd)\d")

Reader = Callable[[], tuple[float | None, ...]]


class Host(Source):
    """The host and the watched worker. ``proc`` and ``sys`` are the folders of the kernel's files."""

    title = message("Host and worker (/proc, /sys)")
    period_s = 0.3

    def __init__(self, *, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._proc, self._sys = proc, sys
        self._files: list[int] = []
        self._probes: list[tuple[tuple[str, ...], Reader]] = []
        self._absent: dict[str, str] = {}
        self._worker: _Worker | None = None

    def open(self) -> None:
        """Open the files; raises ``SensorAbsent`` where there is no ``/proc``."""
        if not (self._proc / "stat").exists():
            raise SensorAbsent(
                message("no {proc}/stat: the kernel's process file system is not mounted (Linux only)", proc=self._proc)
            )
        cgroup = find_cgroup(proc=self._proc, sys=self._sys)
        self._add(("cpu_utilization", "cpu_steal", "run_queue"), self._proc / "stat", lambda file: _Cpu(file).read)
        self._add(("memory_used_bytes", "memory_available_bytes"), self._proc / "meminfo", lambda file: self._memory(file, cgroup))
        self._add(("swap_in_pages", "swap_out_pages"), self._proc / "vmstat", lambda file: _counters(file, b"pswpin ", b"pswpout "))
        self._add(("disk_read_bytes", "disk_write_bytes"), self._proc / "diskstats", lambda file: _Disks(file, self._sys).read)
        network = ("network_receive_bytes", "network_send_bytes")
        self._add(network, self._proc / "net/dev", lambda file: _Network(file, self._sys).read)
        self._add_cgroup(cgroup)

    def _memory(self, file: int, cgroup: Cgroup | None) -> Reader:
        bounds = []
        for limit, usage in cgroup.memory_bounds() if cgroup else ():
            if usage.exists():
                self._files.append(os.open(usage, os.O_RDONLY | os.O_CLOEXEC))
                bounds.append((limit, self._files[-1]))
        return _Memory(file, bounds).read

    def _add(self, metrics: tuple[str, ...], path: Path | None, make: Callable[[int], Reader], *, reason: str = "") -> None:
        try:
            if path is None:
                raise FileNotFoundError(reason)
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._files.append(file)
            reader = make(file)
            # A file that opens may still lack the line or refuse the read, which must show now and not in the middle of a run.
            first = reader()
        except (OSError, ValueError, IndexError) as problem:
            self._absent |= dict.fromkeys(metrics, reason or f"{path}: {getattr(problem, 'strerror', None) or problem}")
            return
        assert len(first) == len(metrics), f"the reader of {path} gives {len(first)} values for {metrics}"
        self._probes.append((metrics, reader))

    def _add_cgroup(self, cgroup: Cgroup | None) -> None:
        if cgroup is None:
            self._absent |= dict.fromkeys(
                ("cgroup_throttled_s", "cgroup_cpu_usage_s"), message("no control-group file system is mounted")
            )
            return
        throttled, usage = (b"throttled_usec", b"usage_usec") if cgroup.version == 2 else (b"throttled_time", b"")
        path = cgroup.cpu_stat
        if path is not None and throttled not in path.read_bytes():
            path = None
        why = message("this is the root group: it has no CPU limit, so that nothing is throttled")
        self._add(("cgroup_throttled_s",), path, lambda file: _cgroup_counter(file, throttled), reason=why)
        why = message("the group does not account CPU time")
        self._add(("cgroup_cpu_usage_s",), cgroup.cpu_usage, lambda file: _cgroup_counter(file, usage), reason=why)

    def status(self) -> SensorStatus:
        """What could be opened."""
        metrics = [metric for metrics, _ in self._probes for metric in metrics]
        own = ("rss_bytes",) if "cpu_utilization" in metrics else ("cpu_utilization", "rss_bytes")
        return SensorStatus(
            source="host", available=bool(metrics), devices=(HOST, WORKER), metrics=(*metrics, *own), absent=self._absent
        )

    def read(self) -> Sequence[Value]:
        """All values of the host, and of the worker where one is watched."""
        values: list[Value] = []
        for metrics, reader in self._probes:
            try:
                answer = reader()
            except (OSError, ValueError, IndexError):
                # Missing is empty, never 0; and one sensor that fails hides no other.
                answer = (None,) * len(metrics)
            for metric, value in zip(metrics, answer, strict=True):
                values.append(Value(HOST, metric, value))
        if self._worker is not None:
            values += self._worker.read()
        return values

    def watch(self, pid: int | None) -> None:
        """Follow this process; one that is gone already gives ``None``."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None if pid is None else _Worker(pid, self._proc)

    def close(self) -> None:
        """Close every file."""
        self.watch(None)
        for file in self._files:
            os.close(file)
        self._files, self._probes, self._absent = [], [], {}


class _Cpu:
    """Busy and stolen share of the usable cores since the last call, and the number of runnable tasks now."""

    def __init__(self, file: int) -> None:
        self._file = file
        usable = os.sched_getaffinity(0)
        lines = [line for line in os.pread(file, _BUFFER, 0).splitlines() if re.match(rb"cpu\d", line)]
        # With every core usable the first line, their sum, is enough; the blank behind the number keeps "cpu1" out of "cpu11".
        self._names = None if len(usable) >= len(lines) else tuple(b"\ncpu%d " % core for core in sorted(usable))
        self._last = self._ticks(os.pread(file, _BUFFER, 0))
        self._shares: tuple[float | None, float | None] = (None, None)

    def _ticks(self, text: bytes) -> tuple[int, int, int]:
        """(total, idle, stolen) in clock ticks, over all cores or over the usable ones."""
        if self._names is None:
            return _line_ticks(text, 0)
        each = [_line_ticks(text, text.index(name) + 1) for name in self._names]
        return sum(e[0] for e in each), sum(e[1] for e in each), sum(e[2] for e in each)

    def read(self) -> tuple[float | None, ...]:
        text = os.pread(self._file, _BUFFER, 0)
        now = self._ticks(text)
        total = now[0] - self._last[0]
        # The kernel counts in ticks of 10 ms: two calls within one tick repeat the last shares.
        if total > 0:
            # iowait can fall (proc(5)), so that a difference may be negative.
            idle, stolen = (max(0, now[i] - self._last[i]) / total for i in (1, 2))
            self._shares = (max(0.0, 1 - idle - stolen), stolen)
            self._last = now
        at = text.find(b"\nprocs_running ")
        running = int(text[at + 15 : text.index(b"\n", at + 15)]) if at >= 0 else None
        return (*self._shares, running)


def _line_ticks(text: bytes, at: int) -> tuple[int, int, int]:
    """(total, idle, stolen) of ``user nice system idle iowait irq softirq steal``; guest time is inside user."""
    fields = [int(field) for field in text[at : text.index(b"\n", at)].split()[1:9]]
    return sum(fields), fields[3] + fields[4], fields[7]


class _Memory:
    """Return the bytes in use on the machine and the bytes still available: the machine's, or what the group's limits leave.

    ``bounds`` are a limit in bytes and the open file of the use that counts against it, for each group on the way up.
    """

    def __init__(self, file: int, bounds: Sequence[tuple[int, int]]) -> None:
        self._file, self._bounds = file, tuple(bounds)

    def read(self) -> tuple[float | None, ...]:
        text = os.pread(self._file, 4096, 0)
        # "kB" in meminfo are 1,024 bytes; both keys are among its first lines.
        total, available = (1024.0 * _number_after(text, key) for key in (b"MemTotal:", b"MemAvailable:"))
        # Not MemFree: the page cache, which the kernel gives back on demand, is not in use.
        used = total - available
        left = (max(0.0, limit - int(os.pread(usage, 64, 0))) for limit, usage in self._bounds)
        return used, min((available, *left))


class _Disks:
    """Bytes read from and written to the physical disks (partitions and stacked devices would count twice)."""

    def __init__(self, file: int, sys: Path) -> None:
        self._file = file
        folder = sys / "block"
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        self._names = frozenset(name.encode() for name in names if not _VIRTUAL_DISK.match(name))
        if not self._names:
            raise ValueError(message("no physical disk is visible"))

    def read(self) -> tuple[float | None, ...]:
        read = written = 0
        for line in os.pread(self._file, _BUFFER, 0).splitlines():
            fields = line.split()
            if fields[2] in self._names:
                # major minor name | reads merged SECTORS ms | writes merged SECTORS ...: columns 5 and 9.
                read += int(fields[5])
                written += int(fields[9])
        return float(read * _SECTOR_BYTES), float(written * _SECTOR_BYTES)


class _Network:
    """Bytes through the physical interfaces; where none is visible (a container), through all but the loopback."""

    def __init__(self, file: int, sys: Path) -> None:
        self._file = file
        names = [line.split(b":")[0].strip() for line in os.pread(file, _BUFFER, 0).splitlines()[2:]]
        # Only hardware has a `device` link: bridges, bonds and veth pairs would count the same bytes again.
        physical = [name for name in names if (sys / "class/net" / os.fsdecode(name) / "device").exists()]
        self._names = frozenset(physical or [name for name in names if name != b"lo"])
        if not self._names:
            raise ValueError(message("no network interface but the loopback"))

    def read(self) -> tuple[float | None, ...]:
        received = sent = 0
        # Two lines of headings; the columns are eight of receive, then eight of transmit, bytes first.
        for line in os.pread(self._file, _BUFFER, 0).splitlines()[2:]:
            name, _, numbers = line.partition(b":")
            if name.strip() in self._names:
                fields = numbers.split()
                received += int(fields[0])
                sent += int(fields[8])
        return float(received), float(sent)


def _counters(file: int, *keys: bytes) -> Reader:
    return lambda: tuple(_read_counters(file, keys))


def _read_counters(file: int, keys: tuple[bytes, ...]) -> Iterator[float]:
    text = os.pread(file, _BUFFER, 0)
    yield from (float(_number_after(text, key)) for key in keys)


def _number_after(text: bytes, key: bytes) -> int:
    at = text.index(key) + len(key)
    return int(text[at : text.index(b"\n", at)].split()[0])


def _cgroup_counter(file: int, key: bytes) -> Reader:
    """Seconds: ``*_usec`` of version 2 is in microseconds, ``throttled_time`` and ``cpuacct.usage`` of version 1 in nanoseconds."""
    per_s = 1e6 if key.endswith(b"_usec") else 1e9

    def read() -> tuple[float | None, ...]:
        text = os.pread(file, 4096, 0)
        return ((stat_values(text)[key] if key else int(text)) / per_s,)

    return read


class _Worker:
    """CPU time and memory of one process, all its threads.

    The CPU clock of another process can be read like any clock: its identifier is ``~pid << 3 | 2`` (kernel,
    include/linux/posix-timers_types.h, ``CPUCLOCK_SCHED``). It counts nanoseconds, where ``/proc/PID/stat`` counts 10 ms.
    """

    def __init__(self, pid: int, proc: Path) -> None:
        self._clock = (~pid << 3) | 2
        try:
            self._statm: int | None = os.open(proc / str(pid) / "statm", os.O_RDONLY | os.O_CLOEXEC)
            self._last_s: float | None = time.clock_gettime(self._clock)
        except OSError:
            self._statm = self._last_s = None
        self._last_ns = time.monotonic_ns()

    def read(self) -> tuple[Value, Value]:
        """CPU use in cores since the last call, and resident bytes."""
        rss: float | None = None
        cores: float | None = None
        try:
            if self._statm is not None and self._last_s is not None:
                rss = float(int(os.pread(self._statm, 256, 0).split()[1]) * _PAGE_BYTES)
                cpu_s, now_ns = time.clock_gettime(self._clock), time.monotonic_ns()
                # At least a microsecond, in case two calls see the same moment.
                cores = max(0.0, cpu_s - self._last_s) / max(1e-6, (now_ns - self._last_ns) * 1e-9)
                self._last_s, self._last_ns = cpu_s, now_ns
        except (OSError, IndexError, ValueError):
            pass
        return Value(WORKER, "cpu_utilization", cores), Value(WORKER, "rss_bytes", rss)

    def close(self) -> None:
        if self._statm is not None:
            os.close(self._statm)


source = Host()

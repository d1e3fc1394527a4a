"""The sampler: a process of its own that reads the sensors at absolute deadlines and appends them to the run's spool.

Started by ``SamplerClient`` as ``python -m aigc_bench.measure.sampler``. It reads one line of JSON (``Config``) from stdin and
answers with what each source found; afterwards each line is a command:

    {"watch": PID or null}   follow this worker            no answer
    {"edge": true}           read energy counters and slow fields now: a window is about to begin, or has just ended
    {"flush": true}          answer when all readings are on the disk
    {"stop": true}           flush, answer with the report, end

Power is read at a random moment of each slot of its period (stratified sampling, seeded): on a fixed grid a load that repeats every
50 or 100 ms would always be seen in the same phase, and its integral would be wrong by up to two thirds however long the window.
Counters and everything else stay on the grid, where the age of a counter's last refresh cancels between a window's two edges.

The spool has the columns ``time_s,source,device,metric,value``, no header, empty where there is no value. The end of stdin (the
parent has died) ends the process. Neither torch nor pandas is imported here, and the garbage collector is off: nothing in the loop
makes cycles.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import select
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc_bench.core import registry
from aigc_bench.core.messages import message
from aigc_bench.core.records import dump
from aigc_bench.core.run_records import SamplerReport, SensorStatus
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.lifeline import die_with_parent
from aigc_bench.telemetry.base import SensorAbsent, Source, Value

if TYPE_CHECKING:
    from aigc_bench.telemetry._nvml_trace import TraceWriter

# What a killed sampler loses at most.
FLUSH_PERIOD_S = 1.0
JITTER_SEED = 0
_STDIN, _STDOUT = 0, 1
_PR_SET_TIMERSLACK = 29


@dataclass(frozen=True, kw_only=True)
class Config:
    """The parent's request: the run's clock, where to write, which sources at which periods (default: their own).

    ``devices`` are the accelerators to read; none stands for all.
    """

    anchor_unix_s: float
    anchor_monotonic_ns: int
    spool: str
    parent_pid: int
    sources: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    periods_s: Mapping[str, float] = field(default_factory=dict)
    record_nvml: str | None = None


@dataclass(kw_only=True)
class Task:
    """One call in each slot of a grid that starts at the first deadline: at the slot's start, or ``offset_ns()`` after it."""

    source: str
    read: Callable[[], Sequence[Value]]
    period_ns: int
    slot_ns: int
    due_ns: int = 0
    offset_ns: Callable[[], int] | None = None

    def __post_init__(self) -> None:
        self.due_ns = self.slot_ns + (self.offset_ns() if self.offset_ns else 0)


class Spool:
    """Appends readings to a CSV file, whole lines at a time; they become text once a second, when the code for it is warm."""

    def __init__(self, path: str, *, clock: Clock) -> None:
        self._clock = clock
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._readings: list[tuple[int, str, Sequence[Value]]] = []
        self._middles: dict[tuple[str, str, str], str] = {}

    def add(self, monotonic_ns: int, source: str, values: Sequence[Value]) -> None:
        """Remember the values of one source at one moment."""
        self._readings.append((monotonic_ns, source, values))

    def write(self) -> None:
        """Hand the remembered readings to the system in one piece."""
        content = "".join(self._lines()).encode()
        self._readings.clear()
        while content:
            # write(2) may take a part.
            content = content[os.write(self._file, content) :]

    def _lines(self) -> Iterator[str]:
        middles = self._middles
        for monotonic_ns, source, values in self._readings:
            # To the microsecond: a reading itself takes longer.
            moment = repr(round(self._clock.at(monotonic_ns), 6))
            for device, metric, value in values:
                key = (source, device, metric)
                middle = middles.get(key)
                if middle is None:
                    middle = middles[key] = f",{source},{device},{metric},"
                yield f"{moment}{middle}{'' if value is None else repr(value)}\n"

    def sync(self) -> None:
        """Return when everything is on the disk."""
        self.write()
        os.fsync(self._file)


class Sampler:
    """Opens the sources, keeps the deadlines and counts its own delays and losses."""

    def __init__(self, config: Config) -> None:
        self._clock = Clock(anchor_unix_s=config.anchor_unix_s, anchor_monotonic_ns=config.anchor_monotonic_ns)
        self._config = config
        self._spool = Spool(config.spool, clock=self._clock)
        self._sources: dict[str, Source] = {}
        self._gone: dict[str, SensorStatus] = {}
        self._tasks: list[Task] = []
        self._random = random.Random(JITTER_SEED)
        self._late_s = array("d")
        self._num_lost = 0
        self._flush_due_ns = 0
        self._recorder: TraceWriter | None = None
        self._started_cpu_s, self._started_ns = time.process_time(), time.monotonic_ns()

    def open(self) -> list[SensorStatus]:
        """Open every source that can be opened, and report its metrics."""
        for name in self._config.sources or registry.names("telemetry"):
            try:
                source: Source = registry.load("telemetry", name)
                source.choose(self._config.devices)
                source.open()
            except SensorAbsent as absence:
                self._gone[name] = SensorStatus(source=name, available=False, reason=str(absence))
            except Exception as problem:
                self._gone[name] = SensorStatus(source=name, available=False, reason=f"{type(problem).__name__}: {problem}")
            else:
                self._sources[name] = source
        if self._config.record_nvml:
            self._recorder = _recorder(self._config.record_nvml, self._sources.get("nvml"))
        return self.statuses()

    def schedule(self, *, from_ns: int) -> list[Task]:
        """The calls of all open sources. All grids begin at one moment, so that periods that are multiples share their wake-ups."""
        tasks: list[Task] = []
        for name, source in self._sources.items():
            period_s = self._config.periods_s.get(name, source.period_s)
            tasks.append(Task(source=name, read=source.read, period_ns=round(period_s * 1e9), slot_ns=from_ns))
            # Only sources that override it: an empty call each period would wake the process for nothing.
            if type(source).read_slow is not Source.read_slow:
                slow_ns = round(max(source.slow_period_s, period_s) * 1e9)
                tasks.append(Task(source=name, read=source.read_slow, period_ns=slow_ns, slot_ns=from_ns))
            if type(source).read_power is not Source.read_power:
                tasks.append(self._power_task(name, source, slot_ns=from_ns))
        return tasks

    def _power_task(self, name: str, source: Source, *, slot_ns: int) -> Task:
        period_ns = round((source.lone_power_period_s if source.has_lone_power() else source.power_period_s) * 1e9)
        draw = self._random.random
        return Task(
            source=name, read=source.read_power, period_ns=period_ns, slot_ns=slot_ns, offset_ns=lambda: int(draw() * period_ns)
        )

    def statuses(self) -> list[SensorStatus]:
        """Every source as it stands now."""
        return [self._gone[name] for name in self._gone] + [source.status() for source in self._sources.values()]

    def run(self) -> None:
        """Sample until the parent stops it."""
        self._started_cpu_s, self._started_ns = time.process_time(), time.monotonic_ns()
        self._flush_due_ns = time.monotonic_ns()
        self._tasks = self.schedule(from_ns=self._flush_due_ns)
        buffered = b""
        while True:
            due_ns = min((task.due_ns for task in self._tasks), default=self._flush_due_ns)
            wait_s = max(0, due_ns - time.monotonic_ns()) * 1e-9
            if select.select((_STDIN,), (), (), wait_s)[0]:
                received = os.read(_STDIN, 65536)
                # The end of stdin: the parent has died.
                if not received:
                    self._spool.write()
                    return
                *lines, buffered = (buffered + received).split(b"\n")
                for line in lines:
                    if not self._obey(json.loads(line)):
                        return
            self._sample_due()

    def _sample_due(self) -> None:
        now_ns = time.monotonic_ns()
        for task in tuple(self._tasks):
            if task.due_ns <= now_ns and task.source in self._sources:
                self._late_s.append((time.monotonic_ns() - task.due_ns) * 1e-9)
                self._sample(task.source, task.read)
                self._num_lost += advance(task, time.monotonic_ns())
        if self._flush_due_ns <= now_ns:
            self._spool.write()
            # Not on the grid: writing may be late, readings may not.
            self._flush_due_ns = now_ns + round(FLUSH_PERIOD_S * 1e9)

    def _sample(self, name: str, read: Callable[[], Sequence[Value]]) -> None:
        """Read one source; its values carry the middle of the time the reading took."""
        before_ns = time.monotonic_ns()
        try:
            values = read()
        except Exception as problem:
            self._drop(name, str(problem) or type(problem).__name__)
            return
        moment_ns = (before_ns + time.monotonic_ns()) // 2
        self._spool.add(moment_ns, name, values)
        if self._recorder is not None and name == "nvml":
            self._recorder.write(moment_ns, values)

    def _drop(self, name: str, reason: str) -> None:
        """Drop a source that stopped answering; the others go on."""
        source = self._sources.pop(name)
        self._gone[name] = source.status().model_copy(
            update={"available": False, "reason": message("stopped answering: {reason}", reason=reason)}
        )
        self._tasks = [task for task in self._tasks if task.source != name]

    def _obey(self, command: Mapping[str, Any]) -> bool:
        """Carry out one command; false where it was the last."""
        if "watch" in command:
            for source in self._sources.values():
                source.watch(command["watch"])
        elif "edge" in command:
            for name, source in tuple(self._sources.items()):
                self._sample(name, source.read_energy)
                if name in self._sources:
                    self._sample(name, source.read_slow)
            _answer({"edge": True})
        elif "flush" in command:
            self._spool.sync()
            _answer({"flush": True})
        elif "stop" in command:
            self._stop()
            return False
        return True

    def _stop(self) -> None:
        self._spool.sync()
        if self._recorder is not None:
            self._recorder.close()
        _answer({"report": dump(self.report()), "sensors": [dump(status) for status in self.statuses()]})
        for source in self._sources.values():
            source.close()

    def report(self) -> SamplerReport:
        """Samples, missed deadlines, lateness and the share of one core since the sources were opened."""
        elapsed_s = (time.monotonic_ns() - self._started_ns) * 1e-9
        return SamplerReport(
            num_samples=len(self._late_s),
            num_lost=self._num_lost,
            late_p99_s=percentile(self._late_s, 0.99),
            cpu_fraction=(time.process_time() - self._started_cpu_s) / elapsed_s if elapsed_s > 0 else None,
        )


def advance(task: Task, now_ns: int) -> int:
    """Move to the next slot whose moment can still be met, on the same grid; returns how many were missed.

    On the grid itself that is the next deadline ahead; with an offset a slot is lost when it has ended.
    """
    task.slot_ns += task.period_ns
    until_ns = task.slot_ns if task.offset_ns is None else task.slot_ns + task.period_ns
    missed = max(0, (now_ns - until_ns) // task.period_ns + 1) if until_ns <= now_ns else 0
    task.slot_ns += missed * task.period_ns
    task.due_ns = task.slot_ns + (task.offset_ns() if task.offset_ns else 0)
    return missed


def percentile(values: Sequence[float], fraction: float) -> float | None:
    """The smallest value that at least ``fraction`` of the values do not exceed (nearest rank); ``None`` of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-fraction * len(ordered) // 1) - 1))] if ordered else None


def _recorder(path: str, source: Source | None) -> TraceWriter | None:
    """A trace of what NVML answers, where there is an NVML."""
    from aigc_bench.telemetry._nvml_trace import TraceWriter
    from aigc_bench.telemetry.nvml import Nvml

    return TraceWriter(path, source=source) if isinstance(source, Nvml) else None


def _answer(message: Mapping[str, Any]) -> None:
    os.write(_STDOUT, json.dumps(message).encode() + b"\n")


def _wake_punctually() -> None:
    """Have the kernel not round our wake-ups to its default of 50 us."""
    if sys.platform == "linux":
        # In nanoseconds.
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000, 0, 0, 0)


def main() -> None:
    """Read the configuration, open the sources, sample until stdin ends or sends stop."""
    line = sys.stdin.buffer.raw.readline() if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer.readline()
    if not line:
        return
    config = Config(**json.loads(line))
    die_with_parent(config.parent_pid)
    _wake_punctually()
    sampler = Sampler(config)
    _answer({"sensors": [dump(status) for status in sampler.open()]})
    gc.collect()
    # What was imported is never looked through again, and nothing pauses the readings.
    gc.freeze()
    gc.disable()
    sampler.run()


if __name__ == "__main__":
    main()

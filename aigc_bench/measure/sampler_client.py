"""The parent's handle on the sampler's process. A sampler that dies is started again and counted; it never ends a run."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigc_bench.core.child_python import python
from aigc_bench.core.messages import message
from aigc_bench.core.records import dump
from aigc_bench.core.run_records import SamplerReport, SensorStatus
from aigc_bench.core.system_errors import folder_for_children
from aigc_bench.measure.clock import Clock

_ANSWER_TIMEOUT_S = 20.0
"""An NVML call on a GPU that is falling off the bus can block for seconds; longer than this, the sampler is started again."""
_START_TIMEOUT_S = 120.0
"""A driver without persistence mode brings up eight GPUs in tens of seconds."""
_MAX_RESTARTS = 5


class _SamplerDied(Exception):
    """The process ended, or did not answer in time."""


class SamplerClient:
    """Start the sampler, name the processes it follows, and collect its report.

    ``sources`` and ``periods_s`` default to all registered sources at their own periods. ``record_nvml`` names a file that
    gets what NVML answered, as a trace that the fake device of the tests replays.
    """

    def __init__(
        self,
        *,
        spool: Path,
        clock: Clock,
        sources: tuple[str, ...] = (),
        devices: tuple[str, ...] = (),
        periods_s: Mapping[str, float] | None = None,
        record_nvml: Path | None = None,
    ) -> None:
        self._spool = spool
        self._config = {
            "anchor_unix_s": clock.anchor_unix_s,
            "anchor_monotonic_ns": clock.anchor_monotonic_ns,
            "spool": str(spool),
            "parent_pid": os.getpid(),
            "sources": sources,
            "devices": devices,
            "periods_s": dict(periods_s or {}),
            "record_nvml": str(record_nvml) if record_nvml else None,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._buffered, self._num_unread = b"", 0
        self._watched: int | None = None
        self.restarts = 0
        self.sensors: tuple[SensorStatus, ...] = ()
        """Return every source as the sampler last reported it."""

    @property
    def pid(self) -> int | None:
        """The sampler's process, ``None`` before the start and after the stop."""
        return self._process.pid if self._process else None

    def start(self) -> tuple[SensorStatus, ...]:
        """Start sampling; returns what each source found."""
        try:
            self._launch()
        except _SamplerDied:
            self._restart()
        return self.sensors

    def watch(self, pid: int | None) -> None:
        """Follow this worker from now on, or none."""
        self._watched = pid
        self._command({"watch": pid}, answers=False)

    def edge(self) -> None:
        """Read the energy counters now; call it just before and just after a trial, outside the window."""
        self._command({"edge": True})

    def flush(self) -> None:
        """Return when all readings so far are on the disk."""
        self._command({"flush": True})

    def stop(self) -> SamplerReport:
        """End sampling; returns what it cost and how punctual it was. Without a living sampler, only the restarts."""
        try:
            answer = self._ask({"stop": True})
        except _SamplerDied:
            return SamplerReport(restarts=self.restarts)
        finally:
            self._end()
        self.sensors = tuple(SensorStatus(**status) for status in answer["sensors"])
        return SamplerReport(**{**answer["report"], "restarts": self.restarts})

    def _launch(self) -> None:
        logs = self._spool.parent / "logs"
        with open(logs / "sampler.log" if logs.is_dir() else os.devnull, "ab") as errors:  # noqa: PTH123 - a device or a file
            self._process = subprocess.Popen(
                python("-m", "aigc_bench.measure.sampler"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Unbuffered, because select() does not see what lies in a buffer of Python's.
                bufsize=0,
                start_new_session=True,
                cwd=folder_for_children(),
            )
        self._buffered, self._num_unread = b"", 0
        answer = self._ask(self._config, timeout_s=_START_TIMEOUT_S)
        self.sensors = tuple(SensorStatus(**status) for status in answer["sensors"])

    def _command(self, command: Mapping[str, Any], *, answers: bool = True) -> None:
        """Send a command; where the sampler has died, start it again (the moment it was for has passed)."""
        if self._process is None:
            return
        try:
            self._ask(command) if answers else self._send(command)
        except _SamplerDied:
            self._restart()

    def _restart(self) -> None:
        """Start again and follow the same worker. After a few deaths in a row, go on without sensors."""
        self._end()
        self.restarts += 1
        if self.restarts > _MAX_RESTARTS:
            self.sensors = tuple(
                SensorStatus(**{**dump(status), "available": False, "reason": message("the sampler died again and again")})
                for status in self.sensors
            )
            return
        try:
            self._launch()
            self._send({"watch": self._watched})
        except _SamplerDied:
            self._restart()

    def _ask(self, message: Mapping[str, Any], *, timeout_s: float = _ANSWER_TIMEOUT_S) -> Any:
        """The answer to this message; one that an interrupt left unread is passed over."""
        # Counted before sending: an interrupt between the two leaves an answer too few (and a restart), never a wrong one.
        self._num_unread += 1
        self._send(message)
        while self._num_unread:
            line = self._line(timeout_s=timeout_s)
            self._num_unread -= 1
        return json.loads(line)

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._process is None or self._process.stdin is None or self._process.poll() is not None:
            raise _SamplerDied
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
        except OSError:
            raise _SamplerDied from None

    def _line(self, *, timeout_s: float = _ANSWER_TIMEOUT_S) -> bytes:
        """The next line of the sampler's answers."""
        assert self._process is not None and self._process.stdout is not None, "the sampler was started with pipes"
        answers = self._process.stdout.fileno()
        deadline_s = time.monotonic() + timeout_s
        while b"\n" not in self._buffered:
            ready = select.select((answers,), (), (), max(0.0, deadline_s - time.monotonic()))[0]
            received = os.read(answers, 65536) if ready else b""
            if not received:
                raise _SamplerDied
            self._buffered += received
        line, _, self._buffered = self._buffered.partition(b"\n")
        return line

    def _end(self) -> None:
        """Leave no process behind."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            # Closing stdin ends the sampler by itself, with its last readings written.
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""The parent's control of its workers: start them, read their messages, and end those that exceed their time.

CPU trials are forked from a server that has imported torch once; trials on an accelerator get an interpreter of their own.
Every process is started in a session of its own, so that Ctrl-C reaches the parent alone, and dies when the parent dies.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from aigc_bench.core.child_python import SAFE_PATH, python
from aigc_bench.core.messages import message
from aigc_bench.core.records import Quality, TrialResult
from aigc_bench.core.system_errors import folder_for_children
from aigc_bench.measure.protocol import TrialRequest, decode, encode
from aigc_bench.measure.threads import binding_environment

WORKER_ENVIRONMENT = {
    # Threads that wait must not spin: on a shared machine spinning costs the neighbour, and the neighbour costs us.
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
    # Nothing is fetched, nothing is reported.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    **SAFE_PATH,
}
LAST_WORDS_S = 10.0
GATE_S = 120.0
"""The least time for the check of a measured trial's results; it has half of the case's ``timeout_s`` where that is more."""
IMPORT_LIMIT_S = 300.0

OnStage = Callable[[str], None]
OnStarted = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial's process ended: with a result, by dying on its own, or past its time."""

    kind: Literal["result", "died", "timeout"]
    trial: TrialResult | None = None
    exit_code: int | None = None
    pid: int | None = None


class _Child:
    """A child process that writes JSON lines to its stdout."""

    def __init__(self, module: str, *, log: Path, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                python("-m", module, str(os.getpid())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                cwd=folder_for_children(),
                env={**os.environ, **WORKER_ENVIRONMENT, **environment},
            )
        assert self.process.stdin is not None and self.process.stdout is not None, "the process was started with pipes"
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._buffer = bytearray()

    def say(self, line: bytes) -> bool:
        """Send a line; false where the process is gone."""
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except OSError:
            return False
        return True

    def hear(self, *, until: float) -> dict[str, Any] | None:
        """The next message, ``None`` at the deadline (``time.monotonic``); raises ``EOFError`` when the process is gone."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                message = decode(bytes(self._buffer[:end]))
                del self._buffer[: end + 1]
                searched = 0
                if message is not None:
                    return message
                continue
            # A result is one line of up to megabytes in pieces of 64 KiB: what was searched is not searched again.
            searched = len(self._buffer)
            if not self._selector.select(timeout=max(0.0, until - time.monotonic())):
                return None
            chunk = os.read(self._stdout.fileno(), 1 << 16)
            if not chunk:
                raise EOFError
            self._buffer += chunk

    def end(self) -> int:
        """Kill the process if it still lives, and return its exit code."""
        self._selector.close()
        with contextlib.suppress(OSError):
            self._stdin.close()
        self.process.kill()
        code = self.process.wait()
        self._stdout.close()
        return code


class Launcher:
    """Runs trials one at a time, each in a process of its own."""

    def __init__(self, *, imports: Sequence[str] | None, log: Path, search: Sequence[str] = ()) -> None:
        """``imports`` are what the fork server imports besides torch; ``None`` where no trial will be forked.

        ``search`` are the folders of modules that the user's own code was permitted to come from.
        """
        self._imports = imports
        self._search = search
        self._log = log
        self._server: _Child | None = None
        self._worker: _Child | None = None
        self._trial_pid: int | None = None
        self._measured: TrialResult | None = None

    def prepare(self) -> None:
        """Start the fork server, if any trial will need it, and wait until it has imported everything."""
        if self._imports is not None:
            # A server that dies here fails the first trial's attempt, which reports it; the next attempt starts another.
            with contextlib.suppress(EOFError):
                self._fork_server().hear(until=time.monotonic() + IMPORT_LIMIT_S)

    def run(self, request: TrialRequest, *, is_forked: bool, on_started: OnStarted, on_stage: OnStage) -> Outcome:
        """Run one trial to its end; returns even where the process crashes or hangs."""
        # Before the process starts, so that a hanging import counts.
        until = time.monotonic() + request.case.timeout_s
        child = self._fork_server() if is_forked else self._spawn()
        self._trial_pid = None if is_forked else child.process.pid
        self._measured = None
        gate_s = max(GATE_S, request.case.timeout_s / 2)
        try:
            child.say(request.model_dump_json().encode() + b"\n")
            outcome = self._listen(child, until=until, gate_s=gate_s, on_started=on_started, on_stage=on_stage, is_forked=is_forked)
        except EOFError:
            outcome = self._died(self._lost(is_forked=is_forked))
        finally:
            if not is_forked and self._worker is not None:
                self._worker.end()
                self._worker = None
        self._trial_pid = None
        return outcome

    def close(self) -> None:
        """End every process."""
        self._kill_trial()
        for child in (self._worker, self._server):
            if child is not None:
                child.end()
        self._worker = self._server = None

    def _listen(
        self, child: _Child, *, until: float, gate_s: float, on_started: OnStarted, on_stage: OnStage, is_forked: bool
    ) -> Outcome:
        result: TrialResult | None = None
        while True:
            event = child.hear(until=until)
            if event is None:
                return self._timed_out(result, gate_s=gate_s, is_forked=is_forked)
            if event["event"] == "forked":
                self._trial_pid = int(event["pid"])
            elif event["event"] == "started":
                self._trial_pid = int(event["pid"])
                on_started(self._trial_pid)
            elif event["event"] == "stage":
                on_stage(str(event["stage"]))
            elif event["event"] == "measured":
                self._measured = TrialResult.model_validate(event["trial"])
                until = time.monotonic() + gate_s
            elif event["event"] == "result":
                result = TrialResult.model_validate(event["trial"])
                # The trial is done: from here on only the worker's exit is waited for, not the rest of its timeout.
                until = time.monotonic() + LAST_WORDS_S
                # A spawned worker just ends after its result; of a forked one the server reports the exit.
                if not is_forked:
                    return Outcome(kind="result", trial=result, pid=self._trial_pid)
            elif event["event"] == "exit":
                if result is None:
                    return self._died(int(event["code"]))
                return Outcome(kind="result", trial=result, exit_code=int(event["code"]), pid=self._trial_pid)

    def _died(self, exit_code: int | None) -> Outcome:
        """How a trial ended whose process died: without a result, or with what it had measured before its results were checked."""
        if self._measured is None:
            return Outcome(kind="died", exit_code=exit_code, pid=self._trial_pid)
        why = message("the process that checked the results ended with {signal}", signal=signal_name(exit_code))
        return Outcome(kind="result", trial=_unchecked(self._measured, why), exit_code=exit_code, pid=self._trial_pid)

    def _timed_out(self, result: TrialResult | None, *, gate_s: float, is_forked: bool) -> Outcome:
        """Kill a trial that is past its time or does not exit after its result; a fork server confirms its end or is killed too."""
        self._kill_trial()
        if result is None and self._measured is not None:
            result = _unchecked(self._measured, message("the check of the results took more than {gate_s:.0f} s", gate_s=gate_s))
        outcome = Outcome(kind="timeout" if result is None else "result", trial=result, pid=self._trial_pid)
        if is_forked and self._server is not None and not _hears_exit(self._server):
            self._lost(is_forked=True)
        return outcome

    def _fork_server(self) -> _Child:
        if self._server is None:
            self._server = _Child("aigc_bench.measure.fork_server", log=self._log, environment=binding_environment())
            self._server.say(encode({"imports": list(self._imports or ()), "search": list(self._search)}))
        return self._server

    def _spawn(self) -> _Child:
        self._worker = _Child("aigc_bench.measure.worker", log=self._log)
        return self._worker

    def _lost(self, *, is_forked: bool) -> int | None:
        """Reap the process that ended, so that the next trial gets a new one."""
        child = self._server if is_forked else self._worker
        if is_forked:
            self._kill_trial()
            self._server = None
        else:
            self._worker = None
        return None if child is None else child.end()

    def _kill_trial(self) -> None:
        if self._trial_pid is not None:
            # Gone already, or its number belongs to another user's process by now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._trial_pid, signal.SIGKILL)


def _unchecked(measured: TrialResult, why: str) -> TrialResult:
    """The measured trial with the reason why its results could not be checked."""
    return measured.model_copy(update={"quality": Quality(kind="reference", passed=None, note=why)})


def _hears_exit(server: _Child) -> bool:
    """Return whether a fork server reports in time that its worker has ended; later output of the worker is dropped."""
    until = time.monotonic() + LAST_WORDS_S
    try:
        while (message := server.hear(until=until)) is not None:
            if message["event"] == "exit":
                return True
    except EOFError:
        pass
    return False


def signal_name(exit_code: int | None) -> str:
    """``signal 9 (SIGKILL)`` or ``exit code 1``, for messages about a process that died."""
    if exit_code is None:
        return message("no exit code")
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            return message("signal {exit_code} ({name})", exit_code=-exit_code, name=signal.Signals(-exit_code).name)
    return message("exit code {exit_code}", exit_code=exit_code)

"""Run one trial: once, or a second time where it was killed from outside or a device was throttled.

The trial's ``attempt`` and ``notes`` state a second attempt; its result is final.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

from aigc_bench.core import registry
from aigc_bench.core.control_group import find_cgroup, stat_values
from aigc_bench.core.messages import message
from aigc_bench.core.named_code import permitted
from aigc_bench.core.records import Case, Failure, Status, TrialResult
from aigc_bench.core.run_records import AcceleratorInfo
from aigc_bench.core.system_errors import names_exhausted_memory, out_of_memory_words
from aigc_bench.core.units import digits
from aigc_bench.measure import gate
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.device_names import named_as_listed, with_parents
from aigc_bench.measure.launcher import Launcher, Outcome, signal_name
from aigc_bench.measure.progress import StageName, StageStarted
from aigc_bench.measure.protocol import TrialRequest
from aigc_bench.measure.sampler_client import SamplerClient
from aigc_bench.measure.schedule import Planned
from aigc_bench.measure.stopping import StoppingRule

MAX_ATTEMPTS = 2
COOL_DOWN_S = {"quick": (0.5, 10.0), "default": (10.0, 60.0), "rigorous": (10.0, 60.0)}
"""Shortest and longest wait before a throttled trial is run again."""
COOL_MARGIN_C = 5.0

Listener = Callable[[StageStarted], None]


class Attempts:
    """Run trials in their processes and notify the sampler when each begins and ends."""

    def __init__(
        self,
        *,
        launcher: Launcher,
        sampler: SamplerClient,
        spool: Path,
        log: Path,
        clock: Clock,
        listener: Listener,
        accelerators: Sequence[AcceleratorInfo] = (),
        oom_kills: Callable[[], int] | None = None,
    ) -> None:
        self._launcher = launcher
        self._sampler = sampler
        self._spool = spool
        self._log = log
        self._clock = clock
        self._listener = listener
        self._accelerators = accelerators
        self._oom_kills = oom_kills or num_oom_kills
        self._idle_c = gate.temperatures(spool)

    def run(
        self,
        planned: Planned,
        *,
        rule: StoppingRule,
        on_attempt: Callable[[int], None],
        flops: Mapping[str, int | None] | None = None,
    ) -> TrialResult:
        """Run the trial to a result; ``on_attempt`` receives the number of each attempt before it starts."""
        notes: tuple[str, ...] = ()
        attempt = 1
        while True:
            on_attempt(attempt)
            request = TrialRequest(
                case=planned.case,
                trial=planned.trial,
                attempt=attempt,
                rule=rule,
                clock=self._clock,
                flops=flops,
                code=permitted(planned.case.workload),
            )
            trial, retry_reason = self._attempt(request)
            if retry_reason is None or attempt == MAX_ATTEMPTS:
                return trial.model_copy(update={"notes": (*notes, *trial.notes)})
            notes += (message("attempt {attempt} was repeated: {retry_reason}", attempt=attempt, retry_reason=retry_reason),)
            self._cool_down(level=rule.level)
            attempt += 1

    def _attempt(self, request: TrialRequest) -> tuple[TrialResult, str | None]:
        """Run one process for the trial; return its result and the reason for another attempt, if any."""
        started_s = self._clock.now_s()
        kills_before = self._oom_kills()
        # What the sampler and the worker write from here on belongs to this trial.
        offset, log_offset = _size(self._spool), _size(self._log)
        # The energy counters right before and after, between which the window's edges are interpolated.
        self._sampler.edge()
        outcome = self._launcher.run(
            request, is_forked=is_forked(request.case), on_started=self._sampler.watch, on_stage=self._report_stage
        )
        self._sampler.watch(None)
        self._sampler.edge()
        # The gate reads the spool, so what the sampler still holds must be in it.
        self._sampler.flush()
        if outcome.trial is not None:
            trial = outcome.trial.model_copy(update={"devices": named_as_listed(outcome.trial.devices, self._accelerators)})
            devices = with_parents(trial.devices, self._accelerators)
            is_spoiled = gate.is_spoiled(self._spool, offset=offset, trial=trial, devices=devices)
            return trial, message("a device was throttled by heat or a power brake") if is_spoiled else None
        last_words = _last_lines(self._log, log_offset)
        failure = _failure(request, outcome, is_oom_kill=self._oom_kills() > kills_before, last_words=last_words)
        status: Status = "timeout" if outcome.kind == "timeout" else "oom" if failure.kind == "host_out_of_memory" else "error"
        failed = TrialResult(
            case=request.case.id,
            trial=request.trial,
            attempt=request.attempt,
            status=status,
            started_s=started_s,
            finished_s=self._clock.now_s(),
            pid=outcome.pid,
            error=failure,
        )
        return failed, message(
            "its process ended with {signal}", signal=signal_name(outcome.exit_code)
        ) if status == "error" else None

    def _cool_down(self, *, level: str) -> None:
        """Wait until every device is at most ``COOL_MARGIN_C`` above where it stood before the run, within limits."""
        if not self._idle_c:
            return
        self._listener(StageStarted(name="cooling"))
        shortest_s, longest_s = COOL_DOWN_S[level]
        started = time.monotonic()
        while (waited_s := time.monotonic() - started) < longest_s:
            time.sleep(min(1.0, shortest_s))
            self._sampler.flush()
            now = gate.temperatures(self._spool)
            if waited_s >= shortest_s and all(now.get(d, 0.0) <= idle_c + COOL_MARGIN_C for d, idle_c in self._idle_c.items()):
                return

    def _report_stage(self, name: str) -> None:
        known: tuple[StageName, ...] = get_args(StageName)
        for stage in known:
            if stage == name:
                self._listener(StageStarted(name=stage))


def unsupported_trial(planned: Planned, reason: str | None, *, now_s: float) -> TrialResult:
    """Return the result of a trial that needs no process to fail, because torch cannot use the device."""
    return TrialResult(
        case=planned.case.id,
        trial=planned.trial,
        status="unsupported",
        started_s=now_s,
        finished_s=now_s,
        error=Failure(kind="unsupported", message=reason or message("no device")),
    )


def is_forked(case: Case) -> bool:
    """Whether the case's worker may be forked from a process that has imported torch."""
    return bool(registry.load("accelerators", case.backend).is_forkable)


def _failure(request: TrialRequest, outcome: Outcome, *, is_oom_kill: bool, last_words: str) -> Failure:
    if outcome.kind == "timeout":
        return Failure(
            kind="timeout",
            message=message("not finished within {timeout} s (the case's timeout_s)", timeout=digits(request.case.timeout_s)),
        )
    # The kernel kills with SIGKILL only: a worker that ended otherwise was not the one, whoever else was killed meanwhile.
    if is_oom_kill and outcome.exit_code == -signal.SIGKILL:
        return Failure(
            kind="host_out_of_memory", message=message("the kernel killed the worker because the host's memory was exhausted")
        )
    if names_exhausted_memory(last_words):
        return Failure(
            kind="host_out_of_memory",
            message=message("the worker ended: {why}", why=out_of_memory_words()),
            detail=last_words,
        )
    ended = message("the worker process ended with {signal}", signal=signal_name(outcome.exit_code))
    return Failure(
        kind="worker_died",
        message=message(
            "{ended} in attempt {attempt} of {max_attempts}", ended=ended, attempt=request.attempt, max_attempts=MAX_ATTEMPTS
        ),
        detail=last_words,
    )


def num_oom_kills(*, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> int:
    """Return how many processes the kernel's out-of-memory killer has ended: of our control group, else of the machine."""
    cgroup = find_cgroup(proc=proc, sys=sys)
    # Counted for the group of the process that was killed, also where it was the machine's memory that ran out.
    ours = cgroup.num_oom_kills() if cgroup else None
    if ours is not None:
        return ours
    with suppress(OSError):
        return stat_values((proc / "vmstat").read_bytes()).get(b"oom_kill", 0)
    return 0


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _last_lines(log: Path, offset: int, *, count: int = 20) -> str:
    """The last lines that were written to the log from ``offset`` on."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(offset)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    return ""

"""How often a trial is run: once, or twice where it was killed from outside or a device was throttled, whatever happens then."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_bench.core.records import TrialResult, Window
from aigc_bench.core.throttle import HW_THERMAL_SLOWDOWN, SW_POWER_CAP
from aigc_bench.measure import gate
from aigc_bench.measure.attempts import MAX_ATTEMPTS, Attempts, num_oom_kills
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.launcher import Outcome
from aigc_bench.measure.progress import StageStarted
from aigc_bench.measure.protocol import TrialRequest
from aigc_bench.measure.schedule import Planned
from aigc_bench.measure.stopping import stopping_rule
from tests.analyze.synthetic import make_case

Happening = Literal["ok", "throttled", "capped", "killed", "crashed", "starved", "late", "unsupported"]
ENDS_IN: dict[Happening, str] = {
    "ok": "ok",
    "throttled": "ok",
    "capped": "ok",
    "killed": "error",
    "crashed": "error",
    "starved": "oom",
    "late": "timeout",
    "unsupported": "unsupported",
}
LAST_WORDS = {
    "killed": "last words of the worker\n",
    "crashed": "Segmentation fault\n",
    "starved": "libgomp: Thread creation failed: Resource temporarily unavailable\n",
}
IS_REPEATED = ("throttled", "killed", "crashed")


class ScriptedLauncher:
    """Processes that end as scripted, one after the other; the last ending repeats itself."""

    def __init__(self, endings: Sequence[Happening], *, spool: Path, log: Path) -> None:
        self._log = log
        self.requests: list[TrialRequest] = []
        self._endings = endings
        self._spool = spool

    def run(
        self, request: TrialRequest, *, is_forked: bool, on_started: Callable[[int], None], on_stage: Callable[[str], None]
    ) -> Outcome:
        ending = self._endings[min(len(self.requests), len(self._endings) - 1)]
        self.requests.append(request)
        on_started(1000 + len(self.requests))
        on_stage("measuring")
        on_stage("a stage of a later version")
        if ending == "late":
            return Outcome(kind="timeout", pid=7)
        if ending in LAST_WORDS:
            with self._log.open("a") as log:
                log.write(LAST_WORDS[ending])
            return Outcome(kind="died", exit_code=-11 if ending == "crashed" else -9, pid=7)
        reasons = {"throttled": HW_THERMAL_SLOWDOWN, "capped": SW_POWER_CAP}.get(ending, 0)
        with self._spool.open("a") as file:
            file.writelines(f"{10.0 + tick / 10},nvml,GPU-0,throttle_reasons,{reasons}.0\n" for tick in range(10))
        return Outcome(kind="result", trial=finished(request, status="unsupported" if ending == "unsupported" else "ok"), pid=7)


class ListeningSampler:
    """Records its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def edge(self) -> None:
        self.calls.append("edge")

    def flush(self) -> None:
        self.calls.append("flush")

    def watch(self, pid: int | None) -> None:
        self.calls.append(pid)


def finished(request: TrialRequest, *, status: Any) -> TrialResult:
    window = Window(start_s=10.0, end_s=11.0, wall_s=1.0, num_steps=10) if status == "ok" else None
    return TrialResult(
        case=request.case.id, trial=request.trial, attempt=request.attempt, status=status, started_s=1.0, finished_s=2.0,
        devices=("GPU-0",), window=window, notes=("the worker's own note",),
    )  # fmt: skip


def run(
    endings: Sequence[Happening], folder: Path, *, oom_kills: Callable[[], int] = lambda: 3
) -> tuple[TrialResult, ScriptedLauncher, ListeningSampler, list[int], list[str]]:
    """The trial's result, and all that the launcher, the sampler and the listeners saw."""
    spool, log = folder / "telemetry.csv", folder / "workers.log"
    spool.write_text("")
    log.write_text("MemoryError of an earlier trial\n")
    launcher, sampler = ScriptedLauncher(endings, spool=spool, log=log), ListeningSampler()
    attempts: list[int] = []
    stages: list[str] = []

    def listener(event: StageStarted) -> None:
        stages.append(event.name)

    made = Attempts(
        launcher=launcher, sampler=sampler, spool=spool, log=log, clock=Clock.start(), listener=listener, oom_kills=oom_kills
    )  # type: ignore[arg-type]
    planned = Planned(case=make_case(), trial=0)
    trial = made.run(planned, rule=stopping_rule("quick"), on_attempt=attempts.append)
    return trial, launcher, sampler, attempts, stages


@given(st.lists(st.sampled_from(sorted(ENDS_IN)), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_sequence_of_endings_gives_one_result_after_at_most_two_attempts(tmp_path: Path, endings: list[Happening]) -> None:
    trial, launcher, sampler, attempts, _ = run(endings, tmp_path)
    deserved = 2 if endings[0] in IS_REPEATED else 1
    last = endings[min(deserved, len(endings)) - 1]
    assert attempts == list(range(1, deserved + 1))
    assert [request.attempt for request in launcher.requests] == attempts
    assert deserved <= MAX_ATTEMPTS
    assert trial.status == ENDS_IN[last]
    assert trial.attempt == deserved
    assert sum(note.startswith("attempt ") for note in trial.notes) == deserved - 1
    assert (trial.error is not None) == (trial.status in ("error", "oom", "timeout"))
    of_one = ["edge", 1001, None, "edge", "flush"]
    assert sampler.calls[:5] == of_one
    assert len(sampler.calls) == 5 * deserved


def test_a_second_attempt_says_why_there_was_a_first(tmp_path: Path) -> None:
    trial = run(["throttled", "ok"], tmp_path)[0]
    assert trial.notes == ("attempt 1 was repeated: a device was throttled by heat or a power brake", "the worker's own note")
    trial = run(["killed", "ok"], tmp_path)[0]
    assert trial.notes[0] == "attempt 1 was repeated: its process ended with signal 9 (SIGKILL)"


@pytest.mark.parametrize(("ending", "status"), [("killed", "oom"), ("crashed", "error")])
def test_a_worker_is_starved_only_if_it_was_the_one_that_the_kernel_killed(tmp_path: Path, ending: Happening, status: str) -> None:
    """Somebody's process is killed for want of memory during each attempt; one of ours that ended with SIGSEGV was not it."""
    kills = itertools.count()
    assert run([ending], tmp_path, oom_kills=lambda: next(kills))[0].status == status


def test_kills_are_counted_of_our_control_group_where_it_counts_them(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 41\n")
    assert num_oom_kills(proc=tmp_path, sys=tmp_path) == 41
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/\n")
    group = tmp_path / "fs/cgroup"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("memory\n")
    assert num_oom_kills(proc=tmp_path, sys=tmp_path) == 41
    (group / "memory.events").write_text("oom 0\noom_kill 0\n")
    assert num_oom_kills(proc=tmp_path, sys=tmp_path) == 0
    assert num_oom_kills(proc=tmp_path / "none", sys=tmp_path) == 0


def test_a_process_that_dies_twice_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    error = run(["killed"], tmp_path)[0].error
    assert error is not None
    assert error.kind == "worker_died"
    assert error.message == "the worker process ended with signal 9 (SIGKILL) in attempt 2 of 2"
    assert error.detail == "last words of the worker"


def test_a_worker_that_got_no_memory_is_out_of_memory_and_not_run_again(tmp_path: Path) -> None:
    trial, launcher, *_ = run(["starved"], tmp_path)
    assert trial.error is not None
    assert trial.error.kind == "host_out_of_memory"
    assert trial.error.message.startswith("the worker ended: memory is exhausted")
    assert len(launcher.requests) == 1


def test_a_trial_past_its_time_is_not_run_again_and_names_the_key(tmp_path: Path) -> None:
    error = run(["late", "ok"], tmp_path)[0].error
    assert error is not None
    assert (error.kind, error.message) == ("timeout", "not finished within 600 s (the case's timeout_s)")


def test_stages_that_a_listener_does_not_know_are_kept_from_it(tmp_path: Path) -> None:
    assert set(run(["ok"], tmp_path)[4]) == {"measuring"}


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_spool_torn_anywhere_is_read_up_to_its_last_whole_line(tmp_path: Path, cut: int) -> None:
    spool = tmp_path / "telemetry.csv"
    lines = "10.0,nvml,GPU-0,temperature_c,41.5\n10.5,nvml,GPU-0,temperature_c,1e-05\n"
    spool.write_text(lines[:-cut])
    assert gate.temperatures(spool) == ({} if cut > 36 else {"GPU-0": 41.5})


@pytest.mark.parametrize(
    "line", ["x,nvml,GPU-0,temperature_c,1\n", "1,nvml,GPU-0,temperature_c,hot\n", "1,nvml,GPU-0,temperature_c,nan\n"]
)
def test_a_reading_that_is_no_number_is_passed_over(tmp_path: Path, line: str) -> None:
    spool = tmp_path / "telemetry.csv"
    spool.write_text(line + "2,nvml,GPU-0,temperature_c,50\n")
    assert list(gate.readings(spool, offset=0, metric="temperature_c")) == [(2.0, "GPU-0", 50.0)]

"""The parent's hand on real worker processes, forked and spawned, that run a third party's workloads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aigc_bench.core.records import Case
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.launcher import Launcher, Outcome, signal_name
from aigc_bench.measure.protocol import TrialRequest, decode, encode
from aigc_bench.measure.stopping import LEVELS
from tests.extensions import FOLDER

RULE = replace(LEVELS["quick"], warmup_min_s=0.05, warmup_cap_s=0.2, window_min_s=0.2, window_cap_s=0.3)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        launcher = Launcher(imports=(), log=tmp_path_factory.mktemp("logs") / "server.log")
        yield launcher
        launcher.close()


def run(
    launcher: Launcher, *, preset: str, workload: str = "misbehaving", is_forked: bool = True, timeout_s: float = 60
) -> Outcome:
    case = Case(workload=workload, preset=preset, mode="infer", threads=1, timeout_s=timeout_s)
    request = TrialRequest(case=case, trial=0, rule=RULE, clock=Clock.start())
    return launcher.run(request, is_forked=is_forked, on_started=lambda pid: None, on_stage=lambda stage: None)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("is_forked", [True, False])
def test_a_trial_comes_back_with_its_result(launcher: Launcher, is_forked: bool) -> None:
    outcome = run(launcher, workload="known_rate", preset="sleep", is_forked=is_forked)
    assert outcome.kind == "result"
    assert outcome.trial is not None and outcome.trial.status == "ok"
    assert outcome.trial.pid == outcome.pid != os.getpid()


def test_an_error_is_a_result_with_its_words_and_the_next_trial_starts(launcher: Launcher) -> None:
    trial = run(launcher, preset="raise").trial
    assert trial is not None and trial.error is not None
    assert trial.status == "error"
    assert (trial.error.kind, trial.error.message) == ("ValueError", "the model does not like this shape <b>at all</b>")
    assert "misbehaving.py" in trial.error.detail
    assert run(launcher, workload="known_rate", preset="sleep").kind == "result"


def test_exhausted_memory_is_a_result_of_its_own(launcher: Launcher) -> None:
    trial = run(launcher, preset="exhaust").trial
    assert trial is not None
    assert trial.status == "oom"


@pytest.mark.parametrize("is_forked", [True, False])
def test_a_measurement_outlives_a_check_that_dies(launcher: Launcher, is_forked: bool) -> None:
    outcome = run(launcher, preset="die-in-check", is_forked=is_forked)
    assert outcome.kind == "result"
    assert outcome.trial is not None and outcome.trial.status == "ok" and outcome.trial.window is not None
    quality = outcome.trial.quality
    assert quality is not None and quality.passed is None and "SIGKILL" in quality.note


def test_a_check_that_hangs_has_a_time_of_its_own_and_loses_nothing(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aigc_bench.measure.launcher.GATE_S", 1.0)
    outcome = run(launcher, preset="hang-in-check", timeout_s=2)
    assert outcome.trial is not None and outcome.trial.window is not None
    quality = outcome.trial.quality
    assert quality is not None and quality.passed is None and "more than 1 s" in quality.note
    assert outcome.pid is not None and not is_alive(outcome.pid)


@pytest.mark.parametrize("is_forked", [True, False])
def test_a_trial_past_its_time_is_killed_and_leaves_no_process(launcher: Launcher, is_forked: bool) -> None:
    outcome = run(launcher, preset="hang", timeout_s=6 if not is_forked else 2, is_forked=is_forked)
    assert outcome.kind == "timeout"
    assert outcome.pid is not None and not is_alive(outcome.pid)


@pytest.mark.parametrize("is_forked", [True, False])
def test_a_killed_worker_is_distinguished_and_the_next_trial_starts(launcher: Launcher, is_forked: bool) -> None:
    outcome = run(launcher, preset="die", is_forked=is_forked)
    assert (outcome.kind, outcome.exit_code) == ("died", -signal.SIGKILL)
    assert run(launcher, preset="raise", is_forked=is_forked).kind == "result"


def test_a_killed_fork_server_takes_its_worker_along_and_is_replaced(launcher: Launcher) -> None:
    pids: list[int] = []

    def kill_server(worker: int) -> None:
        server = int(Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[1])
        pids.extend((worker, server))
        os.kill(server, signal.SIGKILL)

    case = Case(workload="misbehaving", preset="hang", mode="infer")
    request = TrialRequest(case=case, trial=0, rule=RULE, clock=Clock.start())
    outcome = launcher.run(request, is_forked=True, on_started=kill_server, on_stage=lambda stage: None)
    assert outcome.kind == "died"
    deadline = time.monotonic() + 60
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, pids))
    assert run(launcher, preset="raise").kind == "result"


def test_the_number_of_a_forked_worker_is_known_before_the_worker_does_anything(tmp_path: Path) -> None:
    """A worker that is stopped right after the fork is in no bond with its server yet: only its number can end it."""
    words = [sys.executable, "-m", "aigc_bench.measure.fork_server", str(os.getpid())]
    environment = {**os.environ, "PYTHONPATH": f"{FOLDER}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    case = Case(workload="misbehaving", preset="raise", mode="infer")
    request = TrialRequest(case=case, trial=0, rule=RULE, clock=Clock.start())
    lines = encode({"imports": [], "search": []}) + request.model_dump_json().encode() + b"\n"
    done = subprocess.run(words, input=lines, capture_output=True, env=environment, timeout=300, check=True)
    events = [message for line in done.stdout.splitlines() if (message := decode(line)) is not None]
    assert [event["event"] for event in events[:3]] == ["ready", "forked", "started"]
    assert events[1]["pid"] == events[2]["pid"]


def test_half_a_line_of_a_killed_process_is_passed_over() -> None:
    assert decode(b'{"event": "resu') is None
    assert decode(b"noise") is None
    assert decode(b"[1]") is None
    assert decode(encode({"event": "exit", "code": 0})) == {"event": "exit", "code": 0}


def test_a_signal_is_named() -> None:
    assert signal_name(-9) == "signal 9 (SIGKILL)"
    assert signal_name(1) == "exit code 1"
    assert signal_name(None) == "no exit code"

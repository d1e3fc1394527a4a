"""Data parallelism, for real: two processes, gloo, DistributedDataParallel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from aigc_bench.core.records import Case, Mode, TrialResult
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.launcher import Launcher
from aigc_bench.measure.protocol import TrialRequest
from aigc_bench.measure.stopping import LEVELS
from tests.extensions import FOLDER

RULE = replace(LEVELS["quick"], warmup_min_s=0.05, warmup_cap_s=0.2, window_min_s=0.2, window_cap_s=0.4)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        launcher = Launcher(imports=(), log=tmp_path_factory.mktemp("logs") / "server.log")
        yield launcher
        launcher.close()


def run(launcher: Launcher, case: Case) -> TrialResult:
    request = TrialRequest(case=case, trial=0, rule=RULE, clock=Clock.start())
    outcome = launcher.run(request, is_forked=True, on_started=lambda pid: None, on_stage=lambda stage: None)
    assert outcome.trial is not None
    return outcome.trial


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_two_devices_finish_twice_the_items_in_a_step(launcher: Launcher, mode: Mode) -> None:
    case = Case(workload="dcgan", preset="tiny", mode=mode, batch_size=2, backend="cpu_pair", devices=2, threads=1, timeout_s=120)
    trial = run(launcher, case)
    assert trial.status == "ok", trial.error
    assert trial.work is not None and trial.window is not None and trial.steps is not None
    assert trial.work.items_per_step == 4
    assert trial.window.stop_reason == "step_cap"
    assert len(trial.steps.duration_s) == trial.window.num_steps


def test_more_devices_than_there_are_is_unsupported_with_the_reason(launcher: Launcher) -> None:
    trial = run(launcher, Case(workload="dcgan", preset="tiny", mode="infer", backend="cpu_pair", devices=3))
    assert trial.status == "unsupported"
    assert trial.error is not None and "there are 2" in trial.error.message


def test_a_failing_rank_does_not_hang_the_trial(launcher: Launcher) -> None:
    case = Case(workload="misbehaving", preset="raise", mode="infer", backend="cpu_pair", devices=2, timeout_s=300)
    assert run(launcher, case).status == "error"


@pytest.mark.parametrize(
    ("preset", "status", "phrase"),
    [
        ("rank-1-dies", "error", "rank 1 ended with signal 9 while 'building'"),
        ("rank-1-exhausts", "oom", "rank 1: "),
    ],
)
def test_a_rank_that_fails_ends_the_trial_with_its_own_status_and_reason(
    launcher: Launcher, preset: str, status: str, phrase: str
) -> None:
    """Nothing would end it otherwise before the case's timeout: rank 0 waits for the other in a collective."""
    trial = run(launcher, Case(workload="misbehaving", preset=preset, mode="infer", backend="cpu_pair", devices=2, timeout_s=600))
    assert trial.status == status
    assert trial.error is not None and phrase in trial.error.message
    assert trial.finished_s - trial.started_s < 300, "well before the timeout"


def test_a_rank_that_does_not_follow_is_named_with_the_stage_it_is_in(launcher: Launcher) -> None:
    case = Case(workload="misbehaving", preset="rank-1-hangs", mode="infer", backend="cpu_pair", devices=2, timeout_s=600)
    trial = run(launcher, case)
    assert trial.status == "timeout"
    assert trial.error is not None and "rank 1 does not follow: still 'building'" in trial.error.message
    assert trial.finished_s - trial.started_s < 400

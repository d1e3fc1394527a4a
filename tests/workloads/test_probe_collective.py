"""The all-reduce probe, for real over two processes of the CPU that poses as two devices."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from aigc_bench.core.records import Case, Precision, TrialResult
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.launcher import Launcher
from aigc_bench.measure.protocol import TrialRequest
from aigc_bench.measure.stopping import LEVELS
from aigc_bench.workloads.base import Setup
from aigc_bench.workloads.probe_collective import workload
from tests.extensions import FOLDER

RULE = replace(LEVELS["quick"], warmup_min_s=0.05, warmup_cap_s=0.2, window_min_s=0.2, window_cap_s=0.4)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        launcher = Launcher(imports=(), log=tmp_path_factory.mktemp("logs") / "server.log")
        yield launcher
        launcher.close()


def case(preset: str, *, devices: int = 2) -> Case:
    return Case(
        workload="probe_collective", preset=preset, mode="infer", backend="cpu_pair", devices=devices, threads=1, timeout_s=120
    )


def run(launcher: Launcher, probe_case: Case) -> TrialResult:
    request = TrialRequest(case=probe_case, trial=0, rule=RULE, clock=Clock.start())
    outcome = launcher.run(request, is_forked=True, on_started=lambda pid: None, on_stage=lambda stage: None)
    assert outcome.trial is not None, outcome
    return outcome.trial


def test_two_devices_exchange_their_messages(launcher: Launcher, make_setup: Callable[..., Setup]) -> None:
    """What rank 0 holds in the end is not what it began with, since the other rank's values are greater in half the places."""
    trial = run(launcher, case("all-reduce-64k"))
    assert trial.status == "ok", trial.error
    assert trial.work is not None and trial.window is not None
    assert trial.work.items_per_step == 2 * 65536
    assert trial.window.num_steps >= LEVELS["quick"].window_min_steps
    alone = workload.build(case("all-reduce-64k"), make_setup(case("all-reduce-64k")))
    assert trial.check["finite"] is True
    assert trial.check["mean_square"] != pytest.approx(alone.check()["mean_square"], abs=1e-6)


def test_one_device_has_no_peer_to_reduce_with() -> None:
    assert "devices >= 2" in (workload.unsupported(case("all-reduce-4k", devices=1)) or "")
    assert workload.unsupported(case("all-reduce-4k")) is None


@pytest.mark.parametrize("preset", workload.presets)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_message_has_the_size_its_preset_names_in_every_precision(preset: str, precision: Precision) -> None:
    probe_case = case(preset).model_copy(update={"precision": precision, "batch_size": 3})
    digits, unit = re.findall(r"(\d+)([km])", preset)[0]
    (stage,) = workload.stages(probe_case)
    assert (stage.repeats, stage.items) == (3, int(digits) * {"k": 2**10, "m": 2**20}[unit])

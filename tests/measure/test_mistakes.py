"""Mistakes seen in the field's harnesses that a runner can make, each as a test that fails if it is made here; and their map."""

from __future__ import annotations

import ast
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aigc_bench.accelerators.cpu import CpuBackend
from aigc_bench.core.records import Case, Stage, TrialResult
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.launcher import Launcher
from aigc_bench.measure.protocol import TrialRequest
from aigc_bench.measure.window import measure, plan_window, warm_up
from aigc_bench.workloads.base import Program
from tests.extensions import FOLDER
from tests.measure.test_launcher import RULE

ROOT = Path(__file__).resolve().parents[2]
BALLOON_BYTES = 256 << 20


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        launcher = Launcher(imports=(), log=tmp_path_factory.mktemp("logs") / "server.log")
        yield launcher
        launcher.close()


def trial(launcher: Launcher, *, workload: str, preset: str) -> TrialResult:
    case = Case(workload=workload, preset=preset, mode="infer", threads=1, timeout_s=300)
    request = TrialRequest(case=case, trial=0, rule=RULE, clock=Clock.start())
    found = launcher.run(request, is_forked=True, on_started=lambda pid: None, on_stage=lambda stage: None).trial
    assert found is not None and found.status == "ok", found
    return found


def test_peak_memory_read_after_the_run(launcher: Launcher) -> None:
    """Memory that a step took and gave back counts; what another trial took before, from the same fork server, does not."""
    peaks = [
        trial(launcher, workload=workload, preset=preset).memory
        for workload, preset in (("known_rate", "sleep"), ("misbehaving", "balloon"), ("known_rate", "sleep"))
    ]
    calm, balloon, later = (memory.host_peak_bytes if memory else None for memory in peaks)
    assert calm is not None and balloon is not None and later is not None
    assert balloon - calm > 0.9 * BALLOON_BYTES
    assert later - calm < 0.1 * BALLOON_BYTES


def test_a_launcher_that_waits_busily(launcher: Launcher) -> None:
    """While a trial runs, its parent and the fork server sleep."""
    trial(launcher, workload="known_rate", preset="sleep")
    me = psutil.Process()
    living = [child for child in me.children() if child.status() != psutil.STATUS_ZOMBIE]
    others = [child for child in living if "fork_server" in " ".join(child.cmdline())]
    assert others
    before_s = [sum(process.cpu_times()[:2]) for process in (me, *others)]
    start_s = time.monotonic()
    found = trial(launcher, workload="known_rate", preset="sleep")
    used_s = [sum(process.cpu_times()[:2]) - before for process, before in zip((me, *others), before_s, strict=True)]
    assert found.window is not None and found.window.wall_s > 0.15
    assert max(used_s) < 0.2 * (time.monotonic() - start_s)


def test_warm_up_of_another_shape() -> None:
    """Everything that the window runs, every repeat of every stage, the warm-up has run as often."""
    runs: list[tuple[str, int]] = []

    def stage(name: str) -> None:
        def run(repeat: int) -> None:
            runs.append((name, repeat))
            time.sleep(0.002)

        program_stages[name] = run

    program_stages: dict[str, object] = {}
    stages = (Stage(name="prefill"), Stage(name="decode", repeats=100, items=1))
    for one in stages:
        stage(one.name)
    program = Program(begin=lambda step: None, stages=program_stages, modules=())  # type: ignore[arg-type]
    warmup = warm_up(program, stages, CpuBackend(), rule=RULE)
    warmed, num = set(runs), len(runs)
    measure(program, stages, CpuBackend(), plan=plan_window(warmup, rule=RULE, scenario="offline"), clock=Clock.start())
    assert num == 101 * warmup.num_steps
    assert set(runs[num:]) == warmed


def rows_of_the_map() -> list[tuple[str, list[str]]]:
    """(mistake, the tests named) of each row in docs/method.md."""
    table = (ROOT / "docs" / "method.md").read_text().split("<!-- mistakes -->")[1].split("<!-- /mistakes -->")[0]
    rows = [line.strip().strip("|").split("|") for line in table.strip().splitlines()[2:]]
    return [(row[0].strip(), re.findall(r"`(tests/[^`]+)`", row[1])) for row in rows]


def test_every_mistake_in_the_documentation_has_a_test_that_exists() -> None:
    rows = rows_of_the_map()
    assert len(rows) == 21
    for mistake, tests in rows:
        assert tests, mistake
        for test in tests:
            file, _, name = test.partition("::")
            functions = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)}
            assert name in functions, test

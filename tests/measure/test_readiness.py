"""A torch that cannot use the GPU: said once, before anything is measured, with the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.measure.readiness import Readiness
from aigc_bench.measure.torch_survey import SurveyedBackend
from tests.analyze.synthetic import make_case
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.measure.bench import KNOWN_RATE, Bench, trials

CUDA_CASE = '[[case]]\nworkload = "vae"\npreset = "mlp-784-400-20"\nmode = "infer"\nbackend = "cuda"\nbatch_size = {sizes}\n'
NO_CUDA = SurveyedBackend(absence="this torch is built without CUDA", remedy="Install the build that matches the driver.")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A machine with an A100 whose torch is whatever is installed here: on the machines of this suite, one for the CPU."""
    return Bench(folder=tmp_path, env=FakeNvml.build(tmp_path, FakeGpu()).env)


def test_a_run_whose_cases_all_need_an_absent_device_is_refused_once_and_leaves_nothing_behind(bench: Bench) -> None:
    profile = bench.profile(CUDA_CASE.format(sizes="[1, 2, 4, 8]"))
    done = bench("run", "--profile", profile, "--out", bench.folder / "out")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "torch can use no device that these cases need (cuda: torch" in line and "Install" in line
    assert not (bench.folder / "out").exists()


def test_a_dry_run_says_it_too_and_still_lists_the_cases(bench: Bench) -> None:
    profile = bench.profile(CUDA_CASE.format(sizes="[1, 2]"))
    done = bench("run", "--profile", profile, "--dry-run")
    assert done.returncode == 0
    assert done.stderr.count("nothing can be measured on cuda: torch") == 1
    assert "2 cases" in done.stdout
    found = json.loads(bench("run", "--profile", profile, "--dry-run", "--json").stdout)
    assert len(found["problems"]) == 1


def test_of_a_mixed_run_the_cases_of_the_absent_device_fail_without_a_process_each(bench: Bench) -> None:
    profile = bench.profile(CUDA_CASE.format(sizes="[1, 2]"), KNOWN_RATE)
    done = bench("run", "--profile", profile, "--out", bench.folder / "out")
    assert done.returncode == 3, done.stderr
    found = trials(bench.folder / "out")
    failed = [trial for trial in found if trial["status"] == "unsupported"]
    assert len(failed) == 2 and {trial["pid"] for trial in failed} == {None}
    assert all("torch" in trial["error"]["message"] for trial in failed)
    assert any(trial["status"] == "ok" for trial in found)


def test_nothing_is_asked_where_all_cases_run_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a process was started"))
    assert Readiness.of([make_case(backend="cpu")]) == Readiness()


def test_one_backend_that_is_there_lets_the_run_begin() -> None:
    ready = Readiness(absent={"cuda": NO_CUDA})
    ready.require_any([make_case(backend="cuda"), make_case(backend="cpu")])
    with pytest.raises(AigcBenchError, match="cuda: this torch is built without CUDA") as refusal:
        ready.require_any([make_case(backend="cuda")])
    assert refusal.value.hint == NO_CUDA.remedy

"""The reference kernel, and that it is timed around the window and never inside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from aigc_bench.measure.reference import NUM_REPEATS, timed_kernel
from tests.measure.bench import KNOWN_RATE, Bench, trials


def test_the_kernel_runs_on_one_thread_and_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        times = timed_kernel()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert len(times) == NUM_REPEATS
    assert all(duration_s > 0 for duration_s in times)


def test_the_kernel_draws_nothing_from_the_cases_seed() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    timed_kernel()
    assert torch.equal(torch.rand(3), expected)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Bench(folder=tmp_path_factory.mktemp("reference"))
    outcome = bench.here("run", "--profile", bench.profile(KNOWN_RATE), "--out", bench.folder / "run")
    assert outcome.returncode == 0, outcome.stderr
    return bench.folder / "run"


def test_every_cpu_trial_carries_the_kernels_times_from_before_and_after_its_window(run: Path) -> None:
    for trial in trials(run):
        assert len(trial["reference"]["before_s"]) == len(trial["reference"]["after_s"]) == NUM_REPEATS


def test_the_windows_cpu_time_has_none_of_the_kernel(run: Path) -> None:
    """The steps of this workload sleep, so that whatever computes in the window shows."""
    for trial in trials(run):
        spent_s = sum(trial["reference"]["before_s"]) + sum(trial["reference"]["after_s"])
        assert trial["host"]["cpu_s"] < 0.5 * spent_s, json.dumps(trial["window"])

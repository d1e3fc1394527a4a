"""Whole runs through the command line, with a third party's workloads: rates, failures, kills, resume."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from tests.measure.bench import KNOWN_RATE, Bench, misbehaving, trials


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path)


def descendants_of(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until(condition: Any, *, timeout_s: float = 900) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def gone(processes: Iterable[psutil.Process]) -> bool:
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


def test_a_known_rate_is_reported_within_half_a_per_cent(bench: Bench, tmp_path: Path) -> None:
    run = tmp_path / "out"
    done = bench("run", "--profile", bench.profile(KNOWN_RATE), "--out", run)
    assert done.returncode == 0, done.stderr
    assert (run / "report.html").stat().st_size > 1_000_000
    found = {row["metric"]: row for row in bench.rows(run)}
    windows = [trial["window"] for trial in trials(run)]
    rates = [50 * window["num_steps"] / window["wall_s"] for window in windows]
    assert found["throughput"]["value"] == pytest.approx(median(rates), rel=0.005)
    assert found["throughput"]["value"] <= 500 * 1.005, "a busy machine may hold the workload up; it is never faster than it is"
    assert found["throughput"]["unit"] == "items/s"
    assert found["throughput"]["basis"] == "measured"
    assert found["throughput"]["low"] <= found["throughput"]["value"] <= found["throughput"]["high"]


def test_cases_that_fail_are_data_and_the_others_are_fine(bench: Bench, tmp_path: Path) -> None:
    run = tmp_path / "out"
    cases = (misbehaving("raise"), misbehaving("exhaust"), misbehaving("hang", timeout_s=3.0), misbehaving("die-once"), KNOWN_RATE)
    done = bench.here("run", "--profile", bench.profile(*cases), "--out", run)
    assert done.returncode == 3, done.stderr
    status = {trial["case"].split("/")[1]: trial for trial in trials(run)}
    assert {name: trial["status"] for name, trial in status.items()} == {
        "raise": "error",
        "exhaust": "oom",
        "hang": "timeout",
        "die-once": "ok",
        "sleep": "ok",
    }
    repeated = [trial for trial in trials(run) if trial["attempt"] == 2]
    assert [trial["case"].split("/")[1] for trial in repeated] == ["die-once"]
    assert "signal 9" in repeated[0]["notes"][0]
    page = (run / "report.html").read_text()
    assert "the model does not like this shape" in page
    assert "<b>at all</b>" not in page
    assert "not finished within 3" in page
    assert len([row for row in bench.rows(run) if row["metric"] == "throughput"]) == 2


@pytest.mark.parametrize("victim", ["parent", "worker", "sampler"])
def test_a_kill_loses_no_finished_trial_and_resume_completes_the_rest(bench: Bench, tmp_path: Path, victim: str) -> None:
    run = tmp_path / "out"
    words = ("run", "--profile", bench.profile(KNOWN_RATE, misbehaving("die-once")), "--out", run)
    bench.marker.touch()
    process = bench.start(*words)
    wait_until(lambda: len(trials(run)) >= 2)
    family = descendants_of(process.pid)
    before = trials(run)
    if victim == "parent":
        process.kill()
    else:
        word = {"worker": "fork_server", "sampler": "measure.sampler"}[victim]
        chosen = [p for p in family if word in " ".join(p.cmdline())]
        os.kill(chosen[-1].pid, signal.SIGKILL)
    process.communicate(timeout=900)
    wait_until(lambda: gone(family), timeout_s=300)
    assert trials(run)[: len(before)] == before

    resumed = bench.here("run", "--resume", run)
    assert resumed.returncode == 0, resumed.stderr
    assert Counter((trial["case"], trial["trial"]) for trial in trials(run)).most_common(1)[0][1] == 1
    assert len(trials(run)) == 6
    assert trials(run)[: len(before)] == before
    assert (run / "report.html").exists()


def test_ctrl_c_ends_cleanly_with_what_is_finished(bench: Bench, tmp_path: Path) -> None:
    run = tmp_path / "out"
    words = ("run", "--profile", bench.profile(KNOWN_RATE), "--out", run)
    process = bench.start(*words)
    wait_until(lambda: len(trials(run)) >= 1)
    family = descendants_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_until(lambda: gone(family), timeout_s=300)
    assert json.loads((run / "run.json").read_text())["interrupted"] is True
    assert (run / "telemetry.parquet").exists()
    assert bench.here("show", run).returncode == 0


def test_a_run_that_is_under_way_cannot_be_resumed_at_the_same_time(bench: Bench, tmp_path: Path) -> None:
    run = tmp_path / "out"
    words = ("run", "--profile", bench.profile(KNOWN_RATE), "--out", run)
    process = bench.start(*words)
    wait_until((run / "run.json").exists)
    second = bench("run", "--resume", run)
    process.kill()
    process.wait()
    assert second.returncode == 1
    assert "in progress" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def test_a_directory_that_is_there_already_is_not_written_into(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    done = bench.here("run", "--profile", "smoke", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]

"""Whole runs through the command line, with a third party's workloads: rates, failures, kills, resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.extensions import FOLDER

HEADER = """
name = "test"
title = "Test"
expects = "any"
level = "quick"
[defaults]
backend = "cpu"
timeout_s = 60.0
threads = 1
"""
KNOWN_RATE = '[[case]]\nworkload = "known_rate"\npreset = "sleep"\nmode = "infer"\n'


def environment(tmp_path: Path) -> dict[str, str]:
    marker = {"AIGC_BENCH_TEST_MARKER": str(tmp_path / "marker")}
    return {**os.environ, "PYTHONPATH": str(FOLDER), "XDG_CONFIG_HOME": str(tmp_path / "config"), **marker}


def profile(tmp_path: Path, *cases: str) -> Path:
    file = tmp_path / "test.toml"
    file.write_text(HEADER + "\n".join(cases))
    return file


def misbehaving(preset: str, **extra: Any) -> str:
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in extra.items())
    return f'[[case]]\nworkload = "misbehaving"\npreset = "{preset}"\nmode = "infer"\n{more}'


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "aigc_bench", *map(str, words)]


def bench(tmp_path: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )


def rows(tmp_path: Path, run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(bench(tmp_path, "show", run, "--json").stdout)
    return found


def trials(run: Path) -> list[dict[str, Any]]:
    file = run / "results.jsonl"
    return [json.loads(line) for line in file.read_bytes().splitlines() if line.endswith(b"}")] if file.exists() else []


def descendants_of(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until(condition: Any, *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def gone(processes: Iterable[psutil.Process]) -> bool:
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


def test_a_known_rate_is_reported_within_half_a_per_cent(tmp_path: Path) -> None:
    run = tmp_path / "out"
    done = bench(tmp_path, "run", "--profile", profile(tmp_path, KNOWN_RATE), "--out", run)
    assert done.returncode == 0, done.stderr
    assert (run / "report.html").stat().st_size > 1_000_000
    found = {row["metric"]: row for row in rows(tmp_path, run)}
    assert found["throughput"]["value"] == pytest.approx(500, rel=0.005)
    assert found["throughput"]["unit"] == "items/s"
    assert found["throughput"]["basis"] == "measured"
    assert found["throughput"]["low"] <= found["throughput"]["value"] <= found["throughput"]["high"]


def test_cases_that_fail_are_data_and_the_others_are_fine(tmp_path: Path) -> None:
    run = tmp_path / "out"
    cases = (misbehaving("raise"), misbehaving("exhaust"), misbehaving("hang", timeout_s=3.0), misbehaving("die-once"), KNOWN_RATE)
    done = bench(tmp_path, "run", "--profile", profile(tmp_path, *cases), "--out", run)
    assert done.returncode == 3, done.stderr
    status = {trial["case"].split("/")[1]: trial for trial in trials(run)}
    assert {name: trial["status"] for name, trial in status.items()} == {
        "raise": "error",
        "exhaust": "oom",
        "hang": "timeout",
        "die-once": "ok",
        "sleep": "ok",
    }
    assert "attempt" in status["die-once"]
    page = (run / "report.html").read_text()
    assert "the model does not like this shape" in page
    assert "<b>at all</b>" not in page
    assert "not finished within 3" in page
    assert len([row for row in rows(tmp_path, run) if row["metric"] == "throughput"]) == 2


@pytest.mark.parametrize("victim", ["parent", "worker", "sampler"])
def test_a_kill_loses_no_finished_trial_and_resume_completes_the_rest(tmp_path: Path, victim: str) -> None:
    run = tmp_path / "out"
    words = command("run", "--profile", profile(tmp_path, KNOWN_RATE, misbehaving("die-once")), "--out", run)
    (tmp_path / "marker").touch()
    process = subprocess.Popen(words, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: len(trials(run)) >= 2)
    family = descendants_of(process.pid)
    before = trials(run)
    if victim == "parent":
        process.kill()
    else:
        word = {"worker": "fork_server", "sampler": "measure.sampler"}[victim]
        chosen = [p for p in family if word in " ".join(p.cmdline())]
        os.kill(chosen[-1].pid, signal.SIGKILL)
    process.communicate(timeout=120)
    wait_until(lambda: gone(family), timeout_s=5)
    assert trials(run)[: len(before)] == before

    resumed = bench(tmp_path, "run", "--resume", run)
    assert resumed.returncode == 0, resumed.stderr
    assert Counter((trial["case"], trial["trial"]) for trial in trials(run)).most_common(1)[0][1] == 1
    assert len(trials(run)) == 6
    assert trials(run)[: len(before)] == before
    assert (run / "report.html").exists()


def test_ctrl_c_ends_cleanly_with_what_is_finished(tmp_path: Path) -> None:
    run = tmp_path / "out"
    words = command("run", "--profile", profile(tmp_path, KNOWN_RATE), "--out", run)
    process = subprocess.Popen(
        words, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: len(trials(run)) >= 1)
    family = descendants_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_until(lambda: gone(family), timeout_s=5)
    assert json.loads((run / "run.json").read_text())["interrupted"] is True
    assert (run / "telemetry.parquet").exists()
    assert bench(tmp_path, "show", run).returncode == 0


def test_a_run_that_is_under_way_cannot_be_resumed_beside_it(tmp_path: Path) -> None:
    run = tmp_path / "out"
    words = command("run", "--profile", profile(tmp_path, KNOWN_RATE), "--out", run)
    process = subprocess.Popen(words, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until((run / "run.json").exists)
    second = bench(tmp_path, "run", "--resume", run)
    process.kill()
    process.wait()
    assert second.returncode == 1
    assert "under way" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def test_a_directory_that_is_there_already_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    done = bench(tmp_path, "run", "--profile", profile(tmp_path, KNOWN_RATE), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]

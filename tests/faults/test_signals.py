"""Signals to every process of a run, at random moments of a seed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.processes import Role, pid_of, wait_for
from tests.faults.survivor import NUM_TRIALS, Survivor, finish
from tests.measure.bench import KNOWN_RATE, misbehaving, trials

Seen = Callable[[str], None]
fault = pytest.mark.fault
CHILDREN: tuple[Role, ...] = ("worker", "fork server", "sampler")


def moment(seed: int) -> None:
    """Wait for a random moment of a trial."""
    time.sleep(random.Random(seed).uniform(0.0, 1.5))


@fault("SIGKILL of the parent", expected="its processes die with it; finished trials kept; `--resume` completes the run")
def test_kill_the_parent(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    moment(1)
    process.kill()
    process.communicate()
    seen(survivor.check_readable(kept=kept))
    assert survivor.resume().returncode == 0
    seen(f"resumed: {survivor.check_whole()}")
    assert trials(survivor.run)[: len(kept)] == kept


ENDINGS = [
    pytest.param(number, marks=fault(f"{number.name} of the parent", expected="the run is closed with its report; exit 130"))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
]


@pytest.mark.parametrize("number", ENDINGS)
def test_end_the_parent(tmp_path: Path, seen: Seen, number: signal.Signals) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    moment(number)
    process.send_signal(number)
    code, errors = finish(process)
    assert code == 130
    assert "interrupted" in errors
    seen("exit 130")
    check_closed(survivor)
    assert (survivor.run / "report.html").is_file()
    seen(survivor.check_readable(kept=kept))


def check_closed(survivor: Survivor) -> None:
    info = json.loads((survivor.run / "run.json").read_text())
    assert info["interrupted"] is True and info["finished_s"] is not None
    assert (survivor.run / "telemetry.parquet").is_file()
    assert not (survivor.run / "telemetry.csv").exists()


@fault("SIGINT, then SIGTERM", expected="the run is closed all the same, without a report; exit 130")
def test_two_interrupts(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # another one: two that are alike may reach a busy process as one
    code, _ = finish(process)
    assert code == 130
    check_closed(survivor)
    assert not (survivor.run / "report.html").exists()
    seen(f"exit 130; {survivor.check_readable(kept=kept)}")


@fault("SIGINT, SIGTERM and SIGHUP in a row", expected="the program ends where it is; the run is readable; exit 130")
def test_three_interrupts(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    code, _ = finish(process)
    assert code == 130
    seen(f"exit 130; {survivor.check_readable(kept=kept)}")
    assert survivor.resume().returncode == 0
    seen(f"resumed: {survivor.check_whole()}")


DEATHS = [
    pytest.param(
        number,
        marks=fault(
            f"{number.name} of the worker, the fork server and the sampler, one after the other",
            expected="the trial of a killed worker is run once more and says so; the sampler is started again and counted; exit 0",
        ),
    )
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
]


@pytest.mark.parametrize("number", DEATHS)
def test_kill_the_children(tmp_path: Path, seen: Seen, number: signal.Signals) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    for count, role in enumerate(random.Random(number).sample(CHILDREN, len(CHILDREN))):
        survivor.wait_for_trials(count)
        wait_for("worker", survivor.mark)
        time.sleep(0.3)
        os.kill(wait_for(role, survivor.mark), number)
    code, errors = finish(process)
    assert code == 0, errors
    repeated = [trial for trial in trials(survivor.run) if trial["attempt"] == 2]
    assert len(repeated) == 2
    assert all(f"its process ended with signal {number.value}" in trial["notes"][0] for trial in repeated)
    assert json.loads((survivor.run / "run.json").read_text())["sampler"]["restarts"] == 1
    seen(f"exit 0; {survivor.check_whole()}; 2 in a second attempt; 1 restart of the sampler")
    assert "telemetry_lost" in survivor.reasons()


@fault("SIGINT of the worker, the fork server and the sampler", expected="Ctrl-C is the parent's business: nothing happens")
def test_interrupt_the_children(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    wait_for("worker", survivor.mark)
    time.sleep(0.3)
    for role in CHILDREN:
        pid = pid_of(role, survivor.mark)
        if pid is not None:
            os.kill(pid, signal.SIGINT)
    code, errors = finish(process)
    assert code == 0, errors
    assert {trial["attempt"] for trial in trials(survivor.run)} == {1}
    seen(f"exit 0; {survivor.check_whole()}, all in their first attempt")


def stopped(pid: int, *, duration_s: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(duration_s)
    os.kill(pid, signal.SIGCONT)


@fault("SIGSTOP of the parent for 2 s, then SIGCONT", expected="the trial in progress is not disturbed; exit 0")
def test_stop_the_parent(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    survivor.wait_for_trials(1)
    stopped(process.pid, duration_s=2.0)
    code, errors = finish(process)
    assert code == 0, errors
    seen(f"exit 0; {survivor.check_whole()}")


@fault("SIGSTOP of the worker for 1 s in its window, then SIGCONT", expected="the verdict is suspect or invalid, never valid")
def test_stop_the_worker(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    for count in range(NUM_TRIALS):
        survivor.wait_for_trials(count)
        pid = wait_for("worker", survivor.mark)
        time.sleep(1.0)
        stopped(pid, duration_s=1.0)
    code, errors = finish(process)
    assert code == 0, errors
    survivor.check_whole()
    throughput = next(row for row in survivor.rows() if row["metric"] == "throughput")
    assert throughput["verdict"] in ("suspect", "invalid")
    seen("suspect or invalid; every trial kept")


@fault("SIGSTOP of the worker for ever", expected="the trial ends at its timeout_s and is killed; exit 3")
def test_stop_the_worker_for_ever(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start(misbehaving("hang", timeout_s=5.0))
    os.kill(wait_for("worker", survivor.mark), signal.SIGSTOP)
    code, errors = finish(process)
    assert code == 3, errors
    assert {trial["status"] for trial in trials(survivor.run)} == {"timeout"}
    seen(f"exit 3, status timeout; {survivor.check_readable()}")


@fault("SIGSTOP of the sampler for 3 s, then SIGCONT", expected="the gap is named in the verdicts; trials go on; exit 0")
def test_stop_the_sampler(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start(KNOWN_RATE)
    wait_for("worker", survivor.mark)
    time.sleep(0.8)
    stopped(wait_for("sampler", survivor.mark), duration_s=3.0)
    code, errors = finish(process)
    assert code == 0, errors
    seen(f"exit 0; {survivor.check_whole()}")
    assert "telemetry_lost" in survivor.reasons()

"""The search for the largest batch: its logic on arithmetic, and one whole search through the command line."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Case, TrialResult
from aigc_bench.measure.find import FINE, LARGEST, BatchSearch, Bisection, available_bytes, straight_line
from tests.analyze.synthetic import make_case, make_trial, make_work
from tests.measure.bench import KNOWN_RATE, Bench, trials

GB = 10**9


@given(st.integers(min_value=0, max_value=LARGEST - 1))
def test_the_largest_that_fits_is_found_within_a_sixteenth(largest: int) -> None:
    search = Bisection()
    asked = []
    while (value := search.next()) is not None:
        asked.append(value)
        search.record(value, fits=value <= largest)
    assert search.low <= largest
    assert largest - search.low <= search.low / FINE
    assert len(asked) == len(set(asked)) <= 24


def test_an_endless_search_ends() -> None:
    search = Bisection()
    while (value := search.next()) is not None:
        search.record(value, fits=True)
    assert search.low == LARGEST


def trial(case: Case, *, step_s: float, peak: int = 0) -> TrialResult:
    made = make_trial(case, trial=0, started_s=0.0, step_s=[step_s] * 5, work=make_work(case), devices=("host",))
    return made.model_copy(update={"memory": made.memory.model_copy(update={"host_peak_bytes": peak or None})})


def searched(
    case: Case, *, available: int = 100 * GB, max_latency_s: float | None = None, predicted: int = 0
) -> tuple[BatchSearch, list[int]]:
    """Every step takes 10 ms an item, every trial 1 GB and 1 GB an item."""
    search = BatchSearch(
        [case], max_latency_s=max_latency_s, predict_bytes=lambda c: predicted * c.batch_size, available=lambda: available
    )
    finished: list[TrialResult] = []
    tried = []
    while more := search.grow(finished):
        tried += [one.batch_size for one in more]
        finished += [trial(one, step_s=0.01 * one.batch_size, peak=GB * (1 + one.batch_size)) for one in more]
    return search, tried


def test_latency_bounds_the_batch() -> None:
    search, tried = searched(make_case(), max_latency_s=0.065)
    (found,) = search.result().found
    assert (found.batch_size, found.bound, found.smallest_too_large) == (6, "latency", 7)
    assert tried == [1, 2, 4, 8, 6, 7]


def test_a_batch_that_would_exhaust_the_host_is_never_tried() -> None:
    search, tried = searched(make_case(), available=20 * GB)
    (found,) = search.result().found
    assert found.bound == "memory"
    assert max(tried) + 1 <= 0.9 * 20
    assert found.batch_size == max(tried) >= 12


def test_before_anything_is_measured_the_prediction_decides() -> None:
    search, tried = searched(make_case(), available=20 * GB, predicted=30 * GB)
    assert tried == []
    (found,) = search.result().found
    assert (found.batch_size, found.bound) == (None, "memory")


def test_a_batch_that_would_outlast_its_timeout_is_never_tried() -> None:
    search, tried = searched(make_case(timeout_s=1.0))
    assert search.result().found[0].bound == "time"
    assert max(tried) * 0.01 * 8 <= 1.0


def test_a_device_without_memory_for_more_is_an_answer() -> None:
    case = make_case(backend="cuda")
    search = BatchSearch([case], max_latency_s=None, predict_bytes=lambda c: None, available=lambda: 0)
    finished: list[TrialResult] = []
    while more := search.grow(finished):
        for one in more:
            done = trial(one, step_s=0.01)
            finished.append(done if one.batch_size <= 5 else done.model_copy(update={"status": "oom"}))
    (found,) = search.result().found
    assert (found.batch_size, found.bound) == (5, "memory")


def test_cases_that_differ_in_their_batch_only_are_one_search() -> None:
    cases = [make_case(batch_size=1), make_case(batch_size=8), make_case(workload="bert")]
    search = BatchSearch(cases, max_latency_s=None, predict_bytes=lambda c: None, available=lambda: GB)
    assert len(search.grow(())) == 2


@given(st.integers(1, 50), st.integers(51, 100), st.floats(0, 1e8))
def test_memory_continues_in_a_straight_line_and_never_falls(small: int, large: int, slope: float) -> None:
    peaks = {small: int(GB + slope * small), large: int(GB + slope * large)}
    ahead = straight_line(peaks, 2 * large)
    assert ahead is not None
    assert ahead >= peaks[large]
    assert ahead == pytest.approx(1.05 * (GB + slope * 2 * large), rel=0.01, abs=200)
    assert straight_line({small: GB}, large) is None


def test_available_is_within_the_limits_of_all_control_groups(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:       50 kB\n")
    assert available_bytes(proc=tmp_path, sys=tmp_path) == 50 * 1024
    group = tmp_path / "fs/cgroup/pod/container"
    for folder in (group, group.parent, group.parent.parent):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text("")
    (tmp_path / "fs/cgroup/cgroup.controllers").write_text("memory\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/pod/container\n")
    (group / "memory.max").write_text("30000\n")
    (group / "memory.current").write_text("10000\n")
    assert available_bytes(proc=tmp_path, sys=tmp_path) == 20000
    # The pod's limit is larger, but its other containers have nearly used it up.
    (group.parent / "memory.max").write_text("40000\n")
    (group.parent / "memory.current").write_text("35000\n")
    assert available_bytes(proc=tmp_path, sys=tmp_path) == 5000
    for folder in (group, group.parent):
        (folder / "memory.max").write_text("max\n")
    assert available_bytes(proc=tmp_path, sys=tmp_path) == 50 * 1024


@given(st.integers(0, FINE), st.integers(0, 8))
def test_a_search_that_was_cut_off_goes_on_and_asks_for_nothing_twice(largest: int, num_before: int) -> None:
    def search(cases: tuple[Case, ...]) -> BatchSearch:
        return BatchSearch(cases, max_latency_s=0.01 * largest + 0.005, predict_bytes=lambda c: None, available=lambda: GB)

    finished: list[TrialResult] = []
    asked: list[int] = []

    def ask(which: BatchSearch, most: int) -> None:
        while len(asked) < most and (more := which.grow(finished)):
            asked.extend(one.batch_size for one in more)
            finished.extend(trial(one, step_s=0.01 * one.batch_size) for one in more)

    first = search((make_case(backend="cuda"),))
    ask(first, num_before)
    is_done = not first.grow(finished)
    cut_off = first.result()
    assert (cut_off.found[0].bound == "unfinished") is not is_done
    again = search(cut_off.cases)
    ask(again, 100)
    assert len(asked) == len(set(asked))
    assert (again.result().found[0].batch_size or 0) == largest


def test_a_search_is_interrupted_and_resumed_and_ends_with_its_answer_and_its_curve(tmp_path: Path) -> None:
    bench, run = Bench(folder=tmp_path), tmp_path / "out"
    profile = bench.profile(KNOWN_RATE + "settings = { step_s = 0.2, is_per_item = true }\n")
    process = bench.start("run", "--profile", profile, "--find", "max-batch", "--max-latency", 0.35, "--out", run)
    deadline = time.monotonic() + 900
    while len(trials(run)) < 4:
        assert time.monotonic() < deadline, "no fourth trial in time"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "largest batch 1 (so far; the search is unfinished)" in output
    assert "--resume" in output
    before = trials(run)

    resumed = bench.here("run", "--resume", run, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert trials(run)[: len(before)] == before
    names = [(one["case"], one["trial"]) for one in trials(run)]
    assert len(names) == len(set(names)) == 2 * 3
    (found,) = json.loads(resumed.stdout)["search"]["found"]
    assert (found["batch_size"], found["bound"], found["smallest_too_large"]) == (1, "latency", 2)
    page = (run / "report.html").read_text()
    assert "Throughput over latency" in page
    assert "limited by latency" in page

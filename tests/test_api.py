"""The Python API: what a script or notebook does with a run."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import aigc_bench as ab
from aigc_bench import api
from aigc_bench.core.errors import AigcBenchError, FileWarning, UsageError
from aigc_bench.measure.profiles import find_profile
from aigc_bench.measure.progress import Progress, RunFinished, RunStarted, StageStarted, TrialFinished, TrialStarted

CASE = "vae/mlp-784-400-20/train/fp32/b128"


def test_importing_the_package_imports_the_standard_library_only() -> None:
    program = "import sys; before = set(sys.modules); import aigc_bench; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert [name for name in found if name.startswith("aigc_bench")] == ["aigc_bench"]
    assert {name.split(".")[0] for name in found} <= {"aigc_bench", *sys.stdlib_module_names}


def test_a_function_is_not_hidden_by_the_sub_package_of_its_name() -> None:
    package = importlib.import_module("aigc_bench.report")
    importlib.import_module("aigc_bench.report.render")
    assert ab.report is api.report
    assert ab.report is not package


def test_metrics_are_a_table_with_unit_interval_and_verdict(smoke_run: Path) -> None:
    table = ab.metrics(ab.load(smoke_run))
    assert list(table.columns[-9:]) == ["metric", "value", "low", "high", "unit", "n", "basis", "verdict", "reasons"]
    known = table.dropna(subset=["low", "value", "high"])
    assert len(known) > 5
    assert (known.low <= known.value).all()
    assert (known.value <= known.high).all()
    assert set(table.case) == {CASE}
    assert table.equals(ab.metrics(smoke_run))


def test_the_files_of_a_run_are_read_by_pandas_alone(smoke_run: Path) -> None:
    trials = pd.read_json(smoke_run / "results.jsonl", lines=True)
    assert sorted(trials.trial) == [0, 1, 2]
    assert set(trials.case) == {CASE}
    telemetry = pd.read_parquet(smoke_run / "telemetry.parquet")
    assert list(telemetry.columns) == ["time_s", "source", "device", "metric", "value"]
    assert telemetry.time_s.is_monotonic_increasing
    started_s = json.loads((smoke_run / "run.json").read_text())["created_s"]
    assert telemetry.time_s.between(started_s - 1, started_s + 600).all()


def test_a_run_from_python_tells_its_progress_in_order(tmp_path: Path) -> None:
    events: list[Progress] = []
    run = ab.run(
        "smoke",
        only=["vae"],
        level="quick",
        budget_s=6.0,
        out=tmp_path / "run",
        seed=7,
        progress=events.append,
        command=["a", "script"],
    )
    assert isinstance(events[0], RunStarted)
    assert sum(isinstance(event, TrialStarted) for event in events) == sum(isinstance(event, TrialFinished) for event in events)
    finished = next(event for event in events if isinstance(event, RunFinished))
    assert finished.path == run.path
    assert events[-1] == StageStarted(name="report")
    assert (run.path / "report.html").is_file()
    assert (run.info.seed, run.info.command, run.info.profile) == (7, ("a", "script"), "smoke")


def test_a_finished_run_is_resumed_by_doing_nothing(smoke_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(smoke_run, tmp_path / "copy")
    before = (copy / "results.jsonl").read_text()
    events: list[Progress] = []
    ab.resume(copy, progress=events.append)
    assert (copy / "results.jsonl").read_text() == before
    assert not any(isinstance(event, TrialStarted) for event in events)


def test_cases_of_a_run_tell_how_each_fared(smoke_run: Path) -> None:
    (summary,) = api.cases(smoke_run)
    assert (summary.case_id, summary.status, summary.num_finished) == (CASE, "ok", 3)


def test_the_report_goes_into_the_run_unless_told(smoke_run: Path, tmp_path: Path) -> None:
    assert ab.report(smoke_run) == smoke_run / "report.html"
    other = ab.report(smoke_run, smoke_run, out=tmp_path / "both.html")
    assert other.stat().st_size > 100_000


def test_comparing_needs_two_runs(smoke_run: Path) -> None:
    assert not ab.compare(smoke_run, smoke_run, fail_above=0.05).has_regression
    with pytest.raises(UsageError, match="no other run"):
        ab.compare(smoke_run)
    with pytest.raises(UsageError, match="no run was given"):
        ab.report()


def test_a_dry_run_keeps_its_budget_but_promises_every_case_one_trial() -> None:
    free = ab.dry_run("cpu")
    assert free.num_trials == 3
    assert len(free.cases) == len(find_profile("cpu").cases)
    assert ab.dry_run("cpu", level="rigorous").expected_s > free.expected_s
    assert ab.dry_run("cpu", budget_s=90.0).expected_s <= 90.0
    assert 1.0 < ab.dry_run("cpu", budget_s=1.0).expected_s < 0.5 * free.expected_s
    assert ab.dry_run("cpu", only=["gpt"]).expected_s < free.expected_s


def test_the_newest_run_is_found(smoke_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run here"):
        api.newest_run(tmp_path)
    for name, created_s in (("b", 2.0), ("a", 3.0), ("c", 1.0)):
        info = json.loads((smoke_run / "run.json").read_text()) | {"created_s": created_s}
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(info))
    assert api.newest_run(tmp_path).name == "a"
    (tmp_path / "a" / "run.json").write_text("{")
    with pytest.warns(FileWarning, match=r"a/run\.json: .*left out"):
        assert api.newest_run(tmp_path).name == "b"
    for name in ("b", "c"):
        (tmp_path / name / "run.json").write_text("[]")
    with pytest.raises(AigcBenchError, match=r"a/run\.json"):
        api.newest_run(tmp_path)


def test_a_damaged_run_is_an_error_that_names_the_file(smoke_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(smoke_run, tmp_path / "copy")
    info = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(info | {"schema_version": 99}))
    with pytest.raises(AigcBenchError, match=r"run\.json: schema version 99"):
        ab.load(copy)


def test_a_profile_record_is_run_as_it_is() -> None:
    assert api.dry_run(find_profile("smoke"), only=["vae"]).profile == "smoke"

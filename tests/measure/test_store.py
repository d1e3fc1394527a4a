"""The run directory: what was appended survives, what was torn is left out, what is foreign is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.records import Case, RunInfo, System, TrialResult
from aigc_bench.measure.store import RunWriter, load_run, read_trials

SYSTEM = System(host_id="h", os="Linux", kernel="6", cpu_model="CPU", num_cores=2, num_usable_cores=2, memory_bytes=1 << 30)
CASE = Case(workload="vae", preset="tiny", mode="infer")


def info() -> RunInfo:
    return RunInfo(
        id="r", profile="p", profile_hash="x", level="quick", created_s=1.0, num_trials=3, cases=(CASE,), system=SYSTEM, versions={}
    )


def trial(number: int) -> TrialResult:
    return TrialResult(case=CASE.id, trial=number, status="ok", started_s=1.0, finished_s=2.0)


def written(folder: Path) -> RunWriter:
    writer = RunWriter(folder)
    writer.write_info(info())
    writer.append(trial(0))
    writer.append(trial(1))
    return writer


def test_a_run_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written(tmp_path).close()
    run = load_run(tmp_path)
    assert run.info == info()
    assert run.trials == (trial(0), trial(1))
    assert run.trials_of(CASE.id) == run.trials
    assert run.telemetry.empty


def test_a_run_is_found_by_any_of_its_files(tmp_path: Path) -> None:
    written(tmp_path).close()
    assert load_run(tmp_path / "run.json").path == load_run(tmp_path).path == tmp_path


def test_pandas_reads_the_results_in_one_line(tmp_path: Path) -> None:
    written(tmp_path).close()
    frame = pd.read_json(tmp_path / "results.jsonl", lines=True)
    assert list(frame["trial"]) == [0, 1]
    assert set(frame["case"]) == {CASE.id}


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_torn_by_a_kill_is_left_out_and_a_resume_goes_on_behind_it(tmp_path: Path, cut: int) -> None:
    written(tmp_path).close()
    file = tmp_path / "results.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert read_trials(tmp_path) in ([trial(0)], [trial(0), trial(1)])
    writer = RunWriter(tmp_path)
    writer.append(trial(1))
    writer.close()
    assert [t.trial for t in read_trials(tmp_path)] == [0, 1]


def test_damage_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    written(tmp_path).close()
    file = tmp_path / "results.jsonl"
    file.write_text("{}\n" + file.read_text())
    with pytest.raises(AigcBenchError, match="line 1"):
        read_trials(tmp_path)


def test_readings_become_parquet_and_a_second_session_adds_to_them(tmp_path: Path) -> None:
    for start in (10.0, 20.0):
        writer = RunWriter(tmp_path)
        writer.write_info(info())
        writer.spool.write_text(
            f"{start},host,host,cpu_utilization,0.5\n{start + 1},host,host,cpu_utilization,\n{start + 2},host,ho"
        )
        writer.close()
    frame = pd.read_parquet(tmp_path / "telemetry.parquet")
    assert list(frame["time_s"]) == [10.0, 11.0, 20.0, 21.0]
    assert frame["value"].isna().tolist() == [False, True, False, True]
    assert not writer.spool.exists()


def test_readings_of_a_killed_session_are_read_from_the_spool(tmp_path: Path) -> None:
    writer = written(tmp_path)
    writer.spool.write_text("10.0,nvml,GPU-1,power_w,300.0\n")
    assert load_run(tmp_path).telemetry["value"].tolist() == [300.0]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"), [("{", "not JSON"), ('{"schema_version": 99}', "schema version 99"), ("[]", "schema version None")]
)
def test_a_run_file_that_cannot_be_understood_is_told_in_one_line(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(AigcBenchError, match=words) as problem:
        load_run(tmp_path)
    assert "\n" not in str(problem.value)


def test_an_unknown_field_is_named(tmp_path: Path) -> None:
    written(tmp_path).close()
    raw = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**raw, "surprise": 1}))
    with pytest.raises(AigcBenchError, match="surprise"):
        load_run(tmp_path)

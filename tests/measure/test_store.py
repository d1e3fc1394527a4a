"""The run directory: what was appended survives, what was torn is left out, what is foreign is refused in one line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.records import Case, HostUse, Quality, Steps, TrialResult, Window
from aigc_bench.core.run_records import RunInfo, System
from aigc_bench.measure.store import TELEMETRY_COLUMNS, RunWriter, load_run, read_trials

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


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_line_with_a_key_twice_is_refused_and_not_read_as_its_last(tmp_path: Path, blank: str) -> None:
    written(tmp_path)
    file = tmp_path / "results.jsonl"
    text = file.read_text().replace('"status":"ok"', f'"status"{blank}:"error","status":"ok"', 1)
    file.write_text(text)
    with pytest.raises(AigcBenchError, match=r"line 1: key 'status' appears 2 times") as caught:
        load_run(tmp_path)
    assert caught.value.hint is not None and "Take that line out" in caught.value.hint


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


def test_damage_in_the_middle_is_reported_with_its_line(tmp_path: Path) -> None:
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
    with pytest.raises(UsageError, match="no such run directory"):
        load_run(tmp_path / "mine")


def test_a_folder_of_runs_names_the_newest_one_it_holds(tmp_path: Path) -> None:
    for name in ("20260105-101500-cpu", "20260106-090000-cpu"):
        written(tmp_path / name)
    with pytest.raises(UsageError, match="20260106-090000-cpu"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"), [("{", "not JSON"), ('{"schema_version": 99}', "schema version 99"), ("[]", "schema version None")]
)
def test_a_run_file_that_cannot_be_understood_is_reported_in_one_line(tmp_path: Path, content: str, words: str) -> None:
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


def measured() -> TrialResult:
    """A trial with a window and two steps."""
    window = Window(start_s=1.0, end_s=2.0, wall_s=1.0, num_steps=2)
    return trial(0).model_copy(update={"window": window, "steps": Steps(start_s=(0.0, 0.5), duration_s=(0.5, 0.5))})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e308])
@pytest.mark.parametrize(
    ("record", "key"), [("window", "wall_s"), ("window", "start_s"), ("steps", "duration_s"), (None, "started_s")]
)
def test_a_time_that_cannot_have_been_measured_is_refused_with_its_place(
    tmp_path: Path, record: str | None, key: str, value: float
) -> None:
    written(tmp_path).close()
    line = json.loads(measured().model_dump_json())
    place = line if record is None else line[record]
    place[key] = [value, 0.5] if record == "steps" else value
    (tmp_path / "results.jsonl").write_text(json.dumps(line) + "\n" + trial(1).model_dump_json() + "\n")
    if key.startswith("start") and value == -1.0:
        assert len(read_trials(tmp_path)) == 2, "a moment may lie before 1970"
        return
    with pytest.raises(AigcBenchError, match=rf"line 1: .*{key}.*Take that line out") as problem:
        read_trials(tmp_path)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(("key", "value"), [("created_s", math.nan), ("created_s", 1e300), ("created_s", 9e11), ("num_trials", -1)])
def test_a_run_file_with_an_impossible_number_names_its_key(tmp_path: Path, key: str, value: float) -> None:
    written(tmp_path).close()
    raw = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**raw, key: value}))
    with pytest.raises(AigcBenchError, match=rf"run.json: {key}( = \S+)?: "):
        load_run(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1junk", b"time_s,source\n1,host\n"])
def test_telemetry_that_is_cut_short_is_reported_with_its_file(tmp_path: Path, content: bytes) -> None:
    written(tmp_path).close()
    (tmp_path / "telemetry.parquet").write_bytes(content)
    with pytest.raises(AigcBenchError, match=r"telemetry.parquet: no telemetry can be read.*Move it away"):
        _ = load_run(tmp_path).telemetry


def test_a_parquet_file_of_something_else_is_reported_by_what_it_lacks(tmp_path: Path) -> None:
    written(tmp_path).close()
    pd.DataFrame({"time_s": [1.0], "device": ["host"]}).to_parquet(tmp_path / "telemetry.parquet")
    with pytest.raises(AigcBenchError, match="it lacks metric, source, value"):
        _ = load_run(tmp_path).telemetry


def test_a_spool_of_torn_lines_only_is_no_reading(tmp_path: Path) -> None:
    writer = written(tmp_path)
    writer.spool.write_text("10.0,nvml\n,,\n")
    frame = load_run(tmp_path).telemetry
    assert frame.empty
    assert list(frame.columns) == list(TELEMETRY_COLUMNS)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_a_disk_that_fills_up_is_reported_with_the_command_that_continues(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    writer.write_info(info())
    writer.append(trial(0))
    writer.close()
    (tmp_path / "results.jsonl").rename(tmp_path / "kept.jsonl")
    (tmp_path / "results.jsonl").symlink_to("/dev/full")
    full = RunWriter(tmp_path)
    with pytest.raises(AigcBenchError, match=r"results.jsonl: no space left on device. Finished trials are saved.*--resume"):
        full.append(trial(1))
    full.close()
    (tmp_path / "results.jsonl").unlink()
    (tmp_path / "kept.jsonl").rename(tmp_path / "results.jsonl")
    assert load_run(tmp_path).trials == (trial(0),)


@pytest.mark.parametrize(
    ("key", "number", "words"),
    [
        ("duration_s", "1e-308", "must be 0 or between 1e-30 and"),
        ("duration_s", "-0.0", "must be 0, not -0"),
        ("duration_s", "0." + "0" * 300 + "1", "must be 0 or between 1e-30 and"),
        ("cpu_s", "1E+300", "should be less than or equal to 1"),
        ("cpu_s", "NaN", "input should be a finite number"),
        ("cpu_s", "1e999", "should be a finite number"),
        ("major_faults", "9" * 400, "number"),
        ("major_faults", "9" * 5000, "number out of range"),
    ],
)
def test_a_number_that_nothing_measures_is_refused_with_its_line(tmp_path: Path, key: str, number: str, words: str) -> None:
    written(tmp_path).close()
    whole = trial(0).model_copy(update={"host": HostUse(cpu_s=1.5, major_faults=1), "warmup": None}).model_dump_json()
    before = f'"{key}":' if key != "duration_s" else '"steps":'
    given = number if key != "duration_s" else f'{{"start_s":[0.0],"duration_s":[{number}]}}'
    line = re.sub(rf"{before}(null|1\.5|1)", lambda _: f"{before}{given}", whole, count=1)
    assert line != whole
    (tmp_path / "results.jsonl").write_text(f"{line}\n{trial(1).model_dump_json()}\n")
    with pytest.raises(AigcBenchError, match=words) as problem:
        load_run(tmp_path)
    assert "line 1" in str(problem.value)
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 400


def test_a_models_own_output_of_any_size_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    writer = written(folder)
    values = {"loss_first": 1e35, "loss_last": 1e-40}
    check = {"loss": math.nan, "mean": -0.0, "largest": 1e38}
    quality = Quality(kind="training", passed=True, values=values)
    writer.append(trial(7).model_copy(update={"quality": quality, "check": check}))
    writer.close()
    found = load_run(folder).trials[-1]
    assert found.quality == quality
    assert found.check == {**check, "loss": None}


@pytest.mark.parametrize(("number", "words"), [("1e-308", "must be 0 or between"), ("NaN", "must be a finite number")])
def test_a_run_file_with_an_odd_number_names_its_key(tmp_path: Path, number: str, words: str) -> None:
    written(tmp_path).close()
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(re.sub(r'"timeout_s": [\d.]+', f'"timeout_s": {number}', text, count=1))
    with pytest.raises(AigcBenchError, match=rf"timeout_s = {number}: {words}"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("samples", {"stage": [0]}, "columns of samples have 1 and 2 entries"),
        ("samples", {"stage": [0, 9]}, "samples name stage 9 of 1, counted from 0"),
        ("samples", {"step": [0, 10**17]}, "samples name step 100000000000000000 of 2, counted from 0"),
        ("steps", {"start_s": [0.0]}, "columns of steps have 1 and 2 entries"),
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused_with_their_line(
    tmp_path: Path, part: str, changes: dict[str, list[float]], words: str
) -> None:
    written(tmp_path).close()
    whole = json.loads(trial(0).model_dump_json())
    whole["work"] = {"item": "sample", "stages": [{"name": "forward"}]}
    whole["samples"] = {"step": [0, 1], "stage": [0, 0], "repeat": [0, 0], "start_s": [0.0, 1.0], "duration_s": [1.0, 1.0]}
    whole["steps"] = {"start_s": [0.0, 1.0], "duration_s": [1.0, 1.0]}
    whole[part] |= changes
    (tmp_path / "results.jsonl").write_text(json.dumps(whole) + "\n" + trial(1).model_dump_json() + "\n")
    with pytest.raises(AigcBenchError, match=f"line 1: {words}"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("value", [[1.0, 2.0], [1.0]], "its column value holds no numbers"),
        ("value", ["a", "b"], "its column value holds no numbers"),
        ("time_s", [True, False], "its column time_s holds no numbers"),
        ("device", [1, 2], "its column device holds no names"),
    ],
)
def test_readings_of_another_type_are_refused(tmp_path: Path, column: str, values: list[object], words: str) -> None:
    written(tmp_path).close()
    columns = {"time_s": [1.0, 2.0], "source": ["host"] * 2, "device": ["host"] * 2, "metric": ["m"] * 2, "value": [1.0, 2.0]}
    pd.DataFrame({**columns, column: values}).to_parquet(tmp_path / "telemetry.parquet")
    (tmp_path / "telemetry.csv").unlink(missing_ok=True)
    with pytest.raises(AigcBenchError, match=words):
        _ = load_run(tmp_path).telemetry


def test_readings_of_no_moment_and_no_size_are_left_out(tmp_path: Path) -> None:
    written(tmp_path).close()
    (tmp_path / "telemetry.parquet").unlink(missing_ok=True)
    lines = [
        "1.0,host,host,m,2.0",
        "inf,host,host,m,1.0",
        "1e300,host,host,m,1.0",
        "3.0,host,host,m,inf",
        "nan,host,host,m,1",
        "2.0,host,host,m,1e308",
    ]
    (tmp_path / "telemetry.csv").write_text("\n".join(lines) + "\n")
    found = load_run(tmp_path).telemetry
    assert found["time_s"].tolist() == [1.0, 2.0, 3.0]
    assert found["value"].notna().tolist() == [True, False, False]


@pytest.mark.parametrize("is_dictionary", [False, True])
def test_telemetry_with_names_that_are_no_utf8_is_refused_by_column(tmp_path: Path, is_dictionary: bool) -> None:
    written(tmp_path).close()
    offsets, text = b"\0\0\0\0\3\0\0\0", b"ab\xff"
    name = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)])
    names = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), name) if is_dictionary else name
    good = pa.array(["nvml"])
    table = pa.table({"time_s": [0.0], "source": good, "device": good, "metric": names, "value": [1.0]})
    pq.write_table(table, tmp_path / "telemetry.parquet")
    with pytest.raises(AigcBenchError, match=r"telemetry.parquet: no telemetry can be read"):
        _ = load_run(tmp_path).telemetry

"""The command line as a user meets it: options, exit codes, one-line mistakes, JSON, progress."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console

from aigc_bench.cli import COMMANDS, group, main
from aigc_bench.cli.commands.doctor import print_checks
from aigc_bench.cli.commands.list import KINDS, TEXT_COLUMNS
from aigc_bench.cli.output import print_table
from aigc_bench.cli.progress_display import LiveLine, PlainLines, live_bar
from aigc_bench.core.run_records import Check
from aigc_bench.listing import KINDS as LISTED
from aigc_bench.listing import listing
from aigc_bench.measure.profiles import find_profile
from aigc_bench.measure.progress import Progress, RunFinished, RunStarted, StageStarted, TrialFinished, TrialStarted
from tests.measure.bench import KNOWN_RATE, Bench

PROGRAM = (sys.executable, "-m", "aigc_bench")
OPTIONS = {
    "": ["--help", "--version"],
    "run": (  # noqa: SIM905 - as of predict
        "--batch-size --budget --change --data --data-cache --data-workers --dry-run --engine --find --help --json --level "
        "--max-latency --mode --model --only --out --pipeline --precision --profile --record-nvml --resume --seed --set"
    ).split(),
    "show": ["--as", "--explain", "--gpu", "--help", "--json"],
    "compare": ["--all", "--fail-above", "--help", "--json"],
    "predict": (  # noqa: SIM905 - a list of them would take twenty lines
        "--accelerator --batch-size --change --devices --engine --engine-option --explain --help --json --lengths --mode "
        "--model --out "
        "--parallel "
        "--percentile --precision --profile --rate --requests --run --scenario --seed --set --slo-latency --slo-tpot "
        "--slo-ttft --trace"
    ).split(),
    "plan": (  # noqa: SIM905
        "--accelerator --deploy --explain --help --json --keys --model --new --out --quote --run --set --top --use-invalid"
    ).split(),
    "validate": ["--by", "--help", "--json", "--rows"],
    "report": ["--demand", "--help", "--json", "--out"],
    "list": ["--help", "--json"],
    "doctor": ["--help", "--json"],
    "catalog": ["--help"],
    "catalog import": ["--as-of", "--help", "--json", "--kind", "--map", "--out", "--provider"],
    "catalog add": ["--help", "--json"],
    "catalog remove": ["--help", "--json"],
    "catalog check": ["--help", "--json"],
    "catalog diff": ["--help", "--json"],
    "profiles": ["--help"],
    "profiles list": ["--help", "--json"],
    "profiles show": ["--help", "--json"],
    "profiles new": ["--from", "--help", "--json", "--out"],
}
"""Every long option there is. A change here is a change of the product's surface: README and CHANGELOG go with it."""

SHOWN_KEYS = [
    *("case", "workload", "preset", "mode", "scenario", "engine", "precision", "batch_size", "devices"),
    *("metric", "value", "low", "high", "unit", "n", "basis", "verdict", "reasons"),
]


def walk(command: click.Command, *, path: str = "") -> dict[str, list[str]]:
    """Command path -> its long options, sorted."""
    ctx = click.Context(command, info_name=path or "aigc-bench", help_option_names=["-h", "--help"])
    found = {path: sorted(name for param in command.get_params(ctx) for name in param.opts if name.startswith("--"))}
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            found |= walk(child, path=f"{path} {name}".strip())
    return found


def run_command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command line run in this process."""
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def json_of(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run_command(capsys, *words)
    assert code == 0, err
    return json.loads(out)


def test_every_option_is_listed_here() -> None:
    assert walk(group) == OPTIONS


def test_help_tells_each_commands_own_summary() -> None:
    ctx = click.Context(group)
    for name, summary in COMMANDS.items():
        command = group.get_command(ctx, name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == summary


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), *((name, "--help") for name in COMMANDS)])
def test_help_is_printed_and_is_no_error(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    code, out, err = run_command(capsys, *words)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: aigc-bench")


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"aigc-bench \d+\.\d+\.\d+\S*\n", run_command(capsys, "--version")[1])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rnu",), "unknown command 'rnu'. Did you mean run?"),
        (("run", "--profle", "cpu"), "Did you mean --profile"),
        (("--jsonn",), "unknown option '--jsonn'"),
        (("run", "--level", "slow"), "'quick', 'default', 'rigorous'"),
        (("run", "--profile", "a10"), "unknown profile 'a10'. Did you mean a100"),
        (("run", "--profile", "smoke", "--only", "gtp/*"), "no case of profile 'smoke' matches"),
        (("run", "--profile", "nowhere/mine.toml"), "nowhere/mine.toml: no such file"),
        (("run", "extra"), "unexpected extra argument"),
        (("run", "--resume", "x", "--level", "quick"), "--resume continues a run with its original options; remove --level"),
        (("run", "--mode", "train"), "--mode: only with --model"),
        (("run", "--model", "a", "--profile", "cpu"), "--model and --profile exclude each other; give one of them"),
        (("run", "--model", "nowhere"), "nowhere: no such file or folder"),
        (("predict", "gpt", "--change", "n_layer=2", "-a", "h100"), "--change overrides keys of the config.json of --model"),
        (("run", "--budget", "soon"), "'soon' is not a duration; write 90s, 20m or 1h30m"),
        (("run", "--budget", "0"), "must be longer than zero"),
        (("list", "metrcs"), "unknown kind 'metrcs'. Did you mean metrics"),
        (("show",), "Missing argument"),
        (("show", "no/such/run"), "no such run directory"),
        (("show", "h10_sxm_80gb"), "Did you mean h100_sxm_80gb"),
        (("report", "no/such/run"), "no such run directory"),
        (("compare", "only-one"), "Missing argument"),
        (("compare", "a", "b", "--fail-above", "many"), "'many' is not a fraction; write 5% or 0.05"),
        (("profiles", "shw"), "shw"),
        (("profiles", "show", "cpuu"), "Did you mean cpu"),
        (("profiles", "new", "Not A Name"), "use lower-case letters"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str) -> None:
    code, out, err = run_command(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err


def test_a_fault_of_ours_is_told_as_such_without_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIGC_BENCH_TRACEBACK", raising=False)
    monkeypatch.setitem(LISTED, "metrics", lambda: 1 // 0)
    code, _, err = run_command(capsys, "list", "metrics")
    assert code == 1
    assert err.count("\n") == 1
    assert "fault of aigc-bench: ZeroDivisionError" in err
    monkeypatch.setenv("AIGC_BENCH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["list", "metrics"])


def test_an_unreadable_run_is_exit_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    code, _, err = run_command(capsys, "show", str(tmp_path))
    assert code == 1
    assert "not JSON" in err


# run


def test_a_profile_for_another_machine_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(capsys, "run", "--profile", "gpu" if has_no_accelerator() else "a100-40gb")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "expects" in err
    assert "--profile" in err
    assert list(tmp_path.iterdir()) == []


def has_no_accelerator() -> bool:
    from aigc_bench.measure.fingerprint import fingerprint

    return not fingerprint().accelerators


def test_dry_run_lists_the_cases_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(capsys, "run", "--profile", "smoke", "--only", "gpt", "--level", "rigorous", "--dry-run")
    assert (code, err) == (0, "")
    assert "gpt/tiny/infer/fp32/b1  x 10" in out
    assert "1 cases x 10 trials" in out
    planned = json_of(capsys, "run", "--profile", "smoke", "--dry-run", "--json")
    assert planned["num_trials"] == 3
    assert planned["expected_s"] > 0
    assert {case["workload"] for case in planned["cases"]} == {"gpt", "transformer", "vae"}
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_never_written_over_another(capsys: pytest.CaptureFixture[str], smoke_run: Path) -> None:
    before = (smoke_run / "results.jsonl").read_text()
    code, _, err = run_command(capsys, "run", "--profile", "smoke", "--out", str(smoke_run))
    assert code == 2
    assert "already exists" in err
    assert (smoke_run / "results.jsonl").read_text() == before


def test_ctrl_c_ends_a_run_with_what_is_finished_and_resume_completes_it(tmp_path: Path) -> None:
    """Started on a terminal, which shows the stage under way, and resumed without one, which gets plain lines."""
    out, bench = tmp_path / "run", Bench(folder=tmp_path)
    profile = str(bench.profile(f"{KNOWN_RATE}settings = {{ step_s = 0.4 }}\n"))
    code, screen = interrupted_on_a_terminal(bench, "run", "--profile", profile, "--out", str(out))
    assert code == 130
    assert "trial 2/3  measuring" in screen
    assert "Traceback" not in screen
    assert f"aigc-bench run --resume {out}" in screen
    assert (out / "report.html").is_file()
    assert json.loads((out / "run.json").read_text())["command"][1:4] == ["run", "--profile", profile]
    finished = (out / "results.jsonl").read_text().splitlines()

    resumed = bench("run", "--resume", out, "--json")
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert [case["status"] for case in result["cases"]] == ["ok"]
    assert Path(result["report"]).is_file()
    first, *others = resumed.stderr.splitlines()
    assert first.startswith(f"3 trials, {len(finished)} of them already finished")
    assert [line[:5] for line in others] == [f"[{number}/3]" for number in range(len(finished) + 1, 4)]
    lines = (out / "results.jsonl").read_text().splitlines()
    assert lines[: len(finished)] == finished
    assert sorted(json.loads(line)["trial"] for line in lines) == [0, 1, 2]


def interrupted_on_a_terminal(bench: Bench, *words: str) -> tuple[int, str]:
    """(exit code, screen) of a command line on a terminal that meets Ctrl-C once the second, slow trial is being measured."""
    ours, theirs = pty.openpty()
    environment = {**bench.environment, "TERM": "xterm", "COLUMNS": "160"}
    screen = b""
    with subprocess.Popen(bench.command(*words), cwd=bench.folder, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        is_told = False
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                screen += part
                if not is_told and b"trial 2/3  measuring" in screen:
                    process.send_signal(signal.SIGINT)
                    is_told = True
    os.close(ours)
    return process.returncode, screen.decode(errors="replace")


# show, report, compare, list, doctor, profiles


def test_show_json_has_one_object_per_case_and_metric(capsys: pytest.CaptureFixture[str], smoke_run: Path) -> None:
    rows = json_of(capsys, "show", str(smoke_run), "--json")
    assert all(list(row) == SHOWN_KEYS for row in rows)
    assert len({(row["case"], row["metric"]) for row in rows}) == len(rows)
    throughput = next(row for row in rows if row["metric"] == "throughput")
    assert throughput["value"] > 0
    assert throughput["unit"] == "images/s"


def test_show_prints_every_known_number_with_unit_and_verdict(capsys: pytest.CaptureFixture[str], smoke_run: Path) -> None:
    _, out, _ = run_command(capsys, "show", str(smoke_run))
    assert re.search(r"^throughput +[\d,.]+ images/s .*measured +(valid|suspect|invalid)", out, re.MULTILINE)
    assert "unavailable: " in out
    assert out == run_command(capsys, "show", str(smoke_run / "run.json"))[1]


def test_show_describes_an_accelerator_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json_of(capsys, "show", "h100_sxm_80gb", "--json")
    peak = next(row for row in rows if row["what"].startswith("bf16 peak"))
    assert "989" in peak["value"]
    assert peak["source"]


def test_report_is_written_where_it_was_asked(capsys: pytest.CaptureFixture[str], smoke_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "mine.html"
    assert json_of(capsys, "report", str(smoke_run), "-o", str(file), "--json") == {"report": str(file)}
    assert file.read_text().startswith("<!doctype html>".upper()) or file.read_text().lower().startswith("<!doctype html>")


def test_a_run_compared_with_itself_has_no_regression(capsys: pytest.CaptureFixture[str], smoke_run: Path) -> None:
    code, out, _ = run_command(capsys, "compare", str(smoke_run), str(smoke_run), "--fail-above", "5%")
    assert code == 0
    assert "0 better, 0 worse" in out
    assert json_of(capsys, "compare", str(smoke_run), str(smoke_run), "--json")["others"][0]["kind"] == "regression_test"


def test_a_slower_run_is_exit_4(capsys: pytest.CaptureFixture[str], smoke_run: Path, tmp_path: Path) -> None:
    """Both runs' trials are written anew with step times that differ by a known 20 % and little else."""
    fast, slow = (with_pace(smoke_run, tmp_path / name, factor=factor) for name, factor in (("fast", 1.0), ("slow", 1.2)))
    assert run_command(capsys, "compare", str(fast), str(slow))[0] == 0
    code, out, _ = run_command(capsys, "compare", str(fast), str(slow), "--fail-above", "5%")
    assert code == 4
    assert "REGRESSION" in out
    assert run_command(capsys, "compare", str(fast), str(slow), "--fail-above", "0.3")[0] == 0


def with_pace(run: Path, folder: Path, *, factor: float) -> Path:
    """A copy of a run whose every step took ``factor`` times 10 ms, trials apart by 0.1 %."""
    folder.mkdir()
    (folder / "run.json").write_text((run / "run.json").read_text())
    lines = []
    for line in (run / "results.jsonl").read_text().splitlines():
        trial = json.loads(line)
        step_s = 0.010 * factor * (1 + 0.001 * trial["trial"])
        num_steps = len(trial["steps"]["duration_s"])
        trial["steps"] = {"start_s": [step_s * i for i in range(num_steps)], "duration_s": [step_s] * num_steps}
        wall_s = step_s * num_steps
        trial["window"] |= {"end_s": trial["window"]["start_s"] + wall_s, "wall_s": wall_s, "stop_reason": "converged"}
        lines.append(json.dumps(trial))
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_list_prints_the_same_things_as_text_and_json(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    rows = json_of(capsys, "list", kind, "--json")
    code, out, _ = run_command(capsys, "list", kind)
    assert code == 0
    assert rows
    assert len(out.splitlines()) == len(rows) + 1
    assert set(TEXT_COLUMNS.get(kind, ())) <= set(rows[0])
    assert not re.search(r"\b(None|nan|inf)\b", out)


def test_list_knows_the_same_kinds_as_its_help() -> None:
    assert tuple(LISTED) == tuple(KINDS)


def test_list_profiles_shows_a_broken_one_with_its_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "aigc-bench" / "profiles").mkdir(parents=True)
    (tmp_path / "aigc-bench" / "profiles" / "mine.toml").write_text("name = 3")
    assert any(row["profile"] == "mine" and "cannot be used" in str(row["title"]) for row in listing("profiles"))


def test_doctor_ends_with_1_only_where_a_check_failed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_command(capsys, "doctor", "--json")
    checks = json.loads(out)
    assert {check["status"] for check in checks} <= {"ok", "note", "warning", "failure", "absent"}
    assert code == (1 if any(check["status"] == "failure" for check in checks) else 0)


def test_a_remedy_is_printed_below_its_check(capsys: pytest.CaptureFixture[str]) -> None:
    print_checks(
        [
            Check(name="driver", status="ok", detail="575.57"),
            Check(name="disk space", status="warning", detail="2 GiB are free", remedy="Free 10 GiB."),
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "ok       driver      575.57",
        "WARNING  disk space  2 GiB are free",
        "                     -> Free 10 GiB.",
    ]


def test_profiles_show_and_new(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    num_cases = len(find_profile("cpu").cases)
    assert len(json_of(capsys, "profiles", "show", "cpu", "--json")["cases"]) == num_cases
    assert "bert/base/infer" in run_command(capsys, "profiles", "show", "cpu")[1]
    file = tmp_path / "mine.toml"
    assert json_of(capsys, "profiles", "new", "mine", "--from", "cpu", "-o", str(file), "--json")["path"] == str(file)
    assert len(json_of(capsys, "profiles", "show", str(file), "--json")["cases"]) == num_cases
    assert run_command(capsys, "profiles")[1] == run_command(capsys, "profiles", "list")[1]


# How things are printed


def events(path: Path) -> list[Progress]:
    case = "gpt/tiny/infer/fp32/b1"
    return [
        RunStarted(path=path, num_trials=12, num_done=2, expected_s=61.0),
        TrialStarted(case=case, trial=0, of=3, remaining_s=50.0),
        StageStarted(name="measuring"),
        TrialFinished(case=case, trial=0, of=3, status="ok", summary="412 tokens/s", duration_s=4.2, remaining_s=45.0),
        TrialStarted(case=case, trial=1, of=3, attempt=2),
        TrialFinished(case=case, trial=1, of=3, status="oom", summary="needed 15.1 GiB [of 8]", duration_s=1.0),
        RunFinished(path=path, num_ok=1, num_failed=1, duration_s=60.0, interrupted=True),
    ]


def test_plain_progress_is_one_line_per_finished_trial(tmp_path: Path) -> None:
    lines: list[str] = []
    listener = PlainLines(lines.append)
    for event in events(tmp_path):
        listener(event)
    assert lines[0] == f"12 trials, 2 of them already finished, about 1 min 01 s, into {tmp_path}"
    assert re.fullmatch(
        r"\[ 3/12\] gpt/tiny/infer/fp32/b1  trial 1/3  ok  412 tokens/s  4 s  \(45 s left, until \d\d:\d\d\)", lines[1]
    )
    assert lines[2] == "[ 4/12] gpt/tiny/infer/fp32/b1  trial 2/3  oom  needed 15.1 GiB [of 8]  1 s"
    assert lines[3].startswith("interrupted")


def test_live_progress_shows_case_trial_stage_and_time_left(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with live_bar(console) as bar:
        listener = LiveLine(bar)
        for event in events(tmp_path):
            listener(event)
    text = screen.getvalue()
    for told in (
        "gpt/tiny/infer/fp32/b1  trial 1/3  measuring",
        "50 s left",
        "2/12",
        "4/12",
        "attempt 2",
        "needed 15.1 GiB [of 8]",
    ):
        assert told in text


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": "a", "value": "1.5 s"}, {"name": "longer", "value": "12.5 s"}], right=["value"])
    assert capsys.readouterr().out == "NAME     VALUE\na        1.5 s\nlonger  12.5 s\n"
    print_table([])
    assert capsys.readouterr().out == ""


def test_a_chinese_character_takes_two_cells_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": "显存", "value": "80 GB"}, {"name": "ab", "value": "1 GB"}])
    assert capsys.readouterr().out == "NAME  VALUE\n显存  80 GB\nab    1 GB\n"

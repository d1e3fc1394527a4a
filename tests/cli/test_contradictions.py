"""Options that contradict each other, and places where a file must not be put: refused in one line, before anything is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.cli import main
from aigc_bench.measure.store import load_run
from tests.analyze.synthetic import make_run

Told = tuple[int, str, str]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Told:
    """(exit code, stdout, stderr) of a command."""
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--resume", "x", "--dry-run"), "--resume continues a run with its original options; remove --dry-run"),
        (("--resume", "x", "--find", "max-batch"), "remove --find"),
        (("--max-latency", "1", "--dry-run"), "add --find max-batch"),
        (("--max-latency", "nan", "--find", "max-batch"), "'nan' must be a finite number"),
        (("--max-latency", "inf", "--find", "max-batch"), "'inf' must be a finite number"),
        (("--profile", "smoke", "--record-nvml", "/nowhere/at/all.csv"), "no file can be written there"),
        (("--profile", "smoke", "--record-nvml", "."), "no file can be written there"),
    ],
)
def test_run_refuses_what_it_would_otherwise_ignore(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = told(capsys, "run", *words)
    assert (code, out) == (2, "")
    assert reason in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_search_says_that_more_follows(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "run", "--profile", "smoke", "--find", "max-batch", "--max-latency", "0.5", "--dry-run")
    assert code == 0
    assert "The search then tries larger batches" in out


@pytest.mark.parametrize("name", ["h100", "H100 SXM", "h100_sxm_80gb"])
def test_an_accelerator_is_shown_by_every_name_that_predict_takes(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = told(capsys, "show", name, "--json")
    assert code == 0
    assert {"what": "id", "value": "h100_sxm_80gb"}.items() <= json.loads(out)[0].items()


def test_a_slice_of_an_accelerator_is_shown_with_its_share_of_memory(capsys: pytest.CaptureFixture[str]) -> None:
    whole, part = (dict_of(told(capsys, "show", name, "--json")[1]) for name in ("a100_sxm_80gb", "a100_sxm_80gb@1g.10gb"))
    assert "MIG" in part["name"]
    assert whole["name"] != part["name"]


def dict_of(text: str) -> dict[str, str]:
    return {row["what"]: row["value"] for row in json.loads(text)}


@pytest.fixture(scope="module")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("stored") / "run").path


@pytest.mark.parametrize("name", ["run.json", "results.jsonl"])
def test_a_report_never_takes_the_place_of_a_run_s_own_files(
    capsys: pytest.CaptureFixture[str], stored_run: Path, name: str
) -> None:
    before = (stored_run / name).read_bytes()
    code, out, err = told(capsys, "report", str(stored_run), "--out", str(stored_run / name))
    assert (code, out) == (2, "")
    assert "exists and is not an HTML page" in err
    assert (stored_run / name).read_bytes() == before
    assert load_run(stored_run).trials


def test_a_report_takes_the_place_of_an_older_one_and_of_an_empty_file(stored_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "both.html"
    file.touch()
    assert api.report(stored_run, out=file) == file
    first = file.read_bytes()
    assert api.report(stored_run, out=file) == file
    assert file.read_bytes() == first
    assert not list(tmp_path.glob(".*"))


def test_a_report_into_a_device_leaves_the_device_in_its_place(stored_run: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    sink.symlink_to("/dev/null")
    assert api.report(stored_run, out=sink) == sink
    assert sink.is_symlink()
    assert Path("/dev/null").is_char_device()


def test_a_report_that_cannot_be_written_is_told_by_its_own_name_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], stored_run: Path
) -> None:
    code, out, err = told(capsys, "report", str(stored_run), "--out", "/proc/plain.html")
    assert (code, out) == (1, "")
    assert err.startswith("error: /proc/plain.html: ")

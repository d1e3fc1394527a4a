"""As a user: code that was typed runs, its run is read without it and resumed with it, and no other file next to it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_bench.core.child_python import python
from tests.measure.bench import Bench, trials

MINE = "import sibling_of_mine\nfrom known_rate import workload\n\nclass Mine(type(workload)):\n    pass\n"
LEAVES_A_MARKER = "import os, pathlib\nopen(os.path.join(os.path.dirname(__file__), __name__ + '.imported'), 'w').close()\n"
INSTALLED = ("json", "torch", "numpy", "pydantic", "random", "select", "transformers", "usercustomize")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder with the user's code, a run that was made with it and has lost its last trial, and files named like modules."""
    bench = Bench(folder=tmp_path_factory.mktemp("named"))
    (bench.folder / "mine_here.py").write_text(MINE)
    (bench.folder / "sibling_of_mine.py").write_text("")
    for name in INSTALLED:
        (bench.folder / f"{name}.py").write_text(LEAVES_A_MARKER)
    done = bench("run", "--model", "mine_here:Mine", "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    assert {trial["status"] for trial in trials(bench.folder / "run")} == {"ok"}
    results = bench.folder / "run" / "results.jsonl"
    results.write_bytes(b"".join(results.read_bytes().splitlines(keepends=True)[:-1]))
    return bench


def test_a_run_made_with_code_is_read_where_the_code_is_not(bench: Bench, tmp_path: Path) -> None:
    elsewhere, run = Bench(folder=tmp_path), bench.folder / "run"
    for words in (
        ("show", run, "--json"),
        ("show", run, "--as", "published"),
        ("compare", run, run),
        ("report", run, "-o", "r.html"),
    ):
        done = elsewhere.here(*words)
        assert done.returncode == 0, done.stderr
    assert "mine_here" not in sys.modules
    assert "mine_here:Mine" in (tmp_path / "r.html").read_text()


def test_it_is_resumed_only_where_its_code_is_typed_again(bench: Bench) -> None:
    before = (bench.folder / "run" / "results.jsonl").read_bytes()
    for words, phrase in (
        ((), "aigc-bench run --resume run --model mine_here:Mine"),
        (("--model", "os:abort"), "run was made with --model 'mine_here:Mine'"),
        (("--model", "./mine_here"), "remove --model"),
    ):
        done = bench("run", "--resume", "run", *words)
        assert done.returncode == 2
        assert phrase in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert (bench.folder / "run" / "results.jsonl").read_bytes() == before
    done = bench("run", "--resume", "run", "--model", "mine_here:Mine", "--json")
    assert done.returncode == 0, done.stderr
    assert len(trials(bench.folder / "run")) == len(before.splitlines()) + 1


def test_a_run_that_is_not_complete_says_how_it_goes_on(bench: Bench) -> None:
    done = bench("run", "--model", "mine_here:Mine", "--out", "short run", "--budget", "1s")
    assert done.stdout.splitlines()[-1] == "resume  aigc-bench run --resume 'short run' --model mine_here:Mine"


def test_code_that_has_changed_since_does_not_go_on(bench: Bench, tmp_path: Path) -> None:
    text = (bench.folder / "run" / "run.json").read_text()
    sha256 = json.loads(text)["cases"][0]["model"]["sha256"]
    (bench.folder / "older").mkdir()
    (bench.folder / "older" / "run.json").write_text(text.replace(sha256, "0" * 64))
    done = bench("run", "--resume", "older", "--model", "mine_here:Mine")
    assert (done.returncode, "its file has changed since this run was started" in done.stderr) == (2, True)


def test_no_other_file_of_the_current_directory_is_imported(bench: Bench) -> None:
    done = bench("doctor")
    assert done.returncode in (0, 1), done.stderr
    profile = bench.profile('[[case]]\nworkload = "vae"\npreset = "mlp-784-400-20"\nmode = ["train", "infer"]\n')
    done = bench("run", "--profile", profile, "--out", "plain", "--find", "max-batch", "--max-latency", "0.0001", "--budget", "1s")
    assert done.returncode in (0, 3), done.stderr
    assert [file.name for file in bench.folder.glob("*.imported")] == []


def test_a_python_of_ours_does_not_search_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    said = subprocess.run(python("-c", "import sys; print(*sys.path, sep='\\n')"), capture_output=True, text=True, check=True)
    assert not {"", str(tmp_path)} & {*said.stdout.split("\n")[:-1]}

"""As a user: a config.json is written to disk, run in a smaller size on this machine, and predicted in full on another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.measure.bench import Bench, trials
from tests.own_models import CONFIGS, SHRUNK, write_model


@pytest.mark.parametrize("name", CONFIGS)
def test_a_users_model_is_run_shrunk_and_predicted_in_full(tmp_path: Path, name: str) -> None:
    bench = Bench(folder=tmp_path, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    folder = write_model(tmp_path / name, CONFIGS[name])
    changes = [word for key, value in SHRUNK[name].items() for word in ("--change", f"{key}={value}")]
    lengths = ["--set", "seq_len=16"] if name == "bert" else ["--set", "prompt_len=8", "--set", "max_new_tokens=3"]
    run = tmp_path / "out"
    done = bench.here("run", "--model", folder, *changes, *lengths, "--out", run, "--budget", "1s", "--json")
    assert done.returncode == 0, done.stderr
    (trial, *_) = trials(run)
    assert trial["status"] == "ok"
    assert trial["quality"]["passed"] is True
    assert f"{name}@" in trial["case"]
    assert f"--model {folder}" in (run / "report.html").read_text()

    predicted = bench.here("predict", "--model", name, "--accelerator", "h200", "--batch-size", 2, *lengths, "--json")
    assert predicted.returncode == 0, predicted.stderr
    rows = {row["metric"]: row for row in json.loads(predicted.stdout)}
    assert rows["throughput"]["value"] > 0
    assert rows["memory_allocated_peak"]["value"] > {"qwen": 15e9, "mixtral": 93e9, "bert": 2e8}[name]


def test_what_cannot_be_used_is_reported_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    evil = write_model(tmp_path / "evil", CONFIGS["qwen"], model_type="theirs", auto_map={"AutoConfig": "code.Config"})
    (tmp_path / "model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "broken.json").write_text('{"model_type":')
    for path, phrase in ((evil, "names code to execute"), ("model.bin", "a pickle"), ("broken.json", "not JSON")):
        for command in (("run", "--out", "out"), ("predict", "-a", "h100")):
            done = bench.here(*command, "--model", path)
            assert done.returncode == 2
            assert phrase in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()

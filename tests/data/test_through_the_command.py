"""``aigc-bench run --data`` on folders that hold bad samples of every kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aigc_bench.cli import main
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.pipeline import Pipeline, SkippedSample
from aigc_bench.data.files import find_files
from aigc_bench.measure.data_pipeline import _sources
from tests.data.bad_samples import IMAGES, JPEG, SHARDS, holds, write_among_good
from tests.data.test_bad_samples import A_REPR


def run(data: Path, out: Path) -> int:
    words = ("run", "--profile", "smoke", "--only", "vae/*", "--level", "quick", "--budget", "2s", "--json")
    return main((*words, "--data", str(data), "--out", str(out)))


def test_a_run_over_bad_samples_ends_well_and_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = (*IMAGES, *SHARDS)
    data, out = tmp_path / "data", tmp_path / "run"
    write_among_good(data, *bad)
    assert run(data, out) == 0
    printed = json.loads(capsys.readouterr().out)
    (line,) = printed["skipped"]
    assert line.startswith(f"skipped {len(bad)} of image: ")
    assert re.search(rf"and {len(bad) - 20} more$", line)
    uses = [json.loads(trial)["pipeline"] for trial in (out / "results.jsonl").read_text().splitlines()]
    assert uses and all(use["sources"][0]["num_skipped"] == len(bad) for use in uses)
    for file in ("results.jsonl", "run.json", "report.html"):
        assert not A_REPR.search(re.sub(r"<script.*?</script>", "", (out / file).read_text(), flags=re.DOTALL))


def test_data_that_change_under_a_run_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("tea\n")
    before = find_files(tmp_path).sha256
    (tmp_path / "b.txt").write_text("for two\n")
    with pytest.raises(AigcBenchError, match="files were added, removed or resized since the run began"):
        _sources(Pipeline(data=str(tmp_path), sha256=before), {"text"})


def test_a_run_below_the_data_is_no_data(tmp_path: Path) -> None:
    holds(JPEG)(tmp_path / "a.jpg")
    before = find_files(tmp_path)
    for name in ("run.json", "results.jsonl", "b.jpg"):
        holds(JPEG)(tmp_path / name)
    with pytest.raises(UsageError, match="a run of aigc-bench is no data"):
        find_files(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("run.json", "results.jsonl", "b.jpg"):
        (tmp_path / name).rename(tmp_path / "run" / name)
    after = find_files(tmp_path)
    assert after.sha256 == before.sha256
    assert after.skipped["image"] == (SkippedSample(name="run", reason="a run of aigc-bench is no data"),)


def test_data_without_a_good_sample_are_one_failed_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holds(b"no image")(tmp_path / "a.jpg")
    assert run(tmp_path, tmp_path / "run") == 3
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    assert "nothing of the image data can be read, the first: a.jpg: no image of a known format" in case["error"]

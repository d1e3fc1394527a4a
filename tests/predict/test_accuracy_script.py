"""The script that states the performance model's error."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FROZEN = Path(__file__).parent / "data" / "frozen_rows.csv"


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["accuracy.py", "freeze_rows.py"])
def test_without_a_table_it_says_in_one_line_what_it_needs(name: str) -> None:
    done = script(name)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert "needs a table" in done.stdout


def test_targets_are_printed_with_their_verdicts_and_the_whole_table_is_written(tmp_path: Path) -> None:
    with FROZEN.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames
        fields, rows = list(reader.fieldnames), [row for row in reader if row["family"] in ("bert", "llm-train")]
    table, out = tmp_path / "some.csv", tmp_path / "errors.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)
    done = script("accuracy.py", str(table), "--out", str(out))
    assert done.returncode == 0, done.stderr
    head, *targets = done.stdout.split("\n\n")[0].splitlines()
    assert head.split() == ["target", "rows", "goal", "reached", "bias", "covers", "answered", "verdict"]
    assert [line.split("  ")[0] for line in targets] == [
        "language models, training",
        "BERT and CNN, inference and training",
        "power at the wall",
        "energy and power of accelerators",
    ]
    assert all("pass" in line or "miss: " in line for line in targets)
    with out.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    whole = next(line for line in written if line["by"] == "all")
    assert int(whole["asked"]) == len(rows)
    assert {line["group"] for line in written if line["by"] == "answered"} == {"bert", "llm-train", "all but storage"}

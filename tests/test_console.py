"""What the console shows: in lines that fit the terminal, what is shared only once."""

from __future__ import annotations

import pytest

from aigc_bench.cli.commands.list import KINDS
from tests.test_cli import run_command


def test_list_without_a_kind_says_what_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_command(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(KINDS)


def test_a_narrow_terminal_gets_lines_that_fit_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan and its explanations are wrapped; the last column of a table is, where it has room."""
    demand = ("plan", "examples/nightly-images.toml", "--accelerator", "l40s")
    monkeypatch.setenv("COLUMNS", "80")
    for words in (demand, (*demand, "--explain", "compute"), ("list", "metrics"), ("list", "sensors")):
        _, out, _ = run_command(capsys, *words)
        assert max(map(len, out.splitlines())) <= 80, words
    monkeypatch.delenv("COLUMNS")
    _, out, _ = run_command(capsys, *demand)
    assert 80 < max(map(len, out.splitlines())) <= 108, "what is piped has the usual width"


def test_a_prediction_tells_what_is_true_of_all_its_numbers_once(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run_command(capsys, "predict", "bert/base", "--accelerator", "l4")
    heading, shared, *_ = [line for line in out.splitlines() if line]
    assert heading.startswith("bert/base/infer/")
    assert shared.startswith("all numbers: ")
    assert all(out.count(code) == 1 for code in shared.removeprefix("all numbers: ").split(", "))

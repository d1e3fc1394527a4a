"""A dry run says whether the budget suffices."""

from __future__ import annotations

import pytest

from aigc_bench.cli import main


@pytest.mark.parametrize(
    ("budget", "words"), [("1s", "less than the first trial of each case"), ("10h", "windows are shortened, then trials left out")]
)
def test_a_dry_run_says_whether_the_budget_covers_one_trial_of_each_case(
    budget: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--profile", "smoke", "--budget", budget, "--dry-run"]) == 0
    assert words in capsys.readouterr().out

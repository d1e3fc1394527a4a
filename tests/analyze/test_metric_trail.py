"""Every measured metric of a run follows again from its trials, and those from what they recorded."""

from __future__ import annotations

from functools import cache

import pytest

from aigc_bench import api
from aigc_bench.analyze.metric_trail import explain, trail_of
from aigc_bench.analyze.metrics import metric_of
from aigc_bench.cli import main
from aigc_bench.core.derivation import derivation_of, number_of, recomputed
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Estimate, MetricRow

SAMPLE = "reports/sample"


@cache
def rows() -> tuple[MetricRow, ...]:
    return tuple(api.rows(api.load(SAMPLE)))


def test_every_measured_number_follows_again_from_what_its_trials_recorded() -> None:
    known = [row for row in rows() if row.value is not None]
    assert len(known) > 50
    for row in known:
        number = number_of(row)
        assert number is not None and number.value == row.value, row.metric
        assert recomputed(number) == pytest.approx(row.value, rel=1e-9), row.metric
        derivation = derivation_of(number)
        assert derivation is not None
        for trial in derivation.inputs:
            assert isinstance(trial, Estimate)
            again = recomputed(trial)
            assert again is None or again == pytest.approx(trial.value, rel=1e-9), (row.metric, derivation_of(trial))


def test_every_trial_states_the_formula_of_its_metric() -> None:
    for row in rows():
        if row.value is not None and row.metric != "trial_cv":
            trail = trail_of(row)
            formula, top = metric_of(row.metric).formula, trail[row.metric]
            trials = [top] if top.formula == formula or not top.inputs else [trail[key] for key in top.inputs]
            assert all(formula in (step.formula or step.source or "") for step in trials), row.metric


def test_a_throughput_is_derived_down_to_items_steps_and_seconds() -> None:
    case = rows()[0].case
    text = explain(rows(), case, "throughput")
    assert text.startswith("Throughput: ")
    for words in ("median of the trials", "items of a step", "steps of the window", "wall time of the window", "trial 0"):
        assert words in text


def test_unknown_names_and_missing_values_are_said_in_one_line() -> None:
    case = rows()[0].case
    with pytest.raises(UsageError, match="Did you mean throughput"):
        explain(rows(), case, "troughput")
    with pytest.raises(UsageError, match="no case 'nothing'"):
        explain(rows(), "nothing", "throughput")
    missing = next(row for row in rows() if row.value is None)
    with pytest.raises(UsageError, match="is unknown: "):
        explain(rows(), missing.case, missing.metric)


def test_explain_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    case = rows()[0].case
    assert main(["show", SAMPLE, "--explain", case, "step_time"]) == 0
    assert "number of step times" in capsys.readouterr().out
    assert main(["show", SAMPLE, "--explain", case, "step_time", "--json"]) == 2
    assert "--explain" in capsys.readouterr().err

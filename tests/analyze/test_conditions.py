"""Two runs that met the machine in different conditions decide nothing in that direction, and the condition is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.analyze.compare import Change, RunComparison, _machine_notes, change_of, compare
from aigc_bench.analyze.conditions import Condition, changed
from aigc_bench.analyze.metrics import METRICS
from aigc_bench.measure.store import Run
from tests.analyze.synthetic import make_run

NOISE = (1.0, 1.002, 0.998, 1.001, 0.999)


def run(folder: Path, *, step_s: float, busy: float, steal: float = 0.0) -> Run:
    """Five trials on a machine that is ``busy`` in all, the worker's own share included."""
    host = {("host", "host", "cpu_utilization"): busy, ("host", "host", "cpu_steal"): steal}
    return make_run(folder, trials=5, step_s=lambda case, trial: step_s * NOISE[trial], telemetry=host)


def against(tmp_path: Path, *, step_s: float, busy: float, steal: float = 0.0) -> RunComparison:
    base = run(tmp_path / "base", step_s=0.1, busy=0.3)
    return compare(base, [run(tmp_path / "other", step_s=step_s, busy=busy, steal=steal)], fail_above=0.05).others[0]


def test_identical_code_next_to_a_new_neighbour_is_no_regression_and_the_neighbour_is_named(tmp_path: Path) -> None:
    found = against(tmp_path, step_s=0.3, busy=0.8)
    assert not found.regressions
    assert {change.finding for change in found.changes if abs(change.effect) > 0.1} == {"undecided"}
    (note,) = (note for note in found.notes if "undecided" in note)
    assert "others' share of the CPU" in note


def test_steal_between_the_runs_is_named_too(tmp_path: Path) -> None:
    found = against(tmp_path, step_s=0.13, busy=0.3, steal=0.05)
    assert not found.regressions
    assert any("steal" in note and "then" in note for note in found.notes)


def test_a_neighbour_who_was_there_both_times_hides_no_regression(tmp_path: Path) -> None:
    found = against(tmp_path, step_s=0.13, busy=0.33)
    assert found.regressions
    assert not any("undecided" in note for note in found.notes)


def test_a_gain_in_spite_of_a_new_neighbour_is_a_gain(tmp_path: Path) -> None:
    assert "better" in {change.finding for change in against(tmp_path, step_s=0.07, busy=0.8).changes}


@given(st.floats(0.001, 0.05), st.floats(-0.4, 0.4), st.floats(0.5, 2.0))
def test_a_reference_that_moved_by_half_of_the_effect_or_by_a_tenth_has_changed(base: float, effect: float, factor: float) -> None:
    kernel = Condition(name="reference kernel", unit="s", base=base, other=base * factor)
    moved = abs(factor - 1)
    if moved > max(0.1, abs(effect) / 2) * 1.001:
        assert changed([kernel], effect=effect) == (kernel,)
    if moved < min(0.1, abs(effect) / 2) * 0.999:
        assert changed([kernel], effect=effect) == ()


@pytest.mark.parametrize(("name", "small", "large"), [("others' share of the CPU", 0.09, 0.11), ("steal", 0.015, 0.025)])
def test_shares_have_their_bounds_in_points(name: str, small: float, large: float) -> None:
    for difference, is_changed in ((small, False), (-small, False), (large, True), (-large, True)):
        condition = Condition(name=name, unit="fraction", base=0.5, other=0.5 + difference)
        assert bool(changed([condition], effect=0.2)) is is_changed


def test_of_several_changes_the_widest_difference_of_a_condition_is_named() -> None:
    """Two undecided losses: others took 50 % more of the CPU during one, 20 % more during the other, from a higher level."""

    def change(metric: str, base: float, other: float) -> Change:
        found = change_of([1.0, 1.001, 0.999], [0.5, 0.501, 0.499], case="c", metric=METRICS[metric])
        condition = Condition(name="others' share of the CPU", unit="fraction", base=base, other=other)
        return found.model_copy(update={"conditions": (condition,)})

    (note,) = _machine_notes([change("throughput", 0.1, 0.6), change("throughput_useful", 0.7, 0.9)])
    assert note.startswith("2 change(s) undecided") and "10.0 %, then 60.0 %" in note

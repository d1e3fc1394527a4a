"""A machine that was slower or restless is said, and the corrected throughput is a row of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_bench.analyze.compare import Change, compare
from aigc_bench.analyze.rows import metric_rows
from aigc_bench.core.records import MetricRow, ReferenceKernel, TrialResult
from aigc_bench.measure.store import Run
from tests.analyze.synthetic import make_run, make_system

QUIET = (0.001,) * 18 + (0.00101, 0.00102)


def with_kernel(times_of: Callable[[int], tuple[float, ...]]) -> Callable[[TrialResult], TrialResult]:
    def change(trial: TrialResult) -> TrialResult:
        times = times_of(trial.trial)
        return trial.model_copy(update={"reference": ReferenceKernel(before_s=times, after_s=times)})

    return change


def rows(folder: Path, *, times_of: Callable[[int], tuple[float, ...]], slow: float = 1.0) -> dict[str, MetricRow]:
    """Three trials; the steps of the last take ``slow`` times as long."""
    run = make_run(folder, step_s=lambda case, trial: 0.1 * (slow if trial == 2 else 1.0), change=with_kernel(times_of))
    return {row.metric: row for row in metric_rows(run)}


def test_a_quiet_machine_gives_no_reason_and_the_same_throughput(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", times_of=lambda trial: QUIET)
    assert not {"noisy_host", "reference_shifted"} & set(found["throughput"].reasons)
    assert found["throughput_drift_corrected"].value == pytest.approx(found["throughput"].value)


def test_a_machine_that_slowed_for_one_trial_is_said_and_corrected_in_a_row_of_its_own(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", times_of=lambda trial: tuple((1.3 if trial == 2 else 1.0) * t for t in QUIET), slow=1.3)
    plain, corrected = found["throughput"], found["throughput_drift_corrected"]
    assert "reference_shifted" in plain.reasons and plain.verdict == "suspect"
    assert corrected.low is not None and corrected.high is not None and plain.low is not None and plain.high is not None
    assert corrected.high - corrected.low < 0.01 * (plain.high - plain.low)
    assert found["step_time"].value == pytest.approx(0.1)


def test_a_restless_kernel_is_a_noisy_host(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", times_of=lambda trial: (0.001,) * 16 + (0.005,) * 4)
    assert "noisy_host" in found["throughput"].reasons


def test_a_trial_without_the_kernel_has_no_corrected_row(tmp_path: Path) -> None:
    found = {row.metric for row in metric_rows(make_run(tmp_path / "run"))}
    assert "throughput" in found and "throughput_drift_corrected" not in found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(factors=st.lists(st.floats(0.5, 3.0), min_size=3, max_size=3))
def test_the_typical_trial_keeps_its_throughput_and_slower_ones_gain(
    tmp_path_factory: pytest.TempPathFactory, factors: list[float]
) -> None:
    found = rows(tmp_path_factory.mktemp("drift") / "run", times_of=lambda trial: tuple(factors[trial] * t for t in QUIET))
    plain, corrected = found["throughput"].value, found["throughput_drift_corrected"].value
    assert corrected == pytest.approx(plain, rel=1e-9)
    assert ("reference_shifted" in found["throughput"].reasons) == (max(factors) / sorted(factors)[1] > 1.05)


def test_one_boosted_trial_puts_no_other_under_suspicion(tmp_path: Path) -> None:
    found = rows(tmp_path / "run", times_of=lambda trial: tuple((0.8 if trial == 0 else 1.0) * t for t in QUIET))
    assert "reference_shifted" not in found["throughput"].reasons


def compared(tmp_path: Path, *, slower: float, kernel: float) -> tuple[Change, ...]:
    """Two runs of five trials: the second's steps take ``slower`` times as long, its reference kernel ``kernel`` times."""

    def run(name: str, factor: float, speed: float) -> Run:
        noise = (1.0, 1.002, 0.998, 1.001, 0.999)
        return make_run(
            tmp_path / name,
            trials=5,
            step_s=lambda case, trial: 0.1 * factor * noise[trial],
            change=with_kernel(lambda trial: tuple(speed * t for t in QUIET)),
        )

    return compare(run("base", 1.0, 1.0), [run("other", slower, kernel)], fail_above=0.05).others[0].changes


def test_a_loss_that_the_machine_shared_is_no_regression_and_says_so(tmp_path: Path) -> None:
    for change in compared(tmp_path, slower=1.2, kernel=1.2):
        assert change.finding == "undecided" and not change.is_regression and change.is_machines


def test_a_loss_next_to_a_steady_kernel_is_a_regression(tmp_path: Path) -> None:
    throughput = next(c for c in compared(tmp_path, slower=1.2, kernel=1.01) if c.metric == "throughput")
    assert throughput.finding == "worse" and throughput.is_regression
    assert throughput.conditions == ()


def test_a_gain_on_a_slower_machine_is_still_a_gain(tmp_path: Path) -> None:
    assert {change.finding for change in compared(tmp_path, slower=0.8, kernel=1.2)} == {"better"}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, {"reference kernel"}),
        ({"software": {"torch": "2.14"}}, set()),
        ({"software": {"torch": "2.13", "diffusers": "1"}}, {"reference kernel"}),
        ({"cpu_model": "Another CPU"}, set()),
    ],
)
def test_the_reference_kernel_is_compared_only_where_it_is_the_same_code_on_the_same_hardware(
    tmp_path: Path, changes: dict[str, object], names: set[str]
) -> None:
    def run(name: str, factor: float, **system: object) -> Run:
        times = with_kernel(lambda trial: tuple(factor * seconds for seconds in QUIET))
        return make_run(tmp_path / name, step_s=0.1 * factor, change=times, system=make_system(**system))

    found = compare(run("base", 1.0), [run("other", 1.5, **changes)]).others[0]
    assert {condition.name for change in found.changes for condition in change.conditions} == names

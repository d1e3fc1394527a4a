"""False alarms, power, ranking, regression: on simulated trials and on synthetic runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc_bench.analyze.compare import Change, change_of, compare, decide, detectable_effect, differing_keys
from aigc_bench.analyze.metrics import METRICS
from aigc_bench.measure.store import Run
from tests.analyze.synthetic import GPU, make_case, make_run, make_system
from tests.analyze.test_verdicts import gpu_with

THROUGHPUT = METRICS["throughput"]


def simulated(*, pairs: int, trials: int, cv: tuple[float, float], shift: float, seed: int = 0) -> list[Change]:
    """Decided changes of pairs of runs; the other run's rate is ``shift`` higher, the trial CV is uniform in ``cv``."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(pairs):
        spread = generator.uniform(*cv) * 100.0
        base, other = generator.normal(100.0, spread, trials), generator.normal(100.0 * (1 + shift), spread, trials)
        found += decide([change_of(list(base), list(other), case="case", metric=THROUGHPUT)], fail_above=0.0)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_identical_code_gives_at_most_one_percent_false_alarms_at_five_trials(seed: int) -> None:
    changes = simulated(pairs=200, trials=5, cv=(0.005, 0.02), shift=0.0, seed=seed)
    assert sum(change.finding in ("better", "worse") for change in changes) <= 2


@pytest.mark.parametrize("seed", range(3))
def test_three_percent_is_found_in_nine_pairs_of_ten_at_ten_trials(seed: int) -> None:
    changes = simulated(pairs=200, trials=10, cv=(0.01, 0.01), shift=0.03, seed=seed)
    assert sum(change.finding == "better" for change in changes) >= 180


def test_a_whole_family_of_unchanged_metrics_raises_no_alarm() -> None:
    generator = np.random.default_rng(5)
    alarms = 0
    for _ in range(50):
        pairs = [(generator.normal(100, 1, 5), generator.normal(100, 1, 5)) for _ in range(40)]
        changes = decide([change_of(list(a), list(b), case=str(i), metric=THROUGHPUT) for i, (a, b) in enumerate(pairs)])
        alarms += any(change.finding in ("better", "worse") for change in changes)
    assert alarms <= 2


def test_the_minimum_detectable_effect_is_detected_in_nine_pairs_of_ten() -> None:
    generator = np.random.default_rng(1)
    effect = float(np.median([detectable_effect(*generator.normal(100, 2, (2, 10))) or 0 for _ in range(200)]))
    changes = simulated(pairs=400, trials=10, cv=(0.02, 0.02), shift=effect, seed=2)
    assert 0.84 <= np.mean([change.finding == "better" for change in changes]) <= 0.97


def test_a_small_effect_is_no_finding_however_certain() -> None:
    change = decide([change_of([100.0, 100.01, 99.99], [101.0, 101.01, 100.99], case="case", metric=THROUGHPUT)])[0]
    assert change.p is not None and change.p < 1e-6
    assert change.finding == "same"


def test_one_trial_decides_nothing() -> None:
    change = decide([change_of([100.0], [50.0], case="case", metric=THROUGHPUT)], fail_above=0.05)[0]
    assert (change.p, change.finding, change.is_regression) == (None, "undecided", False)


def run_of(folder: Path, name: str, *, step_s: float = 0.1, **kwargs: Any) -> Run:
    """Five trials that differ by 0.2 % from each other."""
    seed = sum(map(ord, name))
    jitter = np.random.default_rng(seed).normal(1, 0.002, 5)
    return make_run(folder / name, trials=5, step_s=lambda case, trial: step_s * float(jitter[trial]), **kwargs)


def test_a_run_compared_with_its_like_is_no_regression(tmp_path: Path) -> None:
    found = compare(run_of(tmp_path, "a"), [run_of(tmp_path, "b")], fail_above=0.05)
    assert not found.has_regression
    assert found.others[0].kind == "regression_test"
    assert found.others[0].throughput_ratio == pytest.approx(1.0, abs=0.005)
    assert {change.finding for change in found.others[0].changes} == {"same"}


def test_a_slower_run_is_a_regression_above_the_threshold_only(tmp_path: Path) -> None:
    base, slow = run_of(tmp_path, "a"), run_of(tmp_path, "slow", step_s=0.108)
    assert compare(base, [slow], fail_above=0.05).has_regression
    assert not compare(base, [slow], fail_above=0.10).has_regression
    assert not compare(base, [slow]).has_regression
    worse = {change.metric for change in compare(base, [slow]).others[0].changes if change.finding == "worse"}
    assert {"throughput", "step_time", "latency_p50", "ttft", "tpot"} <= worse


def test_a_faster_run_is_better_and_never_a_regression(tmp_path: Path) -> None:
    found = compare(run_of(tmp_path, "a"), [run_of(tmp_path, "fast", step_s=0.05)], fail_above=0.0)
    assert not found.has_regression
    assert {change.finding for change in found.others[0].changes} == {"better"}
    assert found.others[0].throughput_ratio == pytest.approx(2.0, rel=0.01)


def test_other_hardware_is_a_ranking_and_names_the_keys(tmp_path: Path) -> None:
    base = run_of(tmp_path, "a")
    other = run_of(tmp_path, "b", step_s=0.2, system=make_system(cpu_model="Another CPU", software={"torch": "2.14"}))
    found = compare(base, [other], fail_above=0.05).others[0]
    assert found.kind == "ranking"
    assert [difference.key for difference in found.differing] == ["cpu_model", "software.torch"]
    assert found.regressions == ()
    assert found.throughput_ratio == pytest.approx(0.5, rel=0.01)


def test_other_software_is_still_a_regression_test_that_says_so(tmp_path: Path) -> None:
    found = compare(run_of(tmp_path, "a"), [run_of(tmp_path, "b", system=make_system(software={"torch": "2.14"}))]).others[0]
    assert found.kind == "regression_test"
    assert [(d.key, d.base, d.other) for d in found.differing] == [("software.torch", "2.13", "2.14")]


def test_invalid_numbers_are_no_regression(tmp_path: Path) -> None:
    base = run_of(tmp_path, "a", devices=(GPU,), telemetry=gpu_with())
    hot = run_of(tmp_path, "b", step_s=0.2, devices=(GPU,), telemetry=gpu_with(throttle_reasons=64.0))
    found = compare(base, [hot], fail_above=0.05).others[0]
    assert found.regressions == ()
    assert found.throughput_ratio is None
    assert {change.verdict for change in found.changes if change.metric == "throughput"} == {"invalid"}


def test_cases_in_one_run_only_are_named(tmp_path: Path) -> None:
    shared, gone, new = make_case(), make_case(workload="bert"), make_case(workload="vae")
    found = compare(run_of(tmp_path, "a", cases=[shared, gone]), [run_of(tmp_path, "b", cases=[shared, new])]).others[0]
    assert (found.only_in_base, found.only_in_other) == ((gone.id,), (new.id,))


def test_the_same_run_differs_in_no_key(tmp_path: Path) -> None:
    run = run_of(tmp_path, "a")
    assert differing_keys(run.info, run.info) == ()


def test_software_of_one_run_only_is_a_difference_with_a_missing_side(tmp_path: Path) -> None:
    more, less = ({"torch": "2.13", "diffusers": "0.42"}, {"torch": "2.13"})
    base, other = (run_of(tmp_path, name, system=make_system(software=software)) for name, software in (("a", more), ("b", less)))
    key = "software.diffusers"
    assert [(d.key, d.base, d.other, d.is_hardware) for d in differing_keys(base.info, other.info)] == [(key, "0.42", None, False)]
    assert [(d.key, d.base, d.other, d.is_hardware) for d in differing_keys(other.info, base.info)] == [(key, None, "0.42", False)]


def test_differences_of_the_hardware_come_first(tmp_path: Path) -> None:
    base = run_of(tmp_path, "a", system=make_system(software={"torch": "2.13"}))
    other = run_of(tmp_path, "b", system=make_system(software={"torch": "2.14"}, cpu_model="Another CPU", kernel="7.0"))
    assert [d.key for d in differing_keys(base.info, other.info)] == ["cpu_model", "kernel", "software.torch"]


@pytest.mark.parametrize(
    ("base", "other", "finding"),
    # no detectable difference; a wide spread that could hide one; one that is wide but whose effect would show
    [
        ([100.0, 100.1, 99.9], [100.0, 100.1, 99.9], "same"),
        ([100.0, 110.0, 90.0], [100.0, 111.0, 90.0], "undecided"),
        ([100.0], [100.0], "undecided"),
    ],
)
def test_where_a_true_change_could_hide_nothing_is_decided(base: list[float], other: list[float], finding: str) -> None:
    (change,) = decide([change_of(base, other, case="case", metric=THROUGHPUT)])
    assert change.finding == finding


def test_the_smallest_change_that_would_be_found_by_hand() -> None:
    """Two sets of four with a variance of 2/3 each: standard error 1 / sqrt(3) with 6 degrees of freedom, t(0.995) + t(0.9)."""
    base = [9.0, 10.0, 10.0, 11.0]
    expected = (3.7074 + 1.4398) / 3**0.5 / 10
    assert detectable_effect(base, base) == pytest.approx(expected, rel=1e-4)
    assert detectable_effect([-value for value in base], base) == pytest.approx(expected, rel=1e-4)
    assert detectable_effect([10.0] * 4, [10.0] * 4) == 0.015
    assert detectable_effect([10.0], base) is None and detectable_effect(base, [10.0]) is None


def test_a_change_tells_both_medians_and_how_many_trials_made_them() -> None:
    change = change_of([1.0, 2.0, 9.0], [4.0, 3.0], case="case", metric=METRICS["step_time"], verdict="suspect")
    assert (change.base, change.other, change.effect) == (2.0, 3.5, 0.75)
    assert (change.num_base, change.num_other, change.unit, change.better) == (3, 2, "s", "lower")
    assert (change.case, change.metric, change.verdict, change.finding) == ("case", "step_time", "suspect", "undecided")
    assert change.loss == 0.75 and change_of([2.0], [3.5], case="case", metric=THROUGHPUT).loss == -0.75


def test_another_unit_of_the_accelerator_and_another_host_are_noted(tmp_path: Path) -> None:
    base = run_of(tmp_path, "a", devices=(GPU,))
    twin = run_of(tmp_path, "b", devices=(GPU.replace("0", "1"),))
    away = run_of(tmp_path, "c", system=make_system(devices=(GPU,), host_id="elsewhere"), devices=(GPU,))
    none = run_of(tmp_path, "d")
    notes = [found.notes for found in compare(base, [twin, away, none, base]).others]
    assert ["other units" in " ".join(one) for one in notes] == [True, False, False, False]
    assert ["another host" in " ".join(one) for one in notes] == [False, True, False, False]


def test_details_of_devices_are_keys_of_the_hardware(tmp_path: Path) -> None:
    def with_limit(name: str, watts: float | None) -> Run:
        system = make_system(devices=(GPU,))
        device = system.accelerators[0].model_copy(update={"details": {} if watts is None else {"power_limit_w": watts}})
        return run_of(tmp_path, name, system=system.model_copy(update={"accelerators": (device,)}), devices=(GPU,))

    base, low, silent = with_limit("a", 700.0), with_limit("b", 500.0), with_limit("c", None)
    assert [(d.key, d.base, d.other) for d in differing_keys(base.info, low.info)] == [("power_limits_w", "700.0", "500.0")]
    assert [(d.key, d.base, d.other) for d in differing_keys(base.info, silent.info)] == [("power_limits_w", "700.0", None)]
    assert compare(base, [low]).others[0].kind == "ranking"

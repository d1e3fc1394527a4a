"""The ledger: shares of the window's wall time that add to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_bench.analyze.rows import analyses
from aigc_bench.analyze.waste_ledger import WasteLedger, ledger_of
from aigc_bench.core.records import Case, Stage, TrialResult, Work
from tests.analyze.synthetic import GPU, make_run
from tests.analyze.test_verdicts import gpu_with


def ledger(folder: Path, **kwargs: Any) -> WasteLedger:
    found = [ledger_of(one) for one in analyses(make_run(folder / "run", **kwargs))]
    assert len(found) == 1
    return found[0]


def shrink(factor: float) -> Any:
    def change(trial: TrialResult) -> TrialResult:
        assert trial.steps is not None
        shorter = tuple(duration * factor for duration in trial.steps.duration_s)
        return trial.model_copy(update={"steps": trial.steps.model_copy(update={"duration_s": shorter})})

    return change


def with_stages(case: Case) -> Work:
    stages = (Stage(name="data_loading"), Stage(name="forward"), Stage(name="all_reduce"), Stage(name="optimizer", items=1))
    return Work(item="sample", stages=stages, useful_fraction=0.75)


def test_every_loss_of_a_case_is_found(tmp_path: Path) -> None:
    signals = gpu_with(gpu_utilization=0.45, throttle_reasons=64.0, sm_clock_hz=lambda t: 2e9 if t < 3 else 1.5e9)
    found = ledger(tmp_path, devices=(GPU,), telemetry=signals, work=with_stages, change=shrink(0.9))
    left = 0.9
    assert found.share("launch_gap") == pytest.approx(0.1)
    assert found.share("data_loading") == pytest.approx(left / 4)
    assert found.share("collectives") == pytest.approx(left / 4)
    assert found.share("idle") == pytest.approx(left / 2 * 0.5)
    assert found.share("throttling") == pytest.approx(left / 4 * 0.25)
    assert found.share("padding") == pytest.approx(left / 4 * 0.75 * 0.25)
    assert found.share("useful") == pytest.approx(left / 4 * 0.75 * 0.75)
    assert sum(line.share or 0.0 for line in found.shares) == pytest.approx(1.0)


def test_what_no_sensor_can_tell_is_unknown_not_zero(tmp_path: Path) -> None:
    found = ledger(tmp_path)
    assert found.share("idle") is None
    assert found.share("throttling") is None
    assert all(line.reason for line in found.shares if line.share is None)
    assert found.share("useful") == pytest.approx(1.0)


def test_a_failed_case_has_no_ledger(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=0)
    assert [ledger_of(one) for one in analyses(run)] == [None]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(factor=st.floats(0.05, 1.0), busy=st.floats(0.0, 1.0), useful=st.just(0.0) | st.floats(1e-9, 1.0))
def test_shares_are_never_negative_and_add_to_one(
    tmp_path_factory: pytest.TempPathFactory, factor: float, busy: float, useful: float
) -> None:
    found = ledger(
        tmp_path_factory.mktemp("ledger"),
        trials=1,
        num_steps=10,
        devices=(GPU,),
        telemetry=gpu_with(gpu_utilization=busy),
        change=shrink(factor),
        work=lambda case: with_stages(case).model_copy(update={"useful_fraction": useful}),
    )
    shares = [line.share for line in found.shares if line.share is not None]
    assert min(shares) >= 0.0
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(("trials", "slowest_first"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_the_median_trial_is_shown_and_of_two_the_slower(tmp_path: Path, trials: int, slowest_first: int) -> None:
    step_s = [0.1, 0.14, 0.12, 0.18, 0.16][:trials]
    found = ledger(tmp_path, trials=trials, num_steps=10, step_s=lambda case, trial: step_s[trial], noise=0.0)
    assert found.wall_s == pytest.approx(10 * sorted(step_s, reverse=True)[slowest_first])
    assert sum(line.duration_s or 0.0 for line in found.shares) == pytest.approx(found.wall_s)


@pytest.mark.parametrize(
    ("signals", "share", "reason"),
    [({"throttle_reasons": 0.0}, 0.0, None), ({"throttle_reasons": None}, None, "throttle_unknown")],
)
def test_a_device_that_was_not_braked_lost_nothing_and_one_that_does_not_say_is_unknown(
    tmp_path: Path, signals: dict[str, Any], share: float | None, reason: str | None
) -> None:
    found = ledger(tmp_path, devices=(GPU,), telemetry=gpu_with(**signals))
    line = next(line for line in found.shares if line.kind == "throttling")
    assert (line.share, line.duration_s, line.reason) == (share, share, reason)


def test_a_braked_device_whose_clock_is_not_read_has_an_unknown_loss(tmp_path: Path) -> None:
    found = ledger(tmp_path, devices=(GPU,), telemetry=gpu_with(throttle_reasons=64.0, sm_clock_hz=None))
    line = next(line for line in found.shares if line.kind == "throttling")
    assert (line.share, line.reason) == (None, "no_clock_sensor")


@pytest.mark.parametrize("count", [1, 2])
def test_idle_is_the_mean_over_the_devices_within_the_time_that_steps_were_under_way(tmp_path: Path, count: int) -> None:
    other = GPU.replace("0000", "1111", 1)
    devices = (GPU, other)[:count]
    busy = {("nvml", device, "gpu_utilization"): share for device, share in zip(devices, (0.6, 0.2), strict=False)}
    found = ledger(tmp_path, devices=devices, telemetry={**gpu_with(), **busy}, change=shrink(0.8))
    mean = 0.6 if count == 1 else 0.4
    assert found.share("idle") == pytest.approx(0.8 * (1 - mean / 0.8))


def test_without_times_of_steps_the_launch_gap_is_unknown_and_stages_share_the_whole_window(tmp_path: Path) -> None:
    found = ledger(tmp_path, work=with_stages, change=lambda trial: trial.model_copy(update={"steps": None}))
    assert found.share("launch_gap") is None
    assert (found.share("data_loading"), found.share("collectives")) == (pytest.approx(0.25), pytest.approx(0.25))


@pytest.mark.parametrize(("useful", "padding"), [(1.5, 0.0), (-0.5, 1.0)])
def test_padding_is_never_less_than_nothing_and_never_more_than_what_is_left(tmp_path: Path, useful: float, padding: float) -> None:
    def odd(case: Case) -> Work:
        return with_stages(case).model_copy(update={"useful_fraction": useful, "stages": (Stage(name="forward", items=1),)})

    found = ledger(tmp_path, work=odd)
    assert (found.share("padding"), found.share("useful")) == (pytest.approx(padding), pytest.approx(1 - padding))


def test_idle_time_of_a_device_that_does_not_tell_its_use_is_unknown(tmp_path: Path) -> None:
    found = ledger(tmp_path, devices=(GPU,), telemetry=gpu_with(gpu_utilization=None))
    line = next(line for line in found.shares if line.kind == "idle")
    assert (line.share, line.reason) == (None, "no_utilization_sensor")


def test_stages_that_took_no_time_have_no_share_of_it(tmp_path: Path) -> None:
    def timeless(trial: TrialResult) -> TrialResult:
        assert trial.samples is not None
        none = trial.samples.model_copy(update={"duration_s": (0.0,) * len(trial.samples.duration_s)})
        return trial.model_copy(update={"samples": none})

    found = ledger(tmp_path, work=with_stages, change=timeless)
    assert (found.share("data_loading"), found.share("collectives")) == (0.0, 0.0)

"""Each rule: healthy conditions say nothing, spoiled ones give the code and the verdict of the numbers it concerns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.analyze.metrics import METRICS
from aigc_bench.analyze.reason_codes import REASONS, concerning, ordered, verdict
from aigc_bench.analyze.rows import case_summaries, metric_rows
from aigc_bench.core.records import TrialResult
from aigc_bench.core.run_records import AcceleratorInfo
from tests.analyze.synthetic import GPU, Signals, make_run, make_system
from tests.analyze.test_rows import HEALTHY_GPU

HEALTHY_HOST: dict[tuple[str, str, str], Any] = {
    ("host", "host", "cpu_utilization"): 0.5,
    ("host", "host", "cpu_steal"): 0.0,
    ("host", "host", "run_queue"): 1.0,
    ("host", "host", "swap_in_pages"): 1000.0,
    ("host", "host", "swap_out_pages"): 1000.0,
    ("host", "host", "cgroup_throttled_s"): 12.0,
}


def reasons_with(folder: Path, *, telemetry: Signals = HEALTHY_HOST, **kwargs: Any) -> tuple[str, ...]:
    return case_summaries(make_run(folder / "run", telemetry=telemetry, **kwargs))[0].reasons


def gpu_with(**changed: Any) -> dict[tuple[str, str, str], Any]:
    return HEALTHY_GPU | {("nvml", GPU, metric): value for metric, value in changed.items()}


def host_with(**changed: Any) -> dict[tuple[str, str, str], Any]:
    return HEALTHY_HOST | {("host", "host", metric): value for metric, value in changed.items()}


def test_a_quiet_host_gives_no_reason(tmp_path: Path) -> None:
    assert reasons_with(tmp_path) == ()


def test_a_healthy_device_gives_no_reason(tmp_path: Path) -> None:
    assert reasons_with(tmp_path, telemetry=gpu_with(), devices=(GPU,)) == ()


@pytest.mark.parametrize("mask", [0x08, 0x20, 0x40, 0x80, 0x24, 0x41])
def test_heat_or_a_brake_makes_the_numbers_invalid(tmp_path: Path, mask: int) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=gpu_with(throttle_reasons=float(mask)))
    rows = {row.metric: row for row in metric_rows(run)}
    assert (rows["throughput"].verdict, rows["throughput"].reasons[0]) == ("invalid", "throttled")
    assert rows["power_mean"].verdict == "invalid"
    assert rows["memory_host_peak"].verdict == "valid"


@pytest.mark.parametrize("mask", [0x00, 0x01, 0x02, 0x10, 0x100])
def test_idle_application_clocks_and_sync_boost_are_no_throttling(tmp_path: Path, mask: int) -> None:
    assert reasons_with(tmp_path, devices=(GPU,), telemetry=gpu_with(throttle_reasons=float(mask))) == ()


def test_a_power_cap_is_a_note_that_leaves_the_number_valid(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=gpu_with(throttle_reasons=4.0))
    row = next(row for row in metric_rows(run) if row.metric == "throughput")
    assert (row.verdict, row.reasons) == ("valid", ("power_capped",))


def test_a_throttling_device_marks_a_case_that_ran_on_the_cpu(tmp_path: Path) -> None:
    assert "throttled" in reasons_with(tmp_path, telemetry=gpu_with(throttle_reasons=64.0))


def test_a_brief_touch_of_the_brake_is_forgiven(tmp_path: Path) -> None:
    touch = gpu_with(throttle_reasons=lambda t: 64.0 if 9.0 <= t < 9.05 else 0.0)
    assert reasons_with(tmp_path, devices=(GPU,), telemetry=touch, num_steps=200) == ()


def test_only_the_window_is_judged_not_the_time_around_it(tmp_path: Path) -> None:
    assert (
        reasons_with(tmp_path, devices=(GPU,), trials=3, telemetry=gpu_with(throttle_reasons=lambda t: 64.0 if t < 6 else 0.0))
        == ()
    )


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        (gpu_with(num_foreign_processes=1.0), "foreign_process"),
        (gpu_with(throttle_reasons=None), "throttle_unknown"),
        (gpu_with(sm_clock_hz=lambda t: 1.2e9 if int(t) % 2 else 1.98e9), "clock_varied"),
        (gpu_with(energy_j=lambda t: 600.0 * t), "energy_sources_disagree"),
        (gpu_with(energy_j=None), "sensor_in_phase"),
    ],
)
def test_conditions_of_the_device_are_reported(tmp_path: Path, signals: Mapping[tuple[str, str, str], Any], code: str) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=signals)
    codes = {code for row in metric_rows(run) for code in row.reasons}
    assert code in codes


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        (host_with(cpu_utilization=0.95), "busy_host"),
        (host_with(run_queue=9.0), "noisy_host"),
        (host_with(cpu_steal=0.04), "steal"),
        (host_with(cgroup_throttled_s=lambda t: 0.2 * t), "cgroup_throttled"),
        (host_with(swap_out_pages=lambda t: 1000.0 * t), "swapping"),
        ({}, "no_telemetry"),
    ],
)
def test_conditions_of_the_host_are_reported(tmp_path: Path, signals: Mapping[tuple[str, str, str], Any], code: str) -> None:
    assert code in reasons_with(tmp_path, telemetry=signals)


def _warm(trial: TrialResult) -> TrialResult:
    assert trial.warmup is not None
    return trial.model_copy(update={"warmup": trial.warmup.model_copy(update={"converged": False})})


def _gap(trial: TrialResult) -> TrialResult:
    assert trial.steps is not None
    return trial.model_copy(
        update={"steps": trial.steps.model_copy(update={"duration_s": tuple(d * 0.9 for d in trial.steps.duration_s)})}
    )


def _cap(trial: TrialResult) -> TrialResult:
    assert trial.window is not None
    return trial.model_copy(update={"window": trial.window.model_copy(update={"stop_reason": "time_cap"})})


def _infinite(trial: TrialResult) -> TrialResult:
    return trial.model_copy(update={"check": {"finite": False}})


@pytest.mark.parametrize(
    ("change", "code"),
    [(_warm, "warmup_not_converged"), (_gap, "host_bound"), (_cap, "window_not_converged"), (_infinite, "check_failed")],
)
def test_conditions_of_the_trial_are_reported(tmp_path: Path, change: Any, code: str) -> None:
    assert reasons_with(tmp_path, change=change) == (code,)


def test_few_or_short_steps_are_a_short_window(tmp_path: Path) -> None:
    assert reasons_with(tmp_path, num_steps=4, step_s=1.0) == ("short_window",)


def test_trials_that_scatter_are_unstable_and_ungraded(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", telemetry=HEALTHY_HOST, trials=5, step_s=lambda case, trial: 0.1 * (1 + 0.1 * (trial % 2)))
    summary = case_summaries(run)[0]
    assert (summary.grade, summary.reasons, summary.verdict) == ("unstable", ("unstable",), "suspect")


def test_the_worst_reason_decides_and_comes_first() -> None:
    assert verdict(["n_too_small", "power_capped"]) == "valid"
    assert verdict(["power_capped", "host_bound"]) == "suspect"
    assert verdict(["host_bound", "throttled"]) == "invalid"
    assert ordered(["power_capped", "host_bound", "throttled", "host_bound"]) == ("throttled", "host_bound", "power_capped")


def test_every_reason_has_a_meaning_and_a_remedy_and_concerns_something() -> None:
    for code, reason in REASONS.items():
        assert code == reason.code
        assert reason.meaning and reason.remedy.endswith(".") and reason.concerns


def test_a_throttled_clock_does_not_touch_memory() -> None:
    assert concerning(["throttled"], metric=METRICS["throughput"]) == ("throttled",)
    assert concerning(["throttled"], metric=METRICS["memory_host_peak"]) == ()


@pytest.mark.parametrize(("queue", "is_noisy"), [(3.0, False), (3.1, True)])
def test_more_runnable_threads_than_cores_and_one_are_a_noisy_host(tmp_path: Path, queue: float, is_noisy: bool) -> None:
    """Two cores, the trial's own thread included."""
    assert ("noisy_host" in reasons_with(tmp_path, telemetry=host_with(run_queue=queue))) == is_noisy


@pytest.mark.parametrize(("num_samples", "num_lost", "is_lost"), [(990, 10, False), (989, 11, True), (0, 1, True), (0, 0, False)])
def test_more_than_a_hundredth_of_the_samplers_readings_lost_is_reported(
    tmp_path: Path, num_samples: int, num_lost: int, is_lost: bool
) -> None:
    run = make_run(tmp_path / "run", telemetry=HEALTHY_HOST)
    assert run.info.sampler is not None
    report = run.info.sampler.model_copy(update={"num_samples": num_samples, "num_lost": num_lost})
    changed = dataclasses.replace(run, info=run.info.model_copy(update={"sampler": report}))
    assert ("telemetry_lost" in case_summaries(changed)[0].reasons) == is_lost
    unknown = dataclasses.replace(run, info=run.info.model_copy(update={"sampler": None}))
    assert "telemetry_lost" not in case_summaries(unknown)[0].reasons


@pytest.mark.parametrize(("mask", "verdict"), [(0x40, "invalid"), (0x00, "valid")])
def test_an_instance_of_a_divided_gpu_is_throttled_where_the_gpu_is(tmp_path: Path, mask: int, verdict: str) -> None:
    """NVML reports throttle reasons, temperature and clocks of the whole GPU only."""
    instance = "MIG-1"
    info = AcceleratorInfo(index=0, name="NVIDIA A100 MIG 3g.40gb", uuid=instance, backend="cuda", details={"mig_parent": GPU})
    system = make_system().model_copy(update={"accelerators": (info,)})
    run = make_run(tmp_path / "run", devices=(instance,), system=system, telemetry=gpu_with(throttle_reasons=float(mask)))
    throughput = next(row for row in metric_rows(run) if row.metric == "throughput")
    assert throughput.verdict == verdict, throughput.reasons


@pytest.mark.parametrize(
    ("environment", "reason", "expected"),
    [
        ({"cuda_graphs_skipped": 2, "graph_breaks": 0}, "cuda_graphs_skipped", "suspect"),
        ({"recompilations_in_window": 1}, "compiled_in_window", "suspect"),
        ({"graph_breaks": 3, "graph_break_reason": "print"}, "graph_breaks", "valid"),
    ],
)
def test_what_the_compiler_left_out_is_said(tmp_path: Path, environment: dict[str, Any], reason: str, expected: str) -> None:
    run = make_run(tmp_path / "run", change=lambda trial: trial.model_copy(update={"environment": environment}))
    throughput = next(row for row in metric_rows(run) if row.metric == "throughput")
    assert throughput.verdict == expected and reason in throughput.reasons

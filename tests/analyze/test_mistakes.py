"""Mistakes seen in the field's harnesses that an analysis can make, each as a test that fails if it is made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_bench.analyze.compare import change_of, compare, decide
from aigc_bench.analyze.energy import energy_of, integrated_energy
from aigc_bench.analyze.metrics import METRICS, metric_of
from aigc_bench.analyze.readings import Series
from aigc_bench.analyze.reason_codes import REASONS
from aigc_bench.analyze.rows import case_summaries, metric_rows
from aigc_bench.analyze.statistics import welch_p
from aigc_bench.core.records import Case, MetricRow, Stage, TrialResult, Work
from aigc_bench.measure.store import Run
from tests.analyze.synthetic import GPU, make_case, make_run, make_system, make_work
from tests.analyze.test_energy import SUITE, joules, power_series
from tests.analyze.test_rows import CATALOGUE, HEALTHY_GPU
from tests.analyze.test_verdicts import gpu_with


def rows(run: Run) -> dict[str, MetricRow]:
    return {row.metric: row for row in metric_rows(run, catalogue=CATALOGUE)}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(num_steps=st.integers(5, 140), items=st.integers(1, 300), step_ms=st.integers(1, 900))
def test_volume_of_all_steps_over_the_latency_of_one(
    tmp_path_factory: pytest.TempPathFactory, num_steps: int, items: int, step_ms: int
) -> None:
    """The rate does not grow with the number of steps."""
    run = make_run(
        tmp_path_factory.mktemp("rate") / "run",
        cases=[make_case(workload="fake")],
        trials=1,
        num_steps=num_steps,
        step_s=step_ms / 1000,
        work=lambda case: Work(item="item", stages=(Stage(name="forward", items=items),)),
    )
    assert rows(run)["throughput"].value == pytest.approx(items / (step_ms / 1000), rel=0.005)


def test_lists_not_cleared_between_repeats(tmp_path: Path) -> None:
    """More trials never mean more samples in a percentile, nor a later p99."""
    one = rows(make_run(tmp_path / "one", trials=1, num_steps=120, noise=0.02))
    many = rows(make_run(tmp_path / "many", trials=6, num_steps=120, noise=0.02))
    assert one["latency_p99"].n == many["latency_p99"].n == 120
    assert one["itl_p50"].n == many["itl_p50"].n == 120 * 15
    assert many["latency_p99"].value == pytest.approx(one["latency_p99"].value, rel=0.05)


@pytest.mark.parametrize("name", ["constant", "3 s on, 3 s off", "ramp"])
def test_equal_power_samples_dropped_before_integrating(name: str) -> None:
    power = SUITE[name]
    found = integrated_energy(power_series(power, end_s=40.0), start_s=2.0, end_s=32.0)
    assert found.value == pytest.approx(joules(power, 2.0, 32.0), rel=0.02)


def test_an_unaligned_short_window_of_a_coarse_counter_is_not_called_exact() -> None:
    polls = np.arange(0.013, 20, 0.1)
    counter = Series(time_s=polls, value=300.0 * np.floor(polls * 10) / 10)
    short = energy_of(counter, Series.empty(), start_s=3.05, end_s=4.05, idle_w=0.0)
    assert short.reasons == ("energy_estimated",)
    assert short.gross_j == pytest.approx(300.0, rel=0.02)
    assert energy_of(counter, Series.empty(), start_s=3.05, end_s=13.05, idle_w=0.0).reasons == ()


def test_a_sensor_in_phase_with_the_steps_is_flagged_only_where_power_is_all_there_is(tmp_path: Path) -> None:
    in_phase = rows(make_run(tmp_path / "a", devices=(GPU,), telemetry=gpu_with(energy_j=None), step_s=0.051))
    apart = rows(make_run(tmp_path / "b", devices=(GPU,), telemetry=gpu_with(energy_j=None), step_s=0.071))
    counted = rows(make_run(tmp_path / "c", devices=(GPU,), telemetry=gpu_with(), step_s=0.051))
    assert "sensor_in_phase" in in_phase["energy_gross"].reasons
    assert "sensor_in_phase" not in apart["energy_gross"].reasons
    assert "sensor_in_phase" not in counted["energy_gross"].reasons


def test_a_missing_counter_reported_as_zero(tmp_path: Path) -> None:
    for metric in ("energy_gross", "energy_net", "energy_per_item", "power_mean", "power_peak", "power_idle", "energy_host"):
        row = rows(make_run(tmp_path / metric))[metric]
        assert row.value is None
        assert any(REASONS[code].severity == "absent" for code in row.reasons)


def test_the_energy_window_is_the_works_window(tmp_path: Path) -> None:
    """A burst of power before and after the window, and another device's, change nothing."""
    quiet = make_run(tmp_path / "quiet", trials=1, devices=(GPU,), num_steps=150, telemetry=gpu_with(power_w=200.0, energy_j=None))
    window = quiet.trials[0].window
    assert window is not None
    start, end = window.start_s - quiet.info.created_s, window.end_s - quiet.info.created_s
    around = gpu_with(energy_j=None, power_w=lambda t: 200.0 if start - 0.3 <= t <= end + 0.3 else 700.0)
    other = {("nvml", "GPU-other", metric): 900.0 for metric in ("power_w",)}
    loud = make_run(tmp_path / "loud", trials=1, devices=(GPU,), num_steps=150, telemetry={**around, **other})
    assert rows(loud)["energy_gross"].value == pytest.approx(200.0 * window.wall_s, rel=1e-3)
    assert rows(quiet)["energy_gross"].value == pytest.approx(rows(loud)["energy_gross"].value)


def test_idle_power_ignored(tmp_path: Path) -> None:
    found = rows(make_run(tmp_path / "run", devices=(GPU,), telemetry=HEALTHY_GPU, num_steps=150))
    gross, net, idle = (found[metric].value for metric in ("energy_gross", "energy_net", "power_idle"))
    assert gross is not None and net is not None and idle is not None
    assert gross - net == pytest.approx(idle * 15.0, rel=1e-3)


@pytest.mark.parametrize("mask", [0x20 | 0x04, 0x40 | 0x01, 0x80, 0x1FF])
def test_a_throttle_parser_that_can_never_match(tmp_path: Path, mask: int) -> None:
    """Masks are bits, alone or together; the positive control comes through the store as the sampler writes it."""
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=gpu_with(throttle_reasons=float(mask)))
    assert case_summaries(run)[0].verdict == "invalid"


def test_a_blind_throttle_probe_does_not_look_healthy(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=gpu_with(throttle_reasons=None))
    assert case_summaries(run)[0].verdict == "suspect"


def test_the_wrong_dtypes_peak_in_mfu(tmp_path: Path) -> None:
    """bf16 has twice the dense peak of fp32 here, so the same rate is half the MFU; a dtype without a peak has none."""
    cases = [make_case(precision=precision) for precision in ("fp32", "bf16", "fp16")]
    run = make_run(tmp_path / "run", cases=cases, devices=(GPU,), telemetry=HEALTHY_GPU)
    fp32, bf16, fp16 = (row.value for row in metric_rows(run, catalogue=CATALOGUE) if row.metric == "mfu")
    assert fp32 is not None and bf16 is not None
    assert fp32 == pytest.approx(2 * bf16)
    assert 0 < fp32 <= 1
    assert fp16 is None


def test_p99_from_ten_samples(tmp_path: Path) -> None:
    few = rows(make_run(tmp_path / "few", num_steps=99, trials=5))
    enough = rows(make_run(tmp_path / "enough", num_steps=100, trials=5))
    assert few["latency_p99"].value is None
    assert "n_too_small" in few["latency_p99"].reasons
    assert enough["latency_p99"].value is not None
    assert enough["latency_p99.9"].value is None


def test_same_word_other_formula() -> None:
    """TPOT leaves the first token out, and one registry holds the formula of every number."""
    assert "further tokens" in metric_of("tpot").formula
    assert len({metric.formula for metric in METRICS.values()}) == len(METRICS)


def test_tpot_with_the_first_token(tmp_path: Path) -> None:
    """A slow prefill moves TTFT and leaves TPOT alone."""

    def slow_prefill(trial: TrialResult) -> TrialResult:
        assert trial.samples and trial.steps and trial.window
        extra, count = 0.5, trial.window.num_steps
        step = np.asarray(trial.samples.step)
        is_prefill = np.asarray(trial.samples.stage) == 0
        start = np.asarray(trial.samples.start_s) + extra * step + np.where(is_prefill, 0, extra)
        duration = np.asarray(trial.samples.duration_s) + np.where(is_prefill, extra, 0)
        samples = trial.samples.model_copy(update={"start_s": tuple(start), "duration_s": tuple(duration)})
        starts = tuple(s + extra * i for i, s in enumerate(trial.steps.start_s))
        steps = trial.steps.model_copy(update={"start_s": starts, "duration_s": tuple(d + extra for d in trial.steps.duration_s)})
        window = trial.window.model_copy(update={"wall_s": trial.window.wall_s + extra * count})
        return trial.model_copy(update={"samples": samples, "steps": steps, "window": window})

    plain, slow = rows(make_run(tmp_path / "a")), rows(make_run(tmp_path / "b", change=slow_prefill))
    assert slow["tpot"].value == pytest.approx(plain["tpot"].value)
    assert slow["ttft"].value == pytest.approx(0.5 + (plain["ttft"].value or 0))


def test_a_chunk_counted_as_a_token(tmp_path: Path) -> None:
    """A decode repeat that makes four tokens of each sequence has a quarter of the TPOT and four times the rate."""

    def chunked(case: Case) -> Work:
        made = make_work(case)
        decode = made.stages[1].model_copy(update={"items": 4 * case.batch_size})
        return made.model_copy(update={"stages": (made.stages[0], decode)})

    plain, chunks = rows(make_run(tmp_path / "a")), rows(make_run(tmp_path / "b", work=chunked))
    for metric in ("tpot", "itl_p50"):
        assert chunks[metric].value == pytest.approx((plain[metric].value or 0) / 4)
    assert chunks["throughput"].value == pytest.approx(61 / 0.1)


def test_the_observers_cost_is_in_every_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert run.info.sampler is not None
    assert run.info.sampler.cpu_fraction is not None
    assert run.info.sampler.late_p99_s is not None


def test_average_over_padded_batches(tmp_path: Path) -> None:
    padded = make_run(tmp_path / "run", work=lambda case: make_work(case).model_copy(update={"useful_fraction": 0.6}))
    found = rows(padded)
    assert found["throughput_useful"].value == pytest.approx(0.6 * (found["throughput"].value or 0))
    assert found["useful_fraction"].value == pytest.approx(0.6)


def test_same_gpu_name_other_speed(tmp_path: Path) -> None:
    """A comparison notes another unit of the same accelerator."""
    base = make_run(tmp_path / "a", devices=(GPU,), telemetry=gpu_with())
    other = make_run(tmp_path / "b", devices=("GPU-other",), system=make_system(devices=("GPU-other",)))
    assert any("other units" in note for note in compare(base, [other]).others[0].notes)
    assert compare(base, [base]).others[0].notes == ()


def test_pooled_iterations_find_a_difference_in_identical_code() -> None:
    """What the test on trials avoids: pooled steps reject identical code often, trial medians almost never."""
    generator = np.random.default_rng(0)
    pooled = on_trials = 0
    for _ in range(200):
        runs = [[generator.normal(100 + generator.normal(0, 1), 1, 50) for _ in range(5)] for _ in range(2)]
        p = welch_p(*(list(np.concatenate(run)) for run in runs))
        pooled += p is not None and p < 0.01
        medians = [[float(np.median(trial)) for trial in run] for run in runs]
        change = decide([change_of(medians[0], medians[1], case="case", metric=METRICS["throughput"])])[0]
        on_trials += change.finding in ("better", "worse")
    assert pooled > 50
    assert on_trials <= 2


def test_a_failed_case_that_vanishes(tmp_path: Path) -> None:
    bad = make_case(workload="vae")
    run = make_run(tmp_path / "run", cases=[make_case(), bad], failures={(bad.id, trial): "timeout" for trial in range(3)})
    assert {summary.case_id: summary.status for summary in case_summaries(run)}[bad.id] == "timeout"

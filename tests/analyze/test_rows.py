"""From synthetic runs on disk to rows and summaries."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aigc_bench.analyze.metrics import METRICS, metric_of
from aigc_bench.analyze.reason_codes import REASONS
from aigc_bench.analyze.rows import CaseSummary, case_summaries, final_trials, metric_rows
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Case, MetricRow, TrialResult
from tests.analyze.synthetic import CREATED_S, GPU, make_case, make_run, make_system, make_trial, make_work

HEALTHY_GPU = {
    ("nvml", GPU, "power_w"): lambda t: 80.0 if t < 6.5 else 500.0,
    ("nvml", GPU, "energy_j"): lambda t: 80.0 * t if t < 6.5 else 520.0 + 500.0 * (t - 6.5),
    ("nvml", GPU, "gpu_utilization"): 0.97,
    ("nvml", GPU, "memory_controller_utilization"): 0.55,
    ("nvml", GPU, "temperature_c"): 61.0,
    ("nvml", GPU, "sm_clock_hz"): 1.98e9,
    ("nvml", GPU, "memory_used_bytes"): 20e9,
    ("nvml", GPU, "throttle_reasons"): 0.0,
    ("nvml", GPU, "num_foreign_processes"): 0.0,
    ("host", "host", "cpu_utilization"): 0.5,
}


@dataclass(frozen=True)
class TinyCatalogue:
    """One H100, as ``make_system`` names it."""

    accelerators: Mapping[str, AcceleratorSpec]

    def recognise(self, name: str, memory_bytes: int | None = None) -> AcceleratorSpec | None:
        return None


H100 = AcceleratorSpec(
    id="h100-sxm",
    name="H100",
    source="datasheet",
    as_of="2026",
    peak_flops={"fp32": 1e12, "bf16": 2e12},
    memory_bytes=80 * 2**30,
    memory_bandwidth_bytes_per_s=1e6,
)
CATALOGUE = TinyCatalogue({"h100-sxm": H100})


def by_metric(rows: list[MetricRow]) -> dict[str, MetricRow]:
    return {row.metric: row for row in rows}


def only(summaries: list[CaseSummary]) -> CaseSummary:
    assert len(summaries) == 1
    return summaries[0]


def test_a_healthy_run_has_a_valid_row_for_every_sensor(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=HEALTHY_GPU, step_s=0.25, num_steps=60)
    rows = by_metric(metric_rows(run, catalogue=CATALOGUE))
    wrong = {row.metric: row.reasons for row in rows.values() if row.verdict != "valid"}
    assert wrong == {}
    assert rows["throughput"].value == pytest.approx(16 / 0.25)
    assert rows["throughput"].unit == "tokens/s"
    assert rows["energy_gross"].value == pytest.approx(500 * 15, rel=1e-3)
    assert rows["energy_net"].value == pytest.approx(420 * 15, rel=1e-3)
    assert rows["energy_per_item"].value == pytest.approx(500 * 0.25 / 16, rel=1e-3)
    assert rows["energy_per_item"].unit == "J/token"
    assert rows["power_mean"].value == pytest.approx(500, rel=1e-3)
    assert rows["power_idle"].value == pytest.approx(80, rel=1e-2)
    assert rows["temperature_max"].value == 61.0
    assert rows["memory_device_peak"].value == 20e9
    assert rows["mfu"].value == pytest.approx(2e9 / 0.25 / 1e12)
    assert {row.basis for row in rows.values()} == {"measured"}


def test_every_row_is_a_registered_metric_with_known_reasons_and_one_case(tmp_path: Path) -> None:
    cases = [
        make_case(),
        make_case(mode="train"),
        make_case(workload="latent_diffusion", preset="sd-1.5"),
        make_case(workload="transformer"),
    ]
    for row in metric_rows(make_run(tmp_path / "run", cases=cases, noise=0.02)):
        assert metric_of(row.metric).kind
        assert set(row.reasons) <= set(REASONS)
        assert row.case in {case.id for case in cases}
        assert row.value is not None or row.reasons, f"{row.metric} is missing without a reason"
        assert "{" not in row.unit


def test_the_gpt_case_has_the_fields_latencies(tmp_path: Path) -> None:
    rows = by_metric(metric_rows(make_run(tmp_path / "run", cases=[make_case(batch_size=4)], step_s=0.16)))
    assert rows["ttft"].value == pytest.approx(0.01)
    assert rows["tpot"].value == pytest.approx(0.01)
    assert rows["itl_p50"].value == pytest.approx(0.01)
    assert rows["latency_p50"].value == pytest.approx(0.16)
    assert rows["stage_share.decode"].value == pytest.approx(15 / 16)
    assert rows["throughput"].value == pytest.approx(4 * 16 / 0.16)


def test_the_first_token_of_an_encoder_decoder_is_its_first_decode_step(tmp_path: Path) -> None:
    rows = by_metric(metric_rows(make_run(tmp_path / "run", cases=[make_case(workload="transformer", preset="base")], step_s=0.17)))
    assert rows["ttft"].value == pytest.approx(0.02)
    assert rows["tpot"].value == pytest.approx(0.01)


def test_diffusion_has_its_denoising_step_and_no_token_latencies(tmp_path: Path) -> None:
    rows = by_metric(metric_rows(make_run(tmp_path / "run", cases=[make_case(workload="latent_diffusion")], step_s=1.0)))
    assert rows["denoising_step_time"].value == pytest.approx(0.1)
    assert not {"ttft", "tpot", "itl_p50"} & set(rows)
    assert rows["throughput"].unit == "images/s"


def test_training_has_step_times_and_no_request_latency(tmp_path: Path) -> None:
    rows = by_metric(metric_rows(make_run(tmp_path / "run", cases=[make_case(mode="train")])))
    assert rows["step_time"].value == pytest.approx(0.1)
    assert "latency_p50" not in rows
    assert rows["stage_share.forward"].value == pytest.approx(1 / 3)


def test_the_headline_is_the_median_of_trials_with_its_interval(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=5, step_s=lambda case, trial: 0.1 * (1 + 0.01 * trial))
    row = by_metric(metric_rows(run))["step_time"]
    assert row.value == pytest.approx(0.102)
    assert row.low is not None and row.high is not None
    assert row.low < 0.102 < row.high
    summary = only(case_summaries(run))
    assert (summary.status, summary.grade, summary.num_finished) == ("ok", "B", 5)


def test_counting_flops_is_no_part_of_being_ready(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", change=lambda trial: trial.model_copy(update={"time_to_ready_s": {"build_s": 2.0, "count_s": 9.0}})
    )
    assert by_metric(metric_rows(run))["time_to_ready"].value == 2.0


def test_one_trial_has_no_interval_and_is_suspect(tmp_path: Path) -> None:
    row = by_metric(metric_rows(make_run(tmp_path / "run", trials=1)))["throughput"]
    assert (row.low, row.high, row.n, row.verdict) == (None, None, 1, "suspect")
    assert "few_trials" in row.reasons


def test_the_idle_window_that_a_run_marked_is_its_baseline(tmp_path: Path) -> None:
    """The device is busy until 3 s into the run; only the marked stretch after that is idle."""
    late = HEALTHY_GPU | {("nvml", GPU, "power_w"): lambda t: 300.0 if t < 3 else 80.0 if t < 6.5 else 500.0}
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=late)
    marked = dataclasses.replace(run, info=run.info.model_copy(update={"idle_window_s": (CREATED_S + 3.5, CREATED_S + 6.0)}))
    assert (by_metric(metric_rows(run))["power_idle"].value or 0) > 150
    assert by_metric(metric_rows(marked))["power_idle"].value == pytest.approx(80.0)


def test_mfu_without_a_known_peak_is_null_with_a_reason(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=HEALTHY_GPU)
    row = by_metric(metric_rows(run))["mfu"]
    assert row.value is None
    assert "peak_unknown" in row.reasons


def test_the_shipped_catalogue_gives_the_dense_peak_of_a_device_by_its_drivers_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", cases=[make_case(precision="bf16")], devices=(GPU,), telemetry=HEALTHY_GPU)
    mfu = by_metric(metric_rows(run, catalogue=load_catalogue(with_user_files=False)))["mfu"].value
    assert mfu == pytest.approx(2e9 / 0.1 / 989e12, rel=0.01)


def test_more_than_the_peak_is_invalid(tmp_path: Path) -> None:
    slow = TinyCatalogue({"h100-sxm": H100.model_copy(update={"peak_flops": {"fp32": 1e9}})})
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=HEALTHY_GPU)
    row = by_metric(metric_rows(run, catalogue=slow))["mfu"]
    assert (row.verdict, row.reasons[0]) == ("invalid", "above_peak")


def test_a_cpu_case_next_to_a_gpu_reports_that_devices_power_and_says_it_was_not_used(tmp_path: Path) -> None:
    row = by_metric(metric_rows(make_run(tmp_path / "run", telemetry=HEALTHY_GPU)))["power_mean"]
    assert row.value == pytest.approx(500, rel=0.01)
    assert "device_not_used" in row.reasons


def test_rapl_is_the_energy_of_a_machine_without_accelerator_and_cores_are_not_counted_twice(tmp_path: Path) -> None:
    counters = {("rapl", "package-0", "energy_j"): lambda t: 50.0 * t, ("rapl", "package-0/core", "energy_j"): lambda t: 30.0 * t}
    rows = by_metric(metric_rows(make_run(tmp_path / "run", telemetry=counters, step_s=0.3, num_steps=40)))
    assert rows["energy_gross"].value == pytest.approx(600.0, rel=1e-3)
    assert rows["energy_host"].value == pytest.approx(600.0, rel=1e-3)
    assert rows["energy_gross"].verdict == "valid"


def test_a_machine_without_any_sensor_has_nulls_with_reasons_and_no_zeros(tmp_path: Path) -> None:
    rows = by_metric(metric_rows(make_run(tmp_path / "run")))
    for metric in ("energy_gross", "energy_per_item", "power_mean", "power_idle", "power_peak"):
        assert rows[metric].value is None
        assert "no_power_sensor" in rows[metric].reasons
    assert (
        rows["accelerator_utilization"].reasons == ("no_accelerator", "no_telemetry")
        or "no_accelerator" in rows["accelerator_utilization"].reasons
    )
    assert rows["cpu_utilization"].value is None


def test_failed_cases_have_a_summary_and_no_rows(tmp_path: Path) -> None:
    good, bad, partial = make_case(), make_case(workload="vae"), make_case(workload="bert")
    failures = {(bad.id, trial): "oom" for trial in range(3)} | {(partial.id, 1): "error"}
    run = make_run(tmp_path / "run", cases=[good, bad, partial], failures=failures)
    assert {row.case for row in metric_rows(run)} == {good.id, partial.id}
    states = {summary.case_id: summary for summary in case_summaries(run)}
    assert [states[case.id].status for case in (good, bad, partial)] == ["ok", "oom", "partial"]
    assert states[bad.id].error_line == "OutOfMemoryError: made to end in oom"
    assert (states[bad.id].verdict, states[bad.id].num_finished) == (None, 0)
    assert "trials_failed" in states[partial.id].reasons
    assert len(states[partial.id].failures) == 1


def test_a_case_that_never_ran_is_not_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=0)
    assert metric_rows(run) == []
    assert only(case_summaries(run)).status == "not_run"


def test_a_retry_that_went_well_replaces_the_attempt_before_it() -> None:
    case = make_case()

    def attempt(trial: int, number: int, *, status: str = "ok") -> TrialResult:
        made = make_trial(case, trial=trial, started_s=CREATED_S + number, step_s=[0.1], work=make_work(case), devices=("host",))
        return made.model_copy(update={"attempt": number, "status": status})

    chosen = final_trials([attempt(0, 1), attempt(0, 2), attempt(1, 1), attempt(1, 2, status="error")])
    assert [(trial.trial, trial.attempt) for trial in chosen] == [(0, 2), (1, 1)]


def test_known_rate_of_fifty_items_in_100_ms_is_500_items_a_second(tmp_path: Path) -> None:
    def work(case: Case):  # type: ignore[no-untyped-def]
        made = make_work(case)
        return made.model_copy(update={"stages": (made.stages[0].model_copy(update={"items": 50}),), "item": "item"})

    row = by_metric(metric_rows(make_run(tmp_path / "run", cases=[make_case(workload="fake")], step_s=0.1, work=work)))[
        "throughput"
    ]
    assert row.value == pytest.approx(500.0, rel=0.005)
    assert row.unit == "items/s"


def test_an_unknown_metric_is_reported_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="throughput"):
        metric_of("throughputs")


def test_every_registered_metric_says_what_it_is() -> None:
    for metric in METRICS.values():
        assert metric.name and metric.unit and metric.formula and metric.n_means and metric.source
        assert not metric.is_compared or metric.better is not None


def test_energy_and_power_agree_over_the_window(tmp_path: Path) -> None:
    rows = by_metric(metric_rows(make_run(tmp_path / "run", devices=(GPU,), telemetry=HEALTHY_GPU, noise=0.05, num_steps=150)))
    energy, power, throughput, each = (rows[m].value for m in ("energy_gross", "power_mean", "throughput", "energy_per_item"))
    assert energy and power and throughput and each
    assert math.isclose(each * throughput, power, rel_tol=0.01)


def test_bandwidth_use_is_of_the_slowest_device_that_the_trial_used(tmp_path: Path) -> None:
    """A decode repeat of 0.1 s / 16 reads 4,000 bytes; two devices of 1 MB/s and 0.5 MB/s read together, at the slower's pace."""
    other = GPU.replace("0000", "1111", 1)
    system = make_system(devices=(GPU, other))
    slow = H100.model_copy(update={"id": "slow", "memory_bandwidth_bytes_per_s": 0.5e6})
    second = system.accelerators[1].model_copy(update={"catalog_id": "slow"})
    system = system.model_copy(update={"accelerators": (system.accelerators[0], second)})
    catalogue = TinyCatalogue({"h100-sxm": H100, "slow": slow})

    def row(*devices: str, known: TinyCatalogue = catalogue) -> MetricRow:
        work = make_work(make_case()).model_copy(update={"flops": {"prefill": 10, "decode": 2 * 1000 * 15}})
        case = make_case(devices=len(devices))
        run = make_run(
            tmp_path / f"{len(devices)}-{devices[0]}-{len(known.accelerators)}",
            cases=[case],
            devices=devices,
            system=system,
            work=lambda _: work,
        )
        return by_metric(metric_rows(run, catalogue=known))["mbu"]

    each = 4000 / (0.1 / 16)
    assert row(GPU).value == pytest.approx(each / 1e6)
    assert row(other).value == pytest.approx(each / 0.5e6)
    assert row(GPU, other).value == pytest.approx(each / (2 * 0.5e6))
    assert row(GPU, other, known=TinyCatalogue({"h100-sxm": H100})).value is None, "one device is not in the catalogue"

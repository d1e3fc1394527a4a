"""A whole run under a fake GPU below the real pynvml: what is reported is the truth of the fake's trace, and heat is seen."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from aigc_bench.core.throttle import HW_THERMAL_SLOWDOWN
from aigc_bench.measure.store import load_run
from aigc_bench.plan.planner import plan_of_run
from tests.fake_nvml import FakeGpu, FakeNvml, square
from tests.measure.bench import KNOWN_RATE, Bench, trials

UUID = "GPU-0a1b2c3d-0000-0000-0000-000000000001"


@pytest.fixture(scope="module")
def waving(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, FakeNvml, Path]:
    """A run next to a GPU whose power follows a square wave and whose memory has failed three times."""
    folder = tmp_path_factory.mktemp("waving")
    wave = square(low=180, high=320, period_s=0.7, duration_s=120)
    fake = FakeNvml.build(folder, FakeGpu(uuid=UUID, power_w=wave, series={"gpu_utilization": 0.83, "ecc_uncorrected": 3}))
    bench = Bench(folder=folder, env=fake.env)
    run = folder / "out"
    done = bench("run", "--profile", bench.profile(KNOWN_RATE), "--out", run)
    assert done.returncode == 0, done.stderr
    return bench, fake, run


def test_a_run_keeps_what_was_found_before_its_first_trial(waving: tuple[Bench, FakeNvml, Path]) -> None:
    _, _, run = waving
    health = {check["name"]: check for check in json.loads((run / "run.json").read_text())["health"]}
    assert health["gpu 0: ecc"]["status"] == "failure"
    assert "replaced" in health["gpu 0: ecc"]["remedy"]
    assert "3 uncorrected memory errors" in (run / "report.html").read_text()


def test_power_utilisation_and_energy_are_the_truth_of_the_trace_within_two_per_cent(waving: tuple[Bench, FakeNvml, Path]) -> None:
    bench, fake, run = waving
    found = {row["metric"]: row for row in bench.rows(run)}
    windows = [trial["window"] for trial in trials(run)]
    power = sorted(fake.power_w(w["start_s"], w["end_s"]) for w in windows)[1]
    energy = sorted(fake.energy_j(w["start_s"], w["end_s"]) for w in windows)[1]
    assert found["power_mean"]["value"] == pytest.approx(power, rel=0.02)
    assert found["energy_gross"]["value"] == pytest.approx(energy, rel=0.02)
    assert found["accelerator_utilization"]["value"] == pytest.approx(0.83, rel=0.02)
    assert found["power_mean"]["unit"] == "W"
    telemetry = pd.read_parquet(run / "telemetry.parquet")
    assert set(telemetry.loc[telemetry.source == "nvml", "device"]) == {UUID}


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    """A run on an H100 that is throttled by heat all the time."""
    folder = tmp_path_factory.mktemp("throttled")
    hot = FakeGpu(name="NVIDIA H100 80GB HBM3", uuid=UUID, series={"throttle_reasons": HW_THERMAL_SLOWDOWN, "temperature_c": 91})
    bench = Bench(folder=folder, env=FakeNvml.build(folder, hot).env)
    run = folder / "out"
    done = bench("run", "--profile", bench.profile(KNOWN_RATE), "--out", run)
    assert done.returncode == 0, done.stderr
    return bench, run


def test_heat_is_repeated_once_marked_invalid_and_not_planned_with(throttled: tuple[Bench, Path]) -> None:
    bench, run = throttled
    assert {trial["attempt"] for trial in trials(run)} == {2}
    assert "throttled by heat" in trials(run)[0]["notes"][0]
    throughput = next(row for row in bench.rows(run) if row["metric"] == "throughput")
    assert throughput["verdict"] == "invalid"
    assert "throttled" in throughput["reasons"]
    assert "throttled" in (run / "report.html").read_text()
    plan = plan_of_run(load_run(run))
    assert plan is not None and not plan.loads
    assert all("throttled" in left.reason for left in plan.unplanned)
    by_name = plan_of_run(load_run(run), with_invalid=[throughput["case"]])
    assert by_name is not None and by_name.loads
    assert all(found.verdict == "invalid" and "throttled" in found.reasons for found in by_name.machine.capabilities)
    assert all("throttled" in load.model_dump_json() for load in by_name.loads)


DEMAND = """
name = "naps"
[[service]]
name = "naps"
workload = "known_rate"
preset = "sleep"
rate = 3
[constraints]
accelerators = ["h100_sxm_80gb"]
"""


def test_plan_leaves_a_throttled_run_out_unless_it_is_named_and_then_says_so(throttled: tuple[Bench, Path], tmp_path: Path) -> None:
    bench, run = throttled
    demand = tmp_path / "demand.toml"
    case = bench.rows(run)[0]["case"]
    demand.write_text(DEMAND)

    without = bench.here("plan", demand, "--run", run, "--json")
    assert without.returncode == 0, without.stderr
    plan = json.loads(without.stdout)
    assert any(case in note and "throttled" in note and "--use-invalid" in note for note in plan["notes"])
    assert plan["recommendation"] is None and plan["unplanned"][0]["name"] == "naps"

    named = bench.here("plan", demand, "--run", run, "--use-invalid", case, "--json")
    assert named.returncode == 0, named.stderr
    throughput = next(one for one in json.loads(named.stdout)["rests_on"] if one["quantity"] == "throughput")
    assert throughput["basis"] == "measured" and "throttled" in throughput["reasons"]
    shown = bench.here("plan", demand, "--run", run, "--use-invalid", case).stdout
    assert "planned with invalid numbers" in shown and "throttled" in shown

    unknown = bench.here("plan", demand, "--run", run, "--use-invalid", "nothing")
    assert unknown.returncode == 2 and len(unknown.stderr.strip().splitlines()) <= 2


def test_the_profile_that_fits_is_chosen_by_what_the_driver_names(tmp_path: Path) -> None:
    fake = FakeNvml.build(tmp_path, FakeGpu(name="NVIDIA H100 80GB HBM3", uuid=UUID))
    bench = Bench(folder=tmp_path, env=fake.env)
    chosen = json.loads(bench("run", "--dry-run", "--json").stdout)
    assert chosen["profile"] == "h100"
    refused = bench("run", "--profile", "a100")
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "h100" in refused.stderr and "H100" in refused.stderr


def test_a_profile_for_an_accelerator_that_is_not_there_writes_nothing(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    before = sorted(tmp_path.iterdir())
    refused = bench("run", "--profile", "a100")
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "expects" in refused.stderr and "found" in refused.stderr and "cpu" in refused.stderr
    assert sorted(tmp_path.iterdir()) == before

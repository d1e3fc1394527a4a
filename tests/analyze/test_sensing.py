"""What sensors say of a window, by hand: rises of counters, shares of others, idle baselines, energies with their reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aigc_bench.analyze.readings import readings_of
from aigc_bench.analyze.rows import analyses, case_summaries
from aigc_bench.analyze.sensing import Scene, idle_powers, idle_window, others_share, sensed, worker_cores
from aigc_bench.analyze.timing import Quantity
from aigc_bench.core.pipeline import PipelineUse
from aigc_bench.core.records import HostUse, Quality, TrialResult
from tests.analyze.synthetic import CREATED_S, GPU, IDLE_S, make_run, make_system, make_work

OTHER = GPU.replace("0000", "1111", 1)


def scene_of(folder: Path, **kwargs: Any) -> Scene:
    """The only scene of a run of one trial: 50 steps of 0.1 s."""
    (analysis,) = analyses(make_run(folder / "run", **{"trials": 1, **kwargs}))
    return analysis.scenes[0]


def by_metric(scene: Scene) -> dict[str, Quantity]:
    return {one.metric: one for one in sensed(scene)}


def test_a_counter_s_rise_is_from_the_reading_before_the_window_to_the_one_after(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, telemetry={("host", "host", "swap_in_pages"): lambda t: 10 * t * t}, period_s=0.5)
    times = [0.5 * tick for tick in range(1000)]
    start_s, end_s = scene.window.start_s - CREATED_S, scene.window.end_s - CREATED_S
    before, after = max(t for t in times if t <= start_s), min(t for t in times if t >= end_s)
    assert scene.rise("swap_in_pages") == pytest.approx(10 * (after**2 - before**2))
    assert scene.rise("swap_out_pages") is None


@pytest.mark.parametrize(("pages", "is_reported"), [(300.0, True), (200.0, False)])
def test_more_than_a_mebibyte_swapped_in_the_window_is_reported(tmp_path: Path, pages: float, is_reported: bool) -> None:
    """Half of the pages in and half out, all of them in the last second of the window."""
    end_s = IDLE_S + 1 + 10 * 0.1 + 5.0
    later = {("host", "host", f"swap_{way}_pages"): lambda t: pages / 2 * (t > end_s - 1) for way in ("in", "out")}
    summary = case_summaries(make_run(tmp_path / "run", trials=1, telemetry=later))[0]
    assert ("swapping" in summary.reasons) == is_reported


def test_pages_are_counted_in_the_size_of_the_kernel_that_swapped_them(tmp_path: Path) -> None:
    """Twenty pages are 80 KiB on most kernels and 1.25 MiB where a page has 64 KiB."""
    end_s = IDLE_S + 1 + 10 * 0.1 + 5.0
    later = {("host", "host", "swap_in_pages"): lambda t: 20.0 * (t > end_s - 1)}
    usual, large = (
        case_summaries(make_run(tmp_path / str(size), trials=1, telemetry=later, system=make_system(details={"page_bytes": size})))[
            0
        ]
        for size in (4096, 65536)
    )
    assert ("swapping" in usual.reasons, "swapping" in large.reasons) == (False, True)


@pytest.mark.parametrize(("passed", "reason"), [(True, None), (False, "wrong_result"), (None, "quality_unknown")])
def test_a_case_is_judged_by_what_its_outputs_were(tmp_path: Path, passed: bool | None, reason: str | None) -> None:
    def judged(trial: TrialResult) -> TrialResult:
        return trial.model_copy(update={"quality": Quality(kind="reference", passed=passed)})

    found = case_summaries(make_run(tmp_path / "run", trials=3, change=judged))[0].reasons
    assert {code for code in found if code in ("wrong_result", "quality_unknown")} == ({reason} if reason else set())


def test_a_worker_s_cores_are_its_cpu_time_over_the_window_else_what_the_sampler_saw(tmp_path: Path) -> None:
    seen = {("host", "worker", "cpu_utilization"): 1.5}
    assert worker_cores(scene_of(tmp_path / "a", telemetry=seen)) == pytest.approx(1.0)
    changed = scene_of(tmp_path / "b", telemetry=seen, change=lambda t: t.model_copy(update={"host": HostUse(cpu_s=2.5)}))
    assert worker_cores(changed) == pytest.approx(0.5)
    blind = scene_of(tmp_path / "c", telemetry=seen, change=lambda t: t.model_copy(update={"host": None}))
    assert worker_cores(blind) == pytest.approx(1.5)
    assert worker_cores(scene_of(tmp_path / "d", change=lambda t: t.model_copy(update={"host": None}))) is None


@pytest.mark.parametrize(
    ("replicas", "details", "expected"),
    # 0.9 of two usable cores are busy, 0.5 of one is the worker's; a quota leaves the share of all eight cores
    [(1, {}, 0.9 - 0.25), (2, {}, 0.9 - 0.5), (4, {}, 0.0), (1, {"cgroup_cpu_limit": 2.0}, 0.9 - 0.5 / 8)],
)
def test_what_others_took_is_what_the_workers_did_not(
    tmp_path: Path, replicas: int, details: dict[str, Any], expected: float
) -> None:
    scene = scene_of(
        tmp_path,
        telemetry={("host", "host", "cpu_utilization"): 0.9},
        change=lambda t: t.model_copy(update={"host": HostUse(cpu_s=2.5)}),
        system=make_system(num_cores=8, details=details),
        work=lambda case: make_work(case).model_copy(update={"replicas": replicas}),
    )
    assert others_share(scene) == pytest.approx(expected)


def test_others_are_unknown_where_the_host_was_not_read(tmp_path: Path) -> None:
    assert others_share(scene_of(tmp_path)) is None


def test_the_idle_stretch_is_the_one_marked_else_all_before_the_first_trial(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=2)
    assert idle_window(run) == (CREATED_S, CREATED_S + IDLE_S)
    marked = make_run(tmp_path / "other", trials=0)
    assert idle_window(marked) is None
    assert idle_powers(marked, readings=readings_of(marked)) == {}


def test_every_accelerator_and_package_has_a_baseline_of_its_own(tmp_path: Path) -> None:
    telemetry = {
        ("nvml", GPU, "power_w"): lambda t: 60.0 if t < IDLE_S + 0.5 else 300.0,
        ("nvml", OTHER, "energy_j"): lambda t: 80.0 * t,
        ("rapl", "package-0", "energy_j"): lambda t: 20.0 * t,
        ("rapl", "package-1", "energy_j"): lambda t: 30.0 * t,
        ("rapl", "package-0/core", "energy_j"): lambda t: 7.0 * t,
    }
    run = make_run(tmp_path / "run", trials=1, devices=(GPU, OTHER), telemetry=telemetry)
    found = idle_powers(run, readings=readings_of(run))
    expected = {GPU: 60.0, OTHER: 80.0, "package-0": 20.0, "package-1": 30.0}
    assert found == {device: pytest.approx(watts, rel=1e-3) for device, watts in expected.items()}


def test_energy_is_of_all_devices_gross_and_net_of_idle(tmp_path: Path) -> None:
    """300 W over 5 s of 50 steps of 16 tokens; 60 W of them idle."""
    watts = {("nvml", GPU, "power_w"): lambda t: 60.0 if t < IDLE_S + 0.5 else 300.0}
    packages = {("rapl", "package-0", "energy_j"): lambda t: 20.0 * t, ("rapl", "package-0/dram", "energy_j"): lambda t: 5.0 * t}
    scene = scene_of(tmp_path, devices=(GPU,), telemetry={**watts, **packages})
    assert scene.trial.work is not None
    items = scene.trial.work.items_per_step * 50
    found = by_metric(scene)
    values = {name: found[name].value for name in ("energy_gross", "energy_net", "power_mean", "power_idle", "energy_host")}
    expected = {"energy_gross": 1500, "energy_net": 1200, "power_mean": 300, "power_idle": 60, "energy_host": 125}
    assert values == {name: pytest.approx(number, rel=1e-3) for name, number in expected.items()}
    assert found["energy_per_item"].value == pytest.approx(1500 / items, rel=1e-3)
    assert found["energy_per_item_net"].value == pytest.approx(1200 / items, rel=1e-3)


def test_what_was_read_of_a_device_that_no_trial_used_says_so(tmp_path: Path) -> None:
    telemetry = {("nvml", GPU, "power_w"): 50.0, ("nvml", GPU, "gpu_utilization"): 0.2}
    found = by_metric(scene_of(tmp_path, telemetry=telemetry))
    assert "device_not_used" in found["energy_gross"].reasons and "device_not_used" in found["accelerator_utilization"].reasons
    assert found["accelerator_utilization"].value == pytest.approx(0.2)
    used = by_metric(scene_of(tmp_path / "used", telemetry=telemetry, devices=(GPU,)))
    assert used["accelerator_utilization"].reasons == () and "device_not_used" not in used["energy_gross"].reasons


def test_means_and_peaks_are_over_all_devices_and_one_that_is_not_read_makes_them_unknown(tmp_path: Path) -> None:
    both = {
        ("nvml", GPU, "gpu_utilization"): 0.4,
        ("nvml", OTHER, "gpu_utilization"): 0.8,
        ("nvml", GPU, "power_w"): 200.0,
        ("nvml", OTHER, "power_w"): 350.0,
    }
    found = by_metric(scene_of(tmp_path / "both", devices=(GPU, OTHER), telemetry=both))
    assert found["accelerator_utilization"].value == pytest.approx(0.6)
    assert found["power_peak"].value == 350.0
    one = {key: value for key, value in both.items() if key[1] == GPU}
    blind = by_metric(scene_of(tmp_path / "one", devices=(GPU, OTHER), telemetry=one))
    assert (blind["accelerator_utilization"].value, blind["accelerator_utilization"].n) == (None, 0)
    assert blind["accelerator_utilization"].reasons == ("no_utilization_sensor",)


def test_a_host_alone_has_no_accelerator_and_says_which_sensors_are_missing(tmp_path: Path) -> None:
    found = by_metric(scene_of(tmp_path))
    assert (found["accelerator_utilization"].reasons, found["power_peak"].reasons) == (("no_accelerator",), ("no_power_sensor",))
    assert (found["energy_host"].value, found["energy_host"].reasons) == (None, ("no_cpu_energy_counter",))
    assert found["burst_to_sustained"].reasons == ("no_temperature_sensor",)
    assert found["memory_host_peak"].value == 2**30
    assert (found["memory_allocated_peak"].value, found["memory_allocated_peak"].reasons) == (None, ("no_memory_counter",))
    assert (found["cpu_utilization"].value, found["cpu_utilization"].n) == (None, 0)
    assert found["worker_cpu_utilization"].value == pytest.approx(1.0)


@pytest.mark.parametrize("device", ["host", "cpu"])
def test_a_trial_on_the_host_uses_no_accelerator(tmp_path: Path, device: str) -> None:
    scene = scene_of(tmp_path, devices=(device,))
    assert (scene.uses_accelerator, scene.devices) == (False, ())


def test_a_trial_without_memory_counters_has_no_peaks(tmp_path: Path) -> None:
    found = by_metric(scene_of(tmp_path, change=lambda trial: trial.model_copy(update={"memory": None})))
    for metric in ("memory_allocated_peak", "memory_reserved_peak", "memory_host_peak"):
        assert (found[metric].value, found[metric].reasons) == (None, ("no_memory_counter",))


def test_a_worker_s_cores_hold_those_of_its_data_loader(tmp_path: Path) -> None:
    """2.5 s of its own and 5 s of its loader's processes in a window of 5 s."""
    use = PipelineUse(num_workers=2, cache="hot", workers_cpu_s=5.0)
    changed = {"host": HostUse(cpu_s=2.5), "pipeline": use}
    assert worker_cores(scene_of(tmp_path, change=lambda trial: trial.model_copy(update=changed))) == pytest.approx(1.5)

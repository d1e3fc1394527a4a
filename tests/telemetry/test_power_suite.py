"""The synthetic power suite: known power under the real source, read as the sampler reads it, against the energy that comes out."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc_bench.analyze.energy import Energy, energy_of
from aigc_bench.analyze.readings import Series
from aigc_bench.measure.sampler import Config, Sampler, Task, advance
from aigc_bench.telemetry.base import SensorAbsent, Value
from tests.fake_nvml import FakeGpu, FakeNvml, simulated, square

START_S, END_S, UNTIL_S = 4.03, 16.07, 18.0
REFRESH: dict[str, Any] = {"energy_refresh_s": 0.1}

SHAPES: dict[str, FakeGpu] = {
    "constant": FakeGpu(power_w=[(0, 300)], series=REFRESH),
    "square 37 ms": FakeGpu(power_w=square(low=80, high=400, period_s=0.037, duration_s=20), series=REFRESH),
    "square 50 ms": FakeGpu(power_w=square(low=80, high=400, period_s=0.05, duration_s=20), series=REFRESH),
    "square 100 ms": FakeGpu(power_w=square(low=80, high=400, period_s=0.1, duration_s=20), series=REFRESH),
    "square 130 ms": FakeGpu(power_w=square(low=80, high=400, period_s=0.13, duration_s=20), series=REFRESH),
    "ramp": FakeGpu(power_w=[(0, 60), (20, 400)], linear=True, series=REFRESH),
    "3 s on, 3 s off": FakeGpu(power_w=square(low=80, high=400, period_s=6.0, duration_s=20), series=REFRESH),
}
FAST = ("square 37 ms", "square 50 ms", "square 100 ms", "square 130 ms")


def measured(gpu: FakeGpu, tmp_path: Path) -> Energy:
    """What the analysis makes of 18 s of readings: the sampler's own tasks, each at its moment of simulated time."""
    columns: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    with simulated(FakeNvml.build(tmp_path, gpu)) as set_time_s:
        for time_s, task in moments(tmp_path):
            set_time_s(time_s)
            for _, metric, value in task.read():
                if value is not None:
                    columns[metric].append((time_s, value))
    counter, power = (series(columns[metric]) for metric in ("energy_j", "power_w"))
    return energy_of(counter, power, start_s=START_S, end_s=END_S)


def series(points: list[tuple[float, float]]) -> Series:
    """Points in time order as a series."""
    table = np.array(points, dtype=float).reshape(-1, 2)
    return Series(time_s=table[:, 0], value=table[:, 1])


def moments(tmp_path: Path) -> list[tuple[float, Task]]:
    """The deadlines of the sampler's NVML tasks over the simulated time, in order; the source is open."""
    config = Config(
        anchor_unix_s=0.0, anchor_monotonic_ns=0, spool=str(tmp_path / "spool.csv"), parent_pid=os.getpid(), sources=("nvml",)
    )
    sampler = Sampler(config)
    sampler.open()
    due: list[tuple[float, Task]] = []
    for task in sampler.schedule(from_ns=17_000_000):
        while task.due_ns < UNTIL_S * 1e9:
            due.append((task.due_ns * 1e-9, task))
            advance(task, task.due_ns)
    return sorted(due, key=lambda pair: pair[0])


def without_counter(gpu: FakeGpu) -> FakeGpu:
    """The same load on a device that has no total-energy counter."""
    return replace(gpu, series={"energy_j": "unsupported"})


@pytest.mark.parametrize("shape", SHAPES)
def test_the_counter_is_within_1_percent(shape: str, tmp_path: Path) -> None:
    energy = measured(SHAPES[shape], tmp_path)
    assert energy.source == "counter"
    assert energy.gross_j == pytest.approx(SHAPES[shape].energy_j(START_S, END_S), rel=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_integration_is_within_2_percent_where_there_is_no_counter(shape: str, tmp_path: Path) -> None:
    energy = measured(without_counter(SHAPES[shape]), tmp_path)
    assert energy.source == "integration"
    assert energy.gross_j == pytest.approx(SHAPES[shape].energy_j(START_S, END_S), rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_load_however_fast_makes_two_honest_sources_disagree(shape: str, tmp_path: Path) -> None:
    """On a fixed grid of 10 Hz the integral of the 50 and 100 ms waves would be 67 % off, and a healthy sensor would be accused."""
    energy = measured(SHAPES[shape], tmp_path)
    assert energy.integral_j is not None
    assert set(energy.reasons) == {"no_idle_baseline"}


@pytest.mark.parametrize("shape", ["constant", "ramp", "3 s on, 3 s off"])
def test_sources_that_disagree_get_their_code_under_every_load_that_ten_looks_a_second_can_follow(
    shape: str, tmp_path: Path
) -> None:
    lying = replace(SHAPES[shape], series={**REFRESH, "energy_scale": 1.1})
    assert "energy_sources_disagree" in measured(lying, tmp_path).reasons


def test_power_is_read_ten_times_as_often_where_it_is_all_there_is_and_never_on_a_grid(tmp_path: Path) -> None:
    for gpu, period_s in ((SHAPES["constant"], 0.1), (without_counter(SHAPES["constant"]), 0.01)):
        with simulated(FakeNvml.build(tmp_path, gpu)):
            due = moments(tmp_path)
        power = np.array([time_s for time_s, task in due if task.offset_ns is not None])
        other = np.array([time_s for time_s, task in due if task.offset_ns is None and task.period_ns == 10**8])
        phase = (power - 0.017) / period_s % 1
        assert np.array_equal(np.floor((power - 0.017) / period_s), np.arange(power.size))
        assert phase.std() == pytest.approx(12**-0.5, rel=0.15)
        assert np.diff(other) == pytest.approx(0.1)


def test_a_load_too_fast_for_its_samples_is_said(tmp_path: Path) -> None:
    """Ten samples a second of a 100 ms wave without a counter (a trace of an older run): the samples estimate the error."""
    gpu = SHAPES["square 100 ms"]
    with simulated(FakeNvml.build(tmp_path, gpu)):
        due = [time_s for time_s, task in moments(tmp_path) if task.offset_ns is not None]
    power = series([(time_s, 400.0 if time_s % 0.1 < 0.05 else 80.0) for time_s in due])
    energy = energy_of(Series.empty(), power, start_s=START_S, end_s=END_S)
    assert "energy_undersampled" in energy.reasons


def test_a_counter_that_wraps_at_32_bits_goes_on(tmp_path: Path) -> None:
    wrap_j = 2**32 * 1e-3
    wrapping = {**REFRESH, "energy_wrap_j": wrap_j, "energy_offset_j": wrap_j - 2000.0}
    gpu = FakeGpu(power_w=[(0, 300)], series=wrapping)
    assert measured(gpu, tmp_path).gross_j == pytest.approx(gpu.energy_j(START_S, END_S), rel=0.01)


def test_energy_that_cannot_be_known_is_null_with_a_reason(tmp_path: Path) -> None:
    silent = {"energy_j": "unsupported", "power_instant_w": "unsupported", "power_average_w": "unsupported"}
    energy = measured(FakeGpu(series=silent), tmp_path)
    assert energy.gross_j is None
    assert energy.reasons == ("no_power_sensor",)


def test_a_source_that_is_gone_is_dropped_once_with_all_its_calls(tmp_path: Path) -> None:
    """Its fast, slow and power readings fall due at one moment; the first that fails takes the others along."""
    with simulated(FakeNvml.build(tmp_path, FakeGpu())):
        config = Config(
            anchor_unix_s=0.0, anchor_monotonic_ns=0, spool=str(tmp_path / "gone.csv"), parent_pid=os.getpid(), sources=("nvml",)
        )
        sampler = Sampler(config)
        sampler.open()
        calls = []

        def fail() -> list[Value]:
            calls.append(1)
            raise SensorAbsent("the driver went away")

        sampler._tasks = [replace(task, read=fail) for task in sampler.schedule(from_ns=0)]
        sampler._sample_due()
        (status,) = sampler.statuses()
    assert len(calls) == 1
    assert not status.available and "went away" in (status.reason or "")

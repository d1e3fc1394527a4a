"""The synthetic power suite: known power under the real source, seen ten times a second, against the energy that comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc_bench.analyze.energy import Energy, energy_of
from aigc_bench.analyze.readings import Series
from aigc_bench.telemetry.nvml import Nvml
from tests.fake_nvml import FakeGpu, FakeNvml, simulated, square

START_S, END_S = 4.03, 16.07
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
IN_STEP_WITH_THE_SAMPLER = {"square 50 ms", "square 100 ms", "square 130 ms"}
"""Ten looks a second see one phase of the first two and 13 phases of the third, 6 or 7 of them high: no integral can be right."""


def measured(gpu: FakeGpu, tmp_path: Path) -> Energy:
    """What the analysis makes of 20 s of readings."""
    columns: dict[str, tuple[list[float], list[float]]] = {"energy_j": ([], []), "power_w": ([], [])}
    with simulated(FakeNvml.build(tmp_path, gpu)) as set_time_s:
        source = Nvml()
        source.open()
        for tick in range(200):
            time_s = tick / 10 + 0.017
            set_time_s(time_s)
            for _, metric, value in source.read():
                if metric in columns and value is not None:
                    columns[metric][0].append(time_s)
                    columns[metric][1].append(value)
        source.close()
    counter, power = (Series(time_s=np.array(times), value=np.array(values)) for times, values in columns.values())
    return energy_of(counter, power, start_s=START_S, end_s=END_S)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_counter_is_within_1_percent(shape: str, tmp_path: Path) -> None:
    energy = measured(SHAPES[shape], tmp_path)
    assert energy.source == "counter"
    assert energy.gross_j == pytest.approx(SHAPES[shape].energy_j(START_S, END_S), rel=0.01)


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - IN_STEP_WITH_THE_SAMPLER))
def test_integration_is_within_2_percent_where_there_is_no_counter(shape: str, tmp_path: Path) -> None:
    gpu = SHAPES[shape]
    energy = measured(FakeGpu(power_w=gpu.power_w, linear=gpu.linear, series={"energy_j": "unsupported"}), tmp_path)
    assert energy.source == "integration"
    assert energy.gross_j == pytest.approx(gpu.energy_j(START_S, END_S), rel=0.02)


@pytest.mark.parametrize("shape", sorted(IN_STEP_WITH_THE_SAMPLER))
def test_a_load_in_step_with_the_sampler_is_unmasked_by_the_counter(shape: str, tmp_path: Path) -> None:
    assert {"energy_sources_disagree", "energy_sources_differ"} & set(measured(SHAPES[shape], tmp_path).reasons)


def test_a_counter_that_wraps_at_32_bits_goes_on(tmp_path: Path) -> None:
    wrap_j = 2**32 * 1e-3
    series = {**REFRESH, "energy_wrap_j": wrap_j, "energy_offset_j": wrap_j - 2000.0}
    gpu = FakeGpu(power_w=[(0, 300)], series=series)
    assert measured(gpu, tmp_path).gross_j == pytest.approx(gpu.energy_j(START_S, END_S), rel=0.01)


def test_sources_that_disagree_get_their_code(tmp_path: Path) -> None:
    assert "energy_sources_disagree" in measured(FakeGpu(series={**REFRESH, "energy_scale": 1.1}), tmp_path).reasons


def test_energy_that_cannot_be_known_is_null_with_a_reason(tmp_path: Path) -> None:
    silent = {"energy_j": "unsupported", "power_instant_w": "unsupported", "power_average_w": "unsupported"}
    energy = measured(FakeGpu(series=silent), tmp_path)
    assert energy.gross_j is None
    assert energy.reasons == ("no_power_sensor",)

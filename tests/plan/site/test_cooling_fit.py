"""Heat against what a room takes; published figures of a DGX H100; climate."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.site.cooling_fit import (
    CoolingFit,
    RoomCooling,
    cooling_fit,
    cooling_overhead_kwh,
    probability_above,
)
from aigc_bench.plan.site.power_chain import airflow_cfm, btu_per_hour
from aigc_bench.plan.stats.estimates import estimate

ROOMS: tuple[RoomCooling, ...] = get_args(RoomCooling)
CATALOGUE = load_catalogue(with_user_files=False)
HEAT = st.floats(1.0, 400_000.0)


def test_the_heat_of_a_dgx_h100_is_the_one_its_guide_prints() -> None:
    server = CATALOGUE.servers["dgx_h100"]
    assert server.design_heat_w is not None
    assert btu_per_hour(server.design_heat_w) == pytest.approx(38_557, rel=0.001)
    fit = cooling_fit(server.design_heat_w, room="air", server_cooling="air", catalogue=CATALOGUE)
    assert fit.airflow_cfm == pytest.approx(38_557 / (1.08 * 20), rel=0.001)
    assert airflow_cfm(server.design_heat_w, rise_k=32.3 / 1.8) == pytest.approx(1_105, rel=0.01)


def test_one_kilowatt_needs_the_litres_of_the_handbook() -> None:
    fit = cooling_fit(1_000, room="immersion", server_cooling="immersion", catalogue=CATALOGUE)
    assert fit.water_l_per_min == pytest.approx(1.43, rel=0.01)


@given(HEAT, st.sampled_from(ROOMS), st.sampled_from(["air", "direct_liquid", "immersion"]))
def test_heat_is_conserved_between_air_and_water(heat_w: float, room: str, built_for: str) -> None:
    fit = cooling_fit(heat_w, room=room, server_cooling=built_for, catalogue=CATALOGUE)  # type: ignore[arg-type]
    assert fit.to_air_w + fit.to_water_w == pytest.approx(heat_w)
    assert fit.to_air_w >= 0 and fit.to_water_w >= 0
    assert not fit.is_feasible or fit.is_suitable
    assert fit.p_fits == 0 or fit.is_suitable


@given(HEAT, HEAT, st.sampled_from(ROOMS))
def test_more_heat_never_fits_better(first: float, second: float, room: str) -> None:
    cool, hot = (
        cooling_fit(heat, room=room, server_cooling="air", catalogue=CATALOGUE)  # type: ignore[arg-type]
        for heat in sorted((first, second))
    )
    assert cool.p_fits >= hot.p_fits
    assert cool.is_feasible or not hot.is_feasible


def test_an_interval_is_its_tenth_to_ninetieth_percentile() -> None:
    limit = estimate(25.0, low=20.0, high=30.0, unit="W", basis="assumed")
    assert [probability_above(limit, heat_w) for heat_w in (20.0, 25.0, 30.0)] == pytest.approx([0.9, 0.5, 0.1])
    exact = estimate(25.0, unit="W", basis="assumed")
    assert (probability_above(exact, 25.0), probability_above(exact, 25.1), probability_above(exact, 0.0)) == (1.0, 0.0, 1.0)


def test_the_overhead_follows_from_the_energy_of_the_it() -> None:
    energy = estimate(1_000.0, unit="kWh/year", basis="assumed")
    assert cooling_overhead_kwh(energy, pue=CATALOGUE.pue("air")).value == pytest.approx(520)


def fits_of(heat_w: float) -> dict[str, CoolingFit]:
    return {room: cooling_fit(heat_w, room=room, server_cooling="air", catalogue=CATALOGUE) for room in ROOMS}


def test_rooms_take_more_heat_the_more_capable_they_are_said_to_be() -> None:
    limits = [fit.limit_w.value for fit in fits_of(10_000).values()]
    assert limits[:4] == sorted(limits[:4])


def test_an_air_cooled_server_is_not_put_into_liquid_and_the_reason_is_given() -> None:
    fits = fits_of(45_000)
    assert [room for room, fit in fits.items() if fit.is_feasible] == ["rear_door"]
    assert fits["direct_liquid"].why == "the server is built for air cooling, which direct liquid does not offer"
    assert fits["air"].why == "45.0 kW a rack is beyond the 25 kW that air takes"
    assert fits["direct_liquid"].headroom is None

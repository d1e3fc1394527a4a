"""Footprints by hand, their range, and what may never lower them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Estimate
from aigc_bench.plan.site.carbon import Footprint, footprint
from aigc_bench.plan.stats.estimates import estimate

CATALOGUE = load_catalogue(with_user_files=False)


def exactly(value: float, unit: str) -> Estimate:
    return estimate(value, unit=unit, basis="measured")


def of(kwh: float, *, pue: float = 1.2, grid: float = 400.0, making: float = 4_700.0) -> Footprint:
    return footprint(
        it_kwh_per_year=exactly(kwh, "kWh/year"),
        pue=exactly(pue, "ratio"),
        grid_g_per_kwh=exactly(grid, "gCO2e/kWh"),
        making=exactly(making, "kgCO2e"),
        life_years=4.0,
    )


@given(st.floats(0, 1e9), st.floats(1, 2), st.floats(0, 1000), st.floats(1, 3))
def test_more_energy_a_worse_pue_or_a_dirtier_grid_never_lower_it(kwh: float, pue: float, grid: float, factor: float) -> None:
    base = of(kwh, pue=pue, grid=grid).total_kg.value
    for worse in (of(kwh * factor, pue=pue, grid=grid), of(kwh, pue=pue * factor, grid=grid), of(kwh, pue=pue, grid=grid * factor)):
        assert worse.total_kg.value >= base - 1e-9 * base


def test_a_footprint_by_hand() -> None:
    found = of(50_000.0)
    assert found.operation_kg_per_year.value == pytest.approx(50_000 * 1.2 * 0.4)
    assert found.total_kg_per_year.value == pytest.approx(24_000 + 4_700 / 4)
    assert found.total_kg.value == pytest.approx(4 * 24_000 + 4_700)

"""A region's electricity price and grid, however it is spelt."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.regions import slug
from aigc_bench.catalog.table_reader import read_cells
from aigc_bench.catalog.tables import TABLES
from aigc_bench.core.errors import UnknownNameError

CATALOGUE = load_catalogue(with_user_files=False)


@pytest.mark.parametrize("spelling", ["Germany", "germany", "de", "DE", "DEU"])
def test_spellings_of_a_country_mean_the_same_rows(spelling: str) -> None:
    price, grid = CATALOGUE.electricity_price(spelling), CATALOGUE.grid_intensity(spelling)
    assert (price.value, price.unit) == (0.273, "USD/kWh")
    assert (grid.value, grid.unit) == (380.9, "gCO2e/kWh")


@pytest.mark.parametrize("spelling", ["Texas", "us-texas", "US Texas"])
def test_a_state_spans_from_its_industrial_tariff_to_above_its_commercial_one(spelling: str) -> None:
    price = CATALOGUE.electricity_price(spelling)
    assert (price.low, price.value) == (0.066, 0.0903)
    assert price.high > price.value
    assert price.source is not None
    assert "industrial" in price.source


def test_a_cloud_region_has_its_own_grid_and_its_states_electricity() -> None:
    assert CATALOGUE.grid_intensity("aws us-east-1").value == 415.8
    assert CATALOGUE.electricity_price("aws-us-east-1").value == CATALOGUE.electricity_price("Virginia").value


def test_georgia_alone_is_the_country_and_the_state_says_so() -> None:
    assert CATALOGUE.grid_intensity("us-georgia").value == 325.4
    assert CATALOGUE.grid_intensity("Georgia").value != 325.4
    with pytest.raises(UnknownNameError, match="us-georgia"):
        CATALOGUE.electricity_price("georgia")


def test_no_region_is_a_wide_interval_not_a_guess() -> None:
    price, grid = CATALOGUE.electricity_price(), CATALOGUE.grid_intensity()
    assert price.high / price.low > 3
    assert grid.high / grid.low > 5
    assert grid.basis == "assumed"


def test_an_unknown_region_is_reported_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="germany"):
        CATALOGUE.electricity_price("Germny")


def test_slips_of_units_upstream_do_not_come_through() -> None:
    assert CATALOGUE.grid_intensity("Azure Finland Central").value == 77
    assert CATALOGUE.grid_intensity("Azure Germany West Central").value == 402


def test_every_spelling_in_the_region_table_leads_somewhere() -> None:
    for cells in read_cells(TABLES["regions"]).values():
        assert slug(cells["id"]) == cells["id"]
        if cells["power_id"]:
            assert CATALOGUE.electricity_price(cells["id"]).value > 0
        if cells["carbon_id"]:
            assert CATALOGUE.grid_intensity(cells["id"]).value > 0


def test_every_us_state_has_both_a_price_and_a_grid() -> None:
    states = [
        row.name for row in CATALOGUE.power.values() if row.kind == "electricity_us_commercial" and row.name != "United States"
    ]
    assert len(states) == 51
    missing = []
    for state in states:
        try:
            CATALOGUE.grid_intensity(f"us {state}")
        except UnknownNameError:
            missing.append(state)
    assert missing == []

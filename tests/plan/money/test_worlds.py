"""Costs over drawn worlds agree with the formulae line by line, and their intervals cover what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Estimate
from aigc_bench.plan.interval import estimate
from aigc_bench.plan.money.opex import Tariffs, Use, opex_lines, tariffs
from aigc_bench.plan.money.ownership import Terms, default_terms, own
from aigc_bench.plan.money.worlds import cost_worlds, swings, tco_interval

CATALOGUE = load_catalogue(with_user_files=False)
CAPEX = estimate(3.2e6, low=2.6e6, high=3.9e6, unit="usd", basis="datasheet", source="a list")
TARIFFS = tariffs(catalogue=CATALOGUE, region="us-texas", is_licensed=True).model_copy(
    update={
        "space_usd_per_kw_month": CATALOGUE.constant("colocation_usd_per_kw_month"),
        "egress_usd_per_byte": estimate(5e-11, unit="usd/B", basis="datasheet", source="a list"),
    }
)
TERMS = default_terms(catalogue=CATALOGUE)
USE = Use(
    it_mean_w=estimate(50_000.0, low=40_000.0, high=60_000.0, unit="W", basis="modelled", source="a test"),
    it_peak_w=estimate(84_000.0, low=80_000.0, high=90_000.0, unit="W", basis="modelled", source="a test"),
    pue=CATALOGUE.pue("air"),
    num_servers=8,
    num_accelerators=64,
    capex_usd=CAPEX,
    egress_bytes_per_year=estimate(1e14, unit="B/year", basis="assumed", source="a test"),
)


def exact(record: Use | Tariffs | Terms) -> Use | Tariffs | Terms:
    """The same record without its intervals."""
    points = {
        name: value.model_copy(update={"low": value.value, "high": value.value})
        for name in type(record).model_fields
        if isinstance(value := getattr(record, name), Estimate)
    }
    return record.model_copy(update=points)


def test_a_world_of_middle_values_costs_what_the_lines_say() -> None:
    use, prices, terms = exact(USE), exact(TARIFFS), exact(TERMS)
    assert isinstance(use, Use) and isinstance(prices, Tariffs) and isinstance(terms, Terms)
    lines = own(use.capex_usd, opex_lines(use, prices=prices), terms=terms)
    worlds = cost_worlds(use, prices=prices, terms=terms, num=3)
    assert worlds.total_usd_per_year == pytest.approx([lines.total_usd_per_year.value] * 3)
    assert worlds.tco_usd == pytest.approx([lines.tco_usd.value] * 3)
    assert swings(worlds) == ()


@pytest.mark.parametrize("seed", range(5))
def test_eighty_per_cent_intervals_cover_about_eighty_per_cent_of_a_thousand_other_worlds(seed: int) -> None:
    told = tco_interval(cost_worlds(USE, prices=TARIFFS, terms=TERMS), use=USE, prices=TARIFFS, terms=TERMS)
    others = cost_worlds(USE, prices=TARIFFS, terms=TERMS, num=1000, seed=100 + seed).tco_usd
    assert 0.76 <= np.mean((others >= told.low) & (others <= told.high)) <= 0.84


def test_drawn_intervals_are_narrower_than_sums_of_ends() -> None:
    lines = own(CAPEX, opex_lines(USE, prices=TARIFFS), terms=TERMS).tco_usd
    told = tco_interval(cost_worlds(USE, prices=TARIFFS, terms=TERMS), use=USE, prices=TARIFFS, terms=TERMS)
    assert told.high - told.low < lines.high - lines.low
    assert told.low < lines.value < told.high


def test_the_same_seed_draws_the_same_worlds_and_a_larger_budget_is_never_less_probable() -> None:
    first, second = (cost_worlds(USE, prices=TARIFFS, terms=TERMS) for _ in range(2))
    assert np.array_equal(first.tco_usd, second.tco_usd)
    chances = [first.within(budget) for budget in (3e6, 5e6, 6e6, 8e6, 1e8)]
    assert chances == sorted(chances)
    assert (chances[0], chances[-1]) == (0.0, 1.0)


def test_the_tornado_names_the_widest_input_first() -> None:
    found = swings(cost_worlds(USE, prices=TARIFFS, terms=TERMS))
    widths = [abs(swing.high_usd - swing.low_usd) for swing in found]
    assert widths == sorted(widths, reverse=True)
    assert found[0].name in ("capex_usd", "staff_usd_per_year", "staff_fixed", "maintenance_share")
    assert (
        next(swing for swing in found if swing.name == "capex_usd").high_usd
        > next(swing for swing in found if swing.name == "capex_usd").low_usd
    )

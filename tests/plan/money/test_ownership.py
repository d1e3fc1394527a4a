"""Opex by line, ownership and cash flow against plain arithmetic, and what may never make owning cheaper."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Estimate
from aigc_bench.plan.money.cash_flow import CashFlowTerms, buy_dates, cash_flow
from aigc_bench.plan.money.opex import ResourceUse, Tariffs, opex_lines
from aigc_bench.plan.money.ownership import FinanceTerms, Ownership, annuity_factor, own, residual_share
from aigc_bench.plan.stats.estimates import estimate

CATALOGUE = load_catalogue(with_user_files=False)
HOURS = 365.25 * 24


def exactly(value: float, unit: str = "usd") -> Estimate:
    return estimate(value, unit=unit, basis="measured", source="a test")


def fleet(*, mean_w: float = 50_000, peak_w: float = 84_000, pue: float = 1.3, capex: float = 3e6) -> ResourceUse:
    return ResourceUse(
        it_kwh_per_year=exactly(mean_w * HOURS / 1000, "kWh/year"),
        it_peak_w=exactly(peak_w, "W"),
        pue=exactly(pue, "ratio"),
        num_servers=8,
        num_accelerators=64,
        capex_usd=exactly(capex),
        egress_bytes_per_year=exactly(1e14, "B/year"),
    )


PRICES = Tariffs(
    electricity_usd_per_kwh=exactly(0.1, "usd/kWh"),
    demand_usd_per_kw_month=exactly(12.0, "usd/kW-month"),
    space_usd_per_kw_month=exactly(195.0, "usd/kW-month"),
    maintenance_share=exactly(0.05, "fraction/year"),
    staff_usd_per_year=exactly(150_000.0, "usd/year"),
    staff_fixed=exactly(0.25, "persons"),
    staff_per_server=exactly(0.01, "persons/server"),
    licence_usd_per_accelerator=exactly(4_500.0, "usd/year"),
    egress_usd_per_byte=exactly(0.05e-9, "usd/B"),
)
TERMS = FinanceTerms(
    discount_rate=exactly(0.08, "fraction"),
    life_years=3,
    residual_share=exactly(0.3, "fraction"),
    adders_share=exactly(0.1, "fraction"),
)


def test_every_line_of_a_year_by_hand() -> None:
    kwh = 50 * HOURS
    by_hand = {
        "electricity": kwh * 0.1,
        "cooling": kwh * 0.3 * 0.1,
        "demand_charge": 84 * 1.3 * 12 * 12,
        "space": 84 * 195 * 12,
        "maintenance": 150_000,
        "staff": (0.25 + 0.08) * 150_000,
        "licences": 64 * 4_500,
        "egress": 5_000,
    }
    found = {line.key: line.usd_per_year.value for line in opex_lines(fleet(), prices=PRICES)}
    assert found == pytest.approx(by_hand, rel=1e-9)


def test_what_does_not_apply_is_no_line() -> None:
    bare = Tariffs(electricity_usd_per_kwh=exactly(0.1, "usd/kWh"))
    assert [line.key for line in opex_lines(fleet(), prices=bare)] == ["electricity", "cooling"]


def test_ownership_by_hand() -> None:
    found = own(exactly(3e6), opex_lines(fleet(), prices=PRICES), terms=TERMS)
    hardware = (3e6 - 0.3 * 3e6 / 1.08**3) * 0.08 / (1 - 1.08**-3)
    lines = {line.key: line.usd_per_year.value for line in found.lines}
    adders = 0.1 * (hardware + lines["electricity"] + lines["cooling"] + lines["space"])
    opex = sum(value for key, value in lines.items() if key not in ("hardware", "adders")) + adders
    assert found.hardware_usd_per_year.value == pytest.approx(hardware)
    assert lines["adders"] == pytest.approx(adders)
    assert found.opex_usd_per_year.value == pytest.approx(opex)
    assert found.total_usd_per_year.value == pytest.approx(hardware + opex) == pytest.approx(sum(lines.values()))
    assert found.tco_usd.value == pytest.approx(3e6 * 0.7 + 3 * opex)
    assert found.present_value_usd.value == pytest.approx(3e6 * (1 - 0.3 / 1.08**3) + opex / annuity_factor(0.08, years=3))
    assert found.present_value_usd.value == pytest.approx(found.total_usd_per_year.value / annuity_factor(0.08, years=3))


def test_residual_values_are_those_published_and_fall_with_age() -> None:
    assert [residual_share(years, catalogue=CATALOGUE).value for years in (0, 2, 3, 4)] == pytest.approx([1.0, 0.5, 0.3, 0.18])
    shares = [residual_share(years / 4, catalogue=CATALOGUE) for years in range(40)]
    assert all(before.value > after.value > 0 for before, after in itertools.pairwise(shares))
    assert all(share.low <= share.value <= share.high for share in shares)


def total(**values: float) -> Ownership:
    use = fleet(**values)
    return own(use.capex_usd, opex_lines(use, prices=PRICES), terms=TERMS)


@given(st.sampled_from(["mean_w", "peak_w", "pue", "capex"]), st.floats(1, 3))
def test_more_power_a_worse_pue_or_a_higher_price_never_lowers_the_cost(what: str, factor: float) -> None:
    base = {"mean_w": 50_000.0, "peak_w": 84_000.0, "pue": 1.3, "capex": 3e6}
    cheap, dear = total(**base), total(**{**base, what: base[what] * factor})
    for figure in ("total_usd_per_year", "tco_usd", "present_value_usd"):
        assert getattr(dear, figure).value >= getattr(cheap, figure).value * (1 - 1e-12)


def growth(**values: float) -> CashFlowTerms:
    return CashFlowTerms.model_validate(
        {
            "horizon_years": 5,
            "life_years": 3,
            "price_ratio": exactly(0.9, "ratio"),
            "discount_rate": exactly(0.08, "fraction"),
            **values,
        }
    )


def test_purchases_follow_the_need_and_the_end_of_life() -> None:
    cohorts = buy_dates((4, 6, 9, 14, 21), life_years=3)
    assert [(cohort.bought, cohort.count, cohort.sold) for cohort in cohorts] == [
        (0, 4, 3),
        (1, 2, 4),
        (2, 3, 5),
        (3, 9, 5),
        (4, 9, 5),
    ]


def test_a_cash_flow_by_hand() -> None:
    flow = cash_flow(
        (2, 2, 3, 3, 3),
        unit_usd=exactly(100.0),
        opex_usd_per_unit_year=exactly(10.0),
        residual_at=lambda age: exactly({1: 0.7, 2: 0.5, 3: 0.3}[round(age)], "fraction"),
        growth=growth(),
    )
    nets = [200 + 20, 20, 81 + 30 - 60, 145.8 + 30, 30 - 81 * 0.3 - 145.8 * 0.5]
    assert [year.net_usd.value for year in flow.years] == pytest.approx(nets)
    assert flow.tco_usd.value == pytest.approx(sum(nets))
    capex = [200, 0, 81, 145.8, 0]
    present = sum(c / 1.08**y + (n - c) / 1.08 ** (y + 1) for y, (c, n) in enumerate(zip(capex, nets, strict=True)))
    assert flow.present_value_usd.value == pytest.approx(present)
    assert [year.in_service for year in flow.years] == [2, 2, 3, 3, 3]


def test_taxes_are_off_unless_a_rate_is_given() -> None:
    def flow(rate: float) -> float:
        found = cash_flow(
            (2,) * 5,
            unit_usd=exactly(100.0),
            opex_usd_per_unit_year=exactly(10.0),
            residual_at=lambda age: exactly(0.0, "fraction"),
            growth=growth(tax_rate=rate),
        )
        return found.tco_usd.value

    untaxed = flow(0.0)
    assert flow(0.25) == pytest.approx(0.75 * untaxed)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.integers(1, 6))
def test_every_year_has_what_it_needs_and_nothing_is_bought_without_need(needed: list[int], life: int) -> None:
    cohorts = buy_dates(needed, life_years=life)
    for year, need in enumerate(needed):
        serving = sum(cohort.count for cohort in cohorts if cohort.bought <= year < cohort.sold)
        assert serving >= need
        if any(cohort.bought == year for cohort in cohorts):
            assert serving == need


@pytest.mark.parametrize(
    ("years", "basis"), [(1.9, "assumed"), (2.0, "datasheet"), (2.5, "datasheet"), (3.0, "datasheet"), (3.1, "assumed")]
)
def test_resale_values_are_published_from_two_years_to_three_and_assumed_beyond(years: float, basis: str) -> None:
    assert residual_share(years, catalogue=CATALOGUE).basis == basis

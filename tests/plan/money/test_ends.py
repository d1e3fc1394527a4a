"""Ends of money intervals: the cheapest and the most expensive case by hand, and the stated formula of every line."""

from __future__ import annotations

import math

import pytest

from aigc_bench.core.records import Estimate
from aigc_bench.plan.money.cash_flow import CashFlowTerms, cash_flow
from aigc_bench.plan.money.opex import CostLine, opex_lines
from aigc_bench.plan.money.ownership import FinanceTerms, own
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.money.test_ownership import PRICES, exactly, fleet


def wide(value: float, low: float, high: float, unit: str = "usd") -> Estimate:
    return estimate(value, low=low, high=high, unit=unit, basis="datasheet", source="a list")


CAPEX = wide(100.0, 80.0, 150.0)
RATE = wide(0.1, 0.05, 0.2, "fraction")
RESIDUAL = wide(0.3, 0.2, 0.5, "fraction")
TERMS = FinanceTerms(discount_rate=RATE, life_years=2, residual_share=RESIDUAL)
CARE = CostLine(key="care", name="care", usd_per_year=wide(10.0, 5.0, 20.0, "usd/year"), formula="")


def payment(capital: float, rate: float, residual: float) -> float:
    return capital * (1 - residual / (1 + rate) ** 2) * rate / (1 - (1 + rate) ** -2)


def test_a_year_of_hardware_costs_most_at_a_high_price_and_rate_and_a_low_residual() -> None:
    found = own(CAPEX, [CARE], terms=TERMS).hardware_usd_per_year
    assert found.value == pytest.approx(payment(100, 0.1, 0.3))
    assert (found.low, found.high) == (pytest.approx(payment(80, 0.05, 0.5)), pytest.approx(payment(150, 0.2, 0.2)))
    assert (found.unit, found.basis) == ("usd/year", "datasheet")


def test_the_present_value_takes_the_rate_that_moves_each_part_outwards() -> None:
    found = own(CAPEX, [CARE], terms=TERMS).present_value_usd

    def running(yearly: float, rate: float) -> float:
        return yearly / (1 + rate) + yearly / (1 + rate) ** 2

    assert found.value == pytest.approx(100 * (1 - 0.3 / 1.1**2) + running(10, 0.1))
    assert found.low == pytest.approx(80 * (1 - 0.5 / 1.05**2) + running(5, 0.2))
    assert found.high == pytest.approx(150 * (1 - 0.2 / 1.2**2) + running(20, 0.05))
    assert found.unit == "usd"


def test_the_total_over_the_life_is_what_is_lost_and_two_years_of_running() -> None:
    found = own(CAPEX, [CARE], terms=TERMS).tco_usd
    assert found.value == pytest.approx(100 * 0.7 + 2 * 10)
    down = math.hypot(math.log(100 / 80), math.log(0.7 / 0.5))
    up = math.hypot(math.log(150 / 100), math.log(0.8 / 0.7))
    assert (found.low, found.high) == (pytest.approx(70 * math.exp(-down) + 2 * 5), pytest.approx(70 * math.exp(up) + 2 * 20))
    assert found.unit == "usd"


def test_without_adders_there_is_no_such_line_and_with_them_they_are_a_share_of_four_lines() -> None:
    bare = own(CAPEX, [CARE], terms=TERMS)
    assert [line.key for line in bare.lines] == ["hardware", "care"]
    assert (bare.capex_usd, bare.life_years) == (CAPEX, 2)
    power = CARE.model_copy(update={"key": "electricity", "name": "power"})
    found = own(CAPEX, [power, CARE], terms=TERMS.model_copy(update={"adders_share": exactly(0.1, "fraction")}))
    adders = found.lines[-1]
    assert adders.key == "adders"
    assert adders.usd_per_year.value == pytest.approx(0.1 * (found.lines[0].usd_per_year.value + 10))
    assert {name: one.value for name, one in adders.inputs.items()} == {
        "hardware": found.lines[0].usd_per_year.value,
        "power": 10.0,
        "share": 0.1,
    }
    hardware = found.lines[0].inputs
    assert hardware == {"purchase": CAPEX, "discount rate": RATE, "residual share": RESIDUAL}


def test_every_line_of_a_year_is_the_product_of_what_it_names() -> None:
    """The product of the inputs and the constants of the formula gives the line."""
    constants = {"demand_charge": 12 / 1000, "space": 12 / 1000, "licences": 64}
    for line in opex_lines(fleet(), prices=PRICES):
        product = math.prod(one.value for one in line.inputs.values()) * constants.get(line.key, 1.0)
        assert line.usd_per_year.value == pytest.approx(product), line.key
        assert (line.usd_per_year.unit, line.usd_per_year.source) == ("usd/year", line.formula)


def test_rented_storage_is_paid_by_the_month() -> None:
    kept = fleet().model_copy(update={"kept_bytes": exactly(1e12, "B")})
    prices = PRICES.model_copy(update={"storage_usd_per_byte_month": exactly(2e-11, "usd/B-month")})
    (line,) = (line for line in opex_lines(kept, prices=prices) if line.key == "storage")
    assert line.usd_per_year.value == pytest.approx(1e12 * 2e-11 * 12)
    assert not [line for line in opex_lines(kept, prices=PRICES) if line.key == "storage"]


def test_no_servers_need_no_staff() -> None:
    empty = fleet().model_copy(update={"num_servers": 0})
    assert "staff" not in {line.key for line in opex_lines(empty, prices=PRICES)}


def test_the_cheapest_and_the_most_expensive_case_of_a_cash_flow_by_hand() -> None:
    """One unit for three years, life two: bought now and in the third year, sold at two years and at one, taxed at a quarter."""
    growth = CashFlowTerms(
        horizon_years=3, life_years=2, price_ratio=wide(0.9, 0.8, 1.0, "ratio"), discount_rate=RATE, tax_rate=0.25
    )
    shares = {1: wide(0.6, 0.5, 0.8, "fraction"), 2: wide(0.3, 0.2, 0.5, "fraction")}
    flow = cash_flow(
        (1, 1, 1),
        unit_usd=CAPEX,
        opex_usd_per_unit_year=wide(10.0, 5.0, 20.0),
        residual_at=lambda age: shares[round(age)],
        growth=growth,
    )

    def scenario(unit: float, opex: float, ratio: float, rate: float, one: float, two: float) -> tuple[list[float], float]:
        first, third = unit, unit * ratio**2
        taxes = [0.25 * (-opex - first / 2), 0.25 * (first * two - opex - first / 2), 0.25 * (third * one - opex - third)]
        later = [opex + taxes[0], opex - first * two + taxes[1], opex - third * one + taxes[2]]
        starts = [first, 0.0, third]
        pairs = list(zip(starts, later, strict=True))
        present = sum(s / (1 + rate) ** year + e / (1 + rate) ** (year + 1) for year, (s, e) in enumerate(pairs))
        return [s + e for s, e in pairs], present

    cheap = scenario(80, 5, 0.8, 0.2, 0.8, 0.5)
    middle = scenario(100, 10, 0.9, 0.1, 0.6, 0.3)
    dear = scenario(150, 20, 1.0, 0.05, 0.5, 0.2)
    assert [year.net_usd.value for year in flow.years] == pytest.approx(middle[0])
    for year, *ends in zip(flow.years, cheap[0], middle[0], dear[0], strict=True):
        assert (year.net_usd.low, year.net_usd.high) == (pytest.approx(min(ends)), pytest.approx(max(ends)))
    sums = [sum(one[0]) for one in (cheap, middle, dear)]
    assert [flow.tco_usd.low, flow.tco_usd.value, flow.tco_usd.high] == pytest.approx([min(sums), sums[1], max(sums)])
    presents = [one[1] for one in (cheap, middle, dear)]
    found = flow.present_value_usd
    assert [found.low, found.value, found.high] == pytest.approx([min(presents), presents[1], max(presents)])
    assert [(year.year, year.in_service, year.bought, year.sold) for year in flow.years] == [
        (0, 1, 1, 0),
        (1, 1, 0, 1),
        (2, 1, 1, 1),
    ]
    last = flow.years[-1]
    assert (last.capex_usd.low, last.capex_usd.high) == (pytest.approx(80 * 0.64), 150.0)
    assert (last.opex_usd.low, last.opex_usd.high) == (5.0, 20.0)
    assert last.resale_usd.value == pytest.approx(81 * 0.6)
    assert last.tax_usd.value == pytest.approx(0.25 * (81 * 0.6 - 10 - 81))
    assert {one.unit for one in (flow.tco_usd, found, last.net_usd, last.tax_usd)} == {"usd"}
    assert all((flow.tco_usd.source, found.source, last.net_usd.source, last.tax_usd.source))
    bare = own(CAPEX, [], terms=TERMS)
    assert (bare.opex_usd_per_year.value, bare.opex_usd_per_year.unit) == (0.0, "usd/year")


def test_a_need_must_be_stated_for_every_year() -> None:
    growth = CashFlowTerms(horizon_years=3, life_years=2, price_ratio=exactly(1.0, "ratio"), discount_rate=RATE)
    with pytest.raises(AssertionError, match="every year"):
        cash_flow(
            (1, 1), unit_usd=CAPEX, opex_usd_per_unit_year=CAPEX, residual_at=lambda age: exactly(0.0, "fraction"), growth=growth
        )

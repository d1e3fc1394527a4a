"""Cash by year against the total cost, for lives that are whole years and those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.plan.money.cash_by_year import cash_by_year
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.build import exact, make_demand
from tests.plan.demands import plan_of, text_of


def finance(life_years: float, residual: float = 0.3) -> Finance:
    return make_demand().finance.model_copy(update={"life_years": life_years, "residual_share": exact(residual, "fraction")})


@pytest.fixture(scope="module")
def options() -> dict[str, Option]:
    plan = plan_of(text_of("chat", amount=30), accelerators=("h100_sxm_80gb", "l40s"))
    return {option.kind: option for option in plan.options}


def test_a_purchase_by_year_is_bought_run_and_sold(options: dict[str, Option]) -> None:
    option = options["owned"]
    rows = cash_by_year(option, finance(3.0))
    opex, capex = option.opex_usd_per_year.value, option.capex_usd.value
    assert [row.year for row in rows] == [0, 1, 2, 3]
    assert [row.net_usd.value for row in rows] == pytest.approx([capex, opex, opex, opex - 0.3 * capex])
    assert rows[0].running_usd is None and rows[0].purchase_usd == option.capex_usd
    assert rows[-1].resale_usd is not None and rows[-1].resale_usd.value == pytest.approx(0.3 * capex)


@settings(deadline=None)
@given(st.floats(0.2, 12), st.floats(0, 0.9), st.sampled_from(["owned", "colocated", "cloud", "api"]))
def test_the_years_add_up_to_the_total_cost(options: dict[str, Option], life: float, residual: float, kind: str) -> None:
    option = options[kind]
    rows = cash_by_year(option, finance(life, residual))
    whole = option.capex_usd.value * (1 - residual) + option.opex_usd_per_year.value * life
    assert rows[-1].cumulative_usd.value == pytest.approx(whole)
    assert all(row.net_usd.low <= row.net_usd.value <= row.net_usd.high for row in rows)


def test_what_is_rented_or_called_is_neither_bought_nor_sold(options: dict[str, Option]) -> None:
    for kind in ("cloud", "api"):
        rows = cash_by_year(options[kind], finance(2.0))
        assert all(row.purchase_usd is None and row.resale_usd is None for row in rows)
        assert rows[0].net_usd.value == 0


def test_an_uncertain_resale_widens_the_last_year_to_the_other_side(options: dict[str, Option]) -> None:
    wide = finance(3.0).model_copy(update={"residual_share": estimate(0.3, low=0.1, high=0.5, unit="fraction", basis="assumed")})
    sure, unsure = (cash_by_year(options["owned"], money)[-1].net_usd for money in (finance(3.0), wide))
    assert unsure.low < sure.low and unsure.high > sure.high
    assert unsure.value == pytest.approx(sure.value)


def test_the_last_sum_has_the_ends_of_the_total_cost(options: dict[str, Option]) -> None:
    """The total has one interval: that of the scenarios, not the one added up end by end."""
    for option in options.values():
        money = make_demand().finance
        last = cash_by_year(option, money)[-1].cumulative_usd
        if last.value == pytest.approx(option.tco_usd.value):
            assert (last.low, last.high) == (option.tco_usd.low, option.tco_usd.high)

"""Money is computed and stored in USD, and shown on screen and page in the currency of the demand, at a dated rate."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.cli.plan_screen import screen
from aigc_bench.core.errors import UsageError
from aigc_bench.core.units import Currency, digits, money_in, quantity
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.plan.plan_report import render_plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "shanghai-10kw.toml"


@cache
def plan(currency: str = "CNY") -> Plan:
    catalogue = load_catalogue(with_user_files=False)
    demand = read_demand(EXAMPLE, catalogue=catalogue)
    rate = catalogue.exchange_rate(currency) if currency != "USD" else None
    finance = demand.finance.model_copy(update={"currency": currency, "usd_per_currency": rate})
    return api.plan(demand.model_copy(update={"finance": finance}), accelerators=["l20"])


def numbers_of(found: Plan) -> str:
    """The contract without its sentences."""
    return json.dumps(
        [
            {key: one[key] for key in ("tco_usd", "capex_usd", "opex_usd_per_year", "costs")}
            for one in contract(plan_view(found))["options"]
        ]
    )


def test_numbers_stay_in_usd_whatever_is_shown() -> None:
    assert numbers_of(plan("CNY")) == numbers_of(plan("USD")) == numbers_of(plan("EUR"))


def test_screen_and_page_show_the_currency_its_dated_rate_and_the_total_with_tax() -> None:
    view = plan_view(plan("CNY"))
    best = view.plan.recommended
    assert best is not None and view.plan.demand.finance.usd_per_currency is not None
    total = best.tco_usd.value / view.plan.demand.finance.usd_per_currency.value
    text, page = " ".join(screen(view).split()), render_plan(view, version="1")
    assert f"CNY {digits(total)} (" in text and "money in CNY at 0.147 USD (ECB" in text and "with 13 % VAT" in text
    assert "CNY " in page and "with 13 % VAT" in page
    assert "$" not in text.partition("FACTOR")[0]
    assert "€" in screen(plan_view(plan("EUR"))) and "$" in screen(plan_view(plan("USD")))


def test_the_currency_ends_with_what_is_shown() -> None:
    with money_in(Currency(code="EUR", usd=1.25)):
        assert quantity(100.0, "usd/year") == "€80.0/year"
        with money_in(Currency(code="CNY", usd=0.2)):
            assert quantity(-1.0, "usd") == "-CNY 5.00"
    assert quantity(100.0, "usd") == "$100"


def test_amounts_in_the_own_currency_are_converted_and_given_once(tmp_path: Path) -> None:
    catalogue, file = load_catalogue(with_user_files=False), tmp_path / "demand.toml"
    text = EXAMPLE.read_text()
    file.write_text(f"{text}budget = 900_000\n")
    rate = catalogue.exchange_rate("CNY").value
    demand = read_demand(file, catalogue=catalogue)
    assert demand.constraints.budget_usd == pytest.approx(900_000 * rate)
    assert demand.site.electricity_usd_per_kwh.value == pytest.approx(0.7 * rate)
    for changed, told in (
        (f"{text}budget = 1\nbudget_usd = 1\n", "either budget or budget_usd"),
        (text.replace('"CNY"', '"XYZ"'), "XYZ"),
    ):
        file.write_text(changed)
        with pytest.raises(UsageError, match=told):
            read_demand(file, catalogue=catalogue)

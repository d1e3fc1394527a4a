"""A quote is planned like any other option, with support and a bridge until delivery, and compared by plain arithmetic."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.quotes import with_quote_files
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.records.quote import Quote, QuotedPlan
from aigc_bench.report.plan.plan_report import render_plan

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = (EXAMPLES / "quotes" / "servers.toml", EXAMPLES / "quotes" / "rent.csv")
ACCELERATORS = ("h200_sxm_141gb", "h100_sxm_80gb", "b300_sxm_288gb", "l40s")


@cache
def demand() -> Demand:
    catalogue = load_catalogue(with_user_files=False)
    return with_quote_files(read_demand(EXAMPLES / "three-quotes.toml", catalogue=catalogue), FILES, catalogue=catalogue)


@cache
def plan() -> Plan:
    return api.plan(demand(), accelerators=ACCELERATORS)


def with_changed(name: str, **changes: object) -> Plan:
    quotes = tuple(one.model_copy(update=changes) if one.name == name else one for one in demand().quotes)
    return api.plan(demand().model_copy(update={"quotes": quotes}), accelerators=ACCELERATORS)


def row(name: str, of: Plan | None = None) -> QuotedPlan:
    return next(one for one in (of or plan()).quotes if one.quote.name == name)


def test_every_quote_is_a_row_and_none_changes_the_recommendation() -> None:
    without = api.plan(demand().model_copy(update={"quotes": ()}), accelerators=ACCELERATORS)
    assert {one.quote.name for one in plan().quotes} == {"A-2231", "B-0815", "C-77"}
    assert plan().options == without.options


@pytest.mark.parametrize("name", ["A-2231", "B-0815"])
def test_the_total_of_a_purchase_is_the_sum_that_the_page_states(name: str) -> None:
    one, finance = row(name), demand().finance
    assert one.capex_usd and one.opex_usd_per_year and one.bridge_usd and one.total_usd
    served = finance.life_years - one.quote.delivery_years
    lost = one.total_usd.value - one.opex_usd_per_year.value * served - one.bridge_usd.value
    # Racks and plant outlive the servers, so a little more is left than of servers alone.
    assert finance.plant_left_share is not None
    assert finance.residual_share.value < 1 - lost / one.capex_usd.value < finance.plant_left_share.value


def test_the_price_is_compared_with_the_market_and_the_total_with_the_best_other_quote() -> None:
    first, second = row("A-2231"), row("B-0815")
    assert first.market_usd and first.over_market == pytest.approx(first.quote.unit_usd.value / first.market_usd.value - 1)
    assert first.best == "B-0815" and second.best == "A-2231"
    assert first.total_usd and second.total_usd
    assert first.over_best == pytest.approx(first.total_usd.value / second.total_usd.value - 1)


@pytest.mark.parametrize("name", ["A-2231", "B-0815", "C-77"])
def test_at_the_equal_price_a_quote_costs_as_much_as_the_recommendation(name: str) -> None:
    one, best = row(name), plan().recommended
    assert one.equal_price is not None and best is not None
    ratio = one.equal_price / one.quote.price
    usd = one.quote.unit_usd
    cheaper = usd.model_copy(update={end: getattr(usd, end) * ratio for end in ("value", "low", "high")})
    again = row(name, with_changed(name, price=one.equal_price, unit_usd=cheaper))
    # A lower price may choose another number of servers; then the total is no more than that.
    assert again.total_usd is not None
    assert again.total_usd.value <= best.tco_usd.value * 1.0001
    if again.num_units == one.num_units:
        assert again.total_usd.value == pytest.approx(best.tco_usd.value, rel=1e-4)


def test_a_later_delivery_costs_more_as_long_as_the_bridge_is_dearer_than_running_the_servers() -> None:
    soon, late = (
        row("A-2231", with_changed("A-2231", delivery_years=0.0)),
        row("A-2231", with_changed("A-2231", delivery_years=1.0)),
    )
    assert soon.bridge_usd is None and soon.total_usd and late.bridge_usd and late.total_usd
    assert soon.total_usd.value < row("A-2231").total_usd.value < late.total_usd.value  # type: ignore[union-attr]


def test_support_is_paid_for_every_server_and_year() -> None:
    with_support, without = row("A-2231"), row("A-2231", with_changed("A-2231", support_usd_per_year=None))
    assert with_support.support_usd_per_year and with_support.num_units and with_support.quote.support_usd_per_year
    each = with_support.quote.support_usd_per_year.value
    assert with_support.support_usd_per_year.value == pytest.approx(with_support.num_units * each)
    served = demand().finance.life_years - with_support.quote.delivery_years
    assert with_support.total_usd and without.total_usd
    assert with_support.total_usd.value - without.total_usd.value == pytest.approx(with_support.num_units * each * served)


def test_what_a_quote_leaves_open_is_asked() -> None:
    late = row("A-2231", with_changed("A-2231", valid_until=date(2026, 1, 1), num_units=1))
    words = " ".join(late.questions)
    assert "it was valid until 2026-01-01" in words and f"it offers 1 of the {late.num_units} units" in words
    assert "until then" in words


def test_a_quote_is_refused_for_what_refuses_any_option(tmp_path: Path) -> None:
    limits = demand().constraints.model_copy(update={"vendors": ("AMD",), "without": ("owned", "colocated")})
    refused = api.plan(demand().model_copy(update={"constraints": limits}), accelerators=("mi300x",)).quotes
    assert all(not one.accepted for one in refused)
    assert any("constraints.vendors allows AMD only" in reason for one in refused for reason in one.reasons)


def test_a_part_that_is_not_exported_there_is_refused_whoever_quotes_it() -> None:
    site = demand().site.model_copy(update={"region": "china"})
    found = api.plan(demand().model_copy(update={"site": site}), accelerators=("h20_96gb",)).quotes
    assert any("not sold in China" in reason for one in found for reason in one.reasons)


def test_a_quote_of_a_size_that_the_catalogue_does_not_have_is_planned_on_a_host_of_that_size() -> None:
    quote: Quote = row("A-2231").quote.model_copy(update={"num_accelerators": 4})
    found = api.plan(demand().model_copy(update={"quotes": (quote,)}), accelerators=("l40s",)).quotes
    assert found[0].num_units


def test_the_page_the_screen_and_json_show_the_quotes() -> None:
    from aigc_bench.cli.plan_screen import screen

    view = plan_view(plan())
    text, page, found = screen(view), render_plan(view, version="1"), contract(view)["quotes"]
    for name in ("A-2231", "B-0815", "C-77"):
        assert name in text and name in page
    assert {one["quote"]["name"] for one in found} == {"A-2231", "B-0815", "C-77"}
    assert found[0]["total_usd"]["unit"] == "usd" and found[0]["quote"]["dated"] == "2026-11-16"
    assert "What would change that" in page

"""The numbers of quotes and of owned machines follow from their sources by arithmetic, on the page and by ``--explain``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.trail import Trail
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.quotes import with_quote_files
from aigc_bench.plan.explain.plan_trail import explain, trail_of
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.plan.plan_report import render_plan
from tests.plan.test_owned_machines import plan as kept_plan

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = (EXAMPLES / "quotes" / "servers.toml", EXAMPLES / "quotes" / "rent.csv")
FEW = ("h200_sxm_141gb", "b300_sxm_288gb", "l40s")
OF_QUOTES = (
    "capex_usd",
    "opex_usd_per_year",
    "bridge_usd",
    "total_usd",
    "over_market",
    "over_recommended",
    "over_best",
    "equal_price",
)
OF_FLEETS = ("running_usd_per_year", "resale_usd", "later_usd", "anew_usd")


@cache
def with_quotes() -> Plan:
    catalogue = load_catalogue(with_user_files=False)
    demand = with_quote_files(read_demand(EXAMPLES / "three-quotes.toml", catalogue=catalogue), FILES, catalogue=catalogue)
    return api.plan(demand, accelerators=FEW)


@cache
def with_owned() -> Plan:
    return api.plan(EXAMPLES / "extend-a100.toml", accelerators=("l40s", "rtx_pro_6000_bw_maxq"))


def check(trail: Trail, key: str, value: float | None) -> None:
    """The number stands in the trail, its arithmetic gives it again, and it ends at leaves with a source."""
    assert value is not None and trail[key].value.value == pytest.approx(value, rel=1e-12)
    for one, step in trail.reach([key]).items():
        again = trail.recomputed(one)
        assert again is None or again == pytest.approx(step.value.value, rel=1e-6, abs=1e-12), f"{one}: {step.arithmetic}"
        assert step.inputs or step.source or not step.value.value, f"{one} has no source"


@pytest.mark.parametrize("name", OF_QUOTES)
def test_every_number_of_a_quote_is_explained_down_to_its_sources(name: str) -> None:
    trail = trail_of(with_quotes())
    for one in with_quotes().quotes:
        found = getattr(one, name)
        check(trail, f"quotes.{one.quote.name}.{name}", getattr(found, "value", found))
        is_computed = bool(trail[f"quotes.{one.quote.name}.{name}"].inputs)
        assert is_computed or (one.quote.is_rent and name == "capex_usd"), "a rent buys nothing; all else is computed"


def test_the_total_of_a_quote_follows_from_its_unit_price() -> None:
    trail = trail_of(with_quotes())
    for one in with_quotes().quotes:
        assert f"demand.quotes.{one.quote.name}.unit_usd" in trail.reach([f"quotes.{one.quote.name}.total_usd"])
    assert "residual" in explain(with_quotes(), "quotes.A-2231.total_usd")


def test_the_equal_price_follows_from_the_total_of_the_plan_and_from_what_a_unit_adds() -> None:
    plan = with_quotes()
    trail, best = trail_of(plan), plan.recommended
    assert best is not None
    for one in plan.quotes:
        key = f"quotes.{one.quote.name}"
        # The whole formula by hand, from the numbers that the derivation names.
        slope = trail[f"{key}.slope"].value.value
        usd = one.quote.unit_usd.value + (best.tco_usd.value - trail[f"{key}.total_usd"].value.value) / slope
        by_hand = usd * (1 + one.quote.vat) / one.quote.usd_per_currency.value
        assert one.equal_price == pytest.approx(by_hand, rel=1e-12)
        assert {f"{key}.slope", f"{key}.total_usd", f"options.{best.rank}.tco_usd"} <= set(trail[f"{key}.equal_price"].inputs)
        check(trail, f"{key}.slope", slope)


@pytest.mark.parametrize("name", OF_FLEETS)
def test_every_number_of_owned_machines_is_explained_down_to_its_sources(name: str) -> None:
    owned = with_owned().owned
    assert owned is not None and owned.fleets
    for number, fleet in enumerate(owned.fleets, start=1):
        check(trail_of(with_owned()), f"owned.{number}.{name}", getattr(fleet, name).value)


def test_the_cost_of_new_machines_is_less_what_the_old_ones_bring() -> None:
    owned, trail = with_owned().owned, trail_of(with_owned())
    assert owned is not None and owned.replace_usd is not None
    check(trail, "owned.replace_usd", owned.replace_usd.value)
    assert "owned.1.resale_usd" in trail.reach(["owned.replace_usd"])


def test_the_cost_of_keeping_is_the_electricity_and_what_is_added_less_the_resale_at_the_end() -> None:
    owned, trail = kept_plan().owned, trail_of(kept_plan())
    assert owned is not None and owned.keep_usd is not None
    check(trail, "owned.keep_usd", owned.keep_usd.value)
    assert {"owned.1.running_usd_per_year", "owned.1.later_usd"} <= set(trail.reach(["owned.keep_usd"]))


def test_numbers_of_quotes_and_owned_machines_open_their_derivation_on_the_page() -> None:
    page = render_plan(plan_view(with_quotes()), version="0")
    assert all(f'data-why="quotes.{one.quote.name}.total_usd"' in page for one in with_quotes().quotes)
    assert 'data-why="owned.1.resale_usd"' in render_plan(plan_view(with_owned()), version="0")


def test_the_list_of_keys_has_quotes_and_owned_machines_under_headings_of_their_own() -> None:
    assert "\nQuotes\n" in explain(with_quotes(), "list") and "\nMachines that are there\n" in explain(with_owned(), "list")

"""Safer choices: more servers within the limits of site and budget, and the sentences about them."""

from __future__ import annotations

import pytest

from aigc_bench.plan.output.risk_view import NOTHING, safer_choices
from aigc_bench.plan.records.demand import Constraints, Demand
from aigc_bench.plan.records.risk import MoreServers, Safer, SaferOption
from aigc_bench.plan.risk.fleet_service import hindrance
from tests.plan.build import exact
from tests.plan.risk.cases import (
    an_option,
    rent_offer,
    uncertain_demand,
    uncertain_site,
)


@pytest.mark.parametrize(
    ("demand", "word"),
    [
        (uncertain_demand(site=uncertain_site().with_amounts({"power_w": exact(1e5, "W")})), "power"),
        (uncertain_demand(site=uncertain_site().model_copy(update={"num_racks": 3})), "racks"),
        (uncertain_demand(constraints=Constraints(budget_usd=1e6)), "budget_usd"),
        (uncertain_demand(constraints=Constraints(budget_usd_per_year=1e6)), "budget_usd_per_year"),
    ],
)
def test_more_servers_run_into_the_site_and_the_budget(demand: Demand, word: str) -> None:
    option = an_option(demand)
    assert hindrance(option, demand, more_servers=0) is None
    found = hindrance(option, demand, more_servers=1000)
    assert found is not None and word in found


def test_rented_servers_are_not_limited_by_the_site() -> None:
    demand = uncertain_demand(site=uncertain_site().with_amounts({"power_w": exact(1.0, "W")}, num_racks=0))
    assert hindrance(an_option(demand, offer=rent_offer()), demand, more_servers=1000) is None


def safer_with(**procurements: SaferOption | MoreServers | None) -> Safer:
    plain: dict[str, SaferOption | MoreServers | None] = {"option": None, "more_servers": None}
    return Safer(p_slo=0.5, below=0.8, wanted=0.9, **{**plain, **procurements})  # type: ignore[arg-type]


def test_safer_choices_are_listed_the_cheapest_first_and_those_over_a_limit_last() -> None:
    option = SaferOption(rank=7, what="rent 8 x card", p_slo=0.95, tco_usd=3e5)
    more = MoreServers(count=1, num_servers=4, p_slo=0.92, tco_usd=1e5, hindrance="the power of the site")
    first, last = safer_choices(safer_with(option=option, more_servers=more))
    assert first.startswith("option 7") and "$300,000" in first
    assert last.startswith("1 more server, 4 in total") and "which exceeds the power of the site" in last


def test_without_a_safer_choice_a_sentence_states_that() -> None:
    assert safer_choices(safer_with()) == (NOTHING,)

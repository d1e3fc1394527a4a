"""What makes a plan surer: a stricter plan, more servers within what site and budget allow, told in words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aigc_bench.plan.certainty.limits import hindrance
from aigc_bench.plan.certainty.margin import with_margin
from aigc_bench.plan.certainty.records import Margin, MoreServers, Surer, SurerOption
from aigc_bench.plan.certainty.told import NOTHING, ways_to_be_surer
from aigc_bench.plan.demand import Constraints, Demand, Slo
from aigc_bench.plan.options import ranked
from aigc_bench.plan.records import Plan
from tests.plan.build import exact
from tests.plan.certainty.cases import (
    a_ground,
    about,
    an_option,
    rent_offer,
    served,
    uncertain_demand,
    uncertain_machine,
    uncertain_rules,
    uncertain_service,
    uncertain_site,
)

TIGHT = uncertain_demand(services=(uncertain_service(slo=Slo(latency_s=3.0)),), jobs=())


def plans_smaller_batches(demand: Demand, /, *, accelerators: Sequence[str]) -> Plan:
    """A planner with two batches: the large one takes 2.5 s, the small one 1 s at half the rate."""
    limit = demand.services[0].slo.latency_s or 0.0
    small = served(case="gpt/small/batch", service_s=about(1.0, "s"), throughput=about(25.0, "tokens/s"), batch_size=1)
    machine = uncertain_machine()
    if limit < 2.5:
        machine = machine.model_copy(update={"capabilities": (small, machine.capabilities[1])})
    return Plan(
        demand=demand,
        rules=uncertain_rules(),
        options=ranked([an_option(demand, machine=machine)]),
        recommendation=1,
        assumptions=(),
        method=f"on {accelerators}",
    )


def test_a_stricter_plan_is_surer_where_the_cheapest_batch_keeps_the_slo_by_a_hair() -> None:
    ground = a_ground(TIGHT)
    found = with_margin(("card",), ground, planner=plans_smaller_batches)
    assert found is not None and found.slo_share < 0.85 and found.p_slo >= 0.9
    assert "in batches of 1" in found.settings and found.num_servers > 0


def test_without_a_latency_no_stricter_plan_is_looked_for() -> None:
    free = uncertain_demand(services=(uncertain_service(slo=Slo()),), jobs=())
    assert with_margin(("card",), a_ground(free), planner=plans_smaller_batches) is None


@pytest.mark.parametrize(
    ("demand", "word"),
    [
        (uncertain_demand(site=uncertain_site().model_copy(update={"power_w": exact(1e5, "W")})), "power"),
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


def test_rented_servers_stand_in_somebody_elses_room() -> None:
    demand = uncertain_demand(site=uncertain_site().model_copy(update={"power_w": exact(1.0, "W"), "num_racks": 0}))
    assert hindrance(an_option(demand, offer=rent_offer()), demand, more_servers=1000) is None


def surer_with(**ways: SurerOption | MoreServers | Margin | None) -> Surer:
    plain: dict[str, SurerOption | MoreServers | Margin | None] = {"option": None, "more_servers": None, "margin": None}
    return Surer(p_slo=0.5, below=0.8, wanted=0.9, **{**plain, **ways})  # type: ignore[arg-type]


def test_ways_to_be_surer_are_told_the_cheapest_first_and_what_is_not_allowed_last() -> None:
    option = SurerOption(rank=7, what="rent 8 x card", p_slo=0.95, tco_usd=3e5)
    more = MoreServers(count=1, num_servers=4, p_slo=0.92, tco_usd=1e5, hindrance="the power of the site")
    margin = Margin(
        slo_share=0.7, what="buy 5 x card", settings="chat in batches of 8", more_servers=2, num_servers=7, p_slo=0.91, tco_usd=2e5
    )
    first, second, last = ways_to_be_surer(surer_with(option=option, more_servers=more, margin=margin))
    assert first.startswith("plan with 70.0 % of every latency") and "2 servers more" in first
    assert second.startswith("option 7") and "$300,000" in second
    assert last.startswith("1 server more, 4 in all") and "the power of the site does not allow" in last


def test_where_nothing_is_surer_that_is_said() -> None:
    assert ways_to_be_surer(surer_with()) == (NOTHING,)

"""Whose limits hold for an option: the site's for what is owned, a provider's for what is colocated or rented."""

from __future__ import annotations

import pytest

from aigc_bench.core.trail import Trail
from aigc_bench.plan.explain.plan_trail import trail_of
from aigc_bench.plan.placement.site_limits import site_for
from aigc_bench.plan.records.demand import Colocation
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.risk.fleet_service import hindrance
from tests.plan.build import exact, make_demand, make_machine, make_site
from tests.plan.demands import demand_of, plan_of, text_of

TIGHT = """
[site]
power_kw = 1
racks = 0
rack_kw = 2
rack_cooling_kw = 2
rack_units = 5
uplink_gbit_per_s = 0
"""


def plan_with(rest: str, *, amount: float = 200.0, accelerator: str = "h100_sxm_80gb") -> Plan:
    return plan_of(text_of("chat", amount=amount, rest=rest), accelerators=(accelerator,))


def of_kind(plan: Plan, kind: str) -> list[Option]:
    return [one for one in plan.options if one.kind == kind and not one.parts]


def test_a_colocation_is_not_held_to_the_limits_of_a_room_that_is_too_small() -> None:
    plan = plan_with(TIGHT)
    assert of_kind(plan, "owned") and not any(one.accepted for one in of_kind(plan, "owned"))
    colocated = of_kind(plan, "colocated")
    assert colocated and all(one.accepted for one in colocated), [one.reasons for one in colocated]
    for option in colocated:
        for name in ("cooling", "power"):
            assert option.factors[name].available == plan.demand.colocation.amount("rack_air_w")
        assert "uplink" not in option.factors["network"].why


def test_rented_machines_answer_over_the_link_of_their_provider() -> None:
    rented = of_kind(plan_with(TIGHT), "cloud")
    assert rented and all("uplink" not in one.factors["network"].why for one in rented)


def test_a_providers_rack_limit_is_available_to_cooling_and_power_alike() -> None:
    plan = plan_with("[colocation]\nrack_kw = 17\n[site]\nrack_kw = 24\nrack_cooling_kw = 24\n")
    for kind, watts in (("owned", 24_000.0), ("colocated", 17_000.0)):
        for option in of_kind(plan, kind):
            for name in ("cooling", "power"):
                found = option.factors[name].available
                assert found is not None and found.value == watts
            assert option.room is not None and all(rack.heat_w <= watts * 1.000001 for rack in option.room.layout.racks)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("racks = 0", "colocation.racks = "),
        ("rack_kw = 4", "(colocation.rack_kw)"),
        ("power_kw = 1", "(colocation.power_kw)"),
        ("uplink_gbit_per_s = 0", "(colocation.uplink_gbit_per_s)"),
        ('cooling = "direct_liquid"', "colocation.cooling = 'air'"),
    ],
)
def test_what_a_colocation_does_not_offer_is_reported_with_its_own_key(rest: str, words: str) -> None:
    plan = plan_with(f"[colocation]\n{rest}\n")
    refused = of_kind(plan, "colocated")
    assert refused and all(any(words in reason for reason in one.reasons) and not one.accepted for one in refused)
    assert all(one.accepted for one in of_kind(plan, "owned"))


def test_liquid_cooled_servers_are_offered_the_racks_that_they_are_built_for() -> None:
    demand = demand_of(text_of("chat"))
    air, liquid = (site_for("colocated", make_machine(cooling=cooling), demand) for cooling in ("air", "direct_liquid"))
    assert (air.cooling, liquid.cooling) == ("air", "direct_liquid")
    feeds = [one.amount("rack_power_w") for one in (air, liquid)]
    assert [feed and feed.value for feed in feeds] == [25_000, 120_000]
    assert site_for("owned", make_machine(), demand) == demand.site


def test_a_colocation_without_figures_is_unknown_and_has_no_storage_of_the_site() -> None:
    demand = make_demand(site=make_site(store_bytes=exact(1e15, "B")), colocation=Colocation())
    found = site_for("colocated", make_machine(), demand)
    assert found.num_racks is None
    assert not {"rack_power_w", "rack_cooling_w", "store_bytes"} & set(found.of_factors)


def test_more_servers_of_a_colocation_run_into_what_the_provider_has() -> None:
    plan = plan_with("[site]\nracks = 1\npower_kw = 30\n[colocation]\nracks = 2\n")
    option = of_kind(plan, "colocated")[0]
    assert hindrance(option, plan.demand, more_servers=40) == "the racks of the colocation"
    assert hindrance(of_kind(plan, "owned")[0], plan.demand, more_servers=40) == "the power of the site"


def test_the_limits_of_a_colocation_are_explained_by_their_own_keys() -> None:
    plan = plan_with("[colocation]\nrack_kw = 24\nuplink_gbit_per_s = 40\n")
    option = of_kind(plan, "colocated")[0]
    trail: Trail = trail_of(plan, option)
    at = f"options.{option.rank}"
    assert trail[f"{at}.factors.power.available"].inputs == ("demand.colocation.rack_air_w",)
    assert trail[f"{at}.factors.cooling.available"].inputs == ("demand.colocation.rack_air_w",)
    assert "demand.colocation.rack_air_w" in trail[f"{at}.servers_per_rack"].inputs
    assert trail[f"{at}.servers_per_rack"].value.value == trail.recomputed(f"{at}.servers_per_rack")

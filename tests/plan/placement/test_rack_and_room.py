"""Racks of a site, what has to be stored, and options whose equipment must stand somewhere."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.derivation import recomputed
from aigc_bench.plan.hardware.hosts import Host, hosts
from aigc_bench.plan.placement.rack_fill import fullest_rack, num_racks, rack_fill
from aigc_bench.plan.placement.room_around import room_maker, storage_need
from aigc_bench.plan.records.demand import Dataset, Demand, Growth
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import rules_from
from aigc_bench.plan.site.room import MOST_SERVERS
from tests.plan.build import exact, make_capability, make_demand, make_job, make_machine, make_service, make_site
from tests.plan.demands import catalogue, plan_of, text_of

ON = date(2026, 11, 25)


def host(server: str) -> Host:
    return next(one for one in hosts(catalogue()) if one.server is not None and one.server.id == server)


@pytest.mark.parametrize(
    ("site", "fill"),
    [
        ({}, (6, "cooling")),
        ({"rack_power_w": exact(2_500.0, "W")}, (2, "power")),
        ({"rack_height_u": 7}, (3, "space")),
        ({"rack_cooling_w": exact(1_000.0, "W")}, (0, "cooling")),
        ({"rack_power_w": None, "rack_cooling_w": None}, (21, "space")),
    ],
)
def test_a_rack_holds_what_its_scarcest_limit_lets_it(site: dict[str, object], fill: tuple[int, str]) -> None:
    """Servers of 1.2 kW, 1.3 kW of heat and 2 U in racks of 10 kW, 8 kW and 42 U."""
    found = rack_fill(make_machine(), make_site(**site))
    assert found is not None and (found.servers, found.limit) == fill
    assert recomputed(found.counted) == fill[0]


def test_a_site_without_limits_has_no_fill() -> None:
    assert rack_fill(make_machine(rack_units=None), make_site(rack_power_w=None, rack_cooling_w=None)) is None
    assert (fullest_rack(None, num_servers=5), num_racks(None, num_servers=5)) == (5, None)
    assert (fullest_rack(0, num_servers=5), num_racks(0, num_servers=5)) == (1, None)
    assert (fullest_rack(3, num_servers=0), num_racks(3, num_servers=0)) == (0, 0)


@given(st.integers(1, 50), st.integers(0, 10_000))
def test_racks_hold_all_servers_and_one_less_does_not(fill: int, servers: int) -> None:
    racks = num_racks(fill, num_servers=servers)
    assert racks is not None
    assert racks * fill >= servers
    assert servers == 0 or (racks - 1) * fill < servers
    assert fullest_rack(fill, num_servers=servers) <= fill


def stored(**changes: object) -> float:
    demand = make_demand(**changes)
    machine = make_machine(disk_bytes=exact(1.0, "B"), capabilities=(make_capability(), make_capability(num_params=None)))
    return storage_need(demand, site=demand.site, rules=rules_from(catalogue()), machine=machine, num_servers=1).raw_bytes


def test_stored_bytes_over_the_usable_share_have_to_be_bought() -> None:
    """Answers of ten days at the mean rate, a job's items and data sets in their copies; 77.5 % of raw bytes are usable."""
    answers = 1000 * 0.05 / 60 * 2 * 0.25 * 86_400 * 3_000 * 10
    data = Dataset(name="data", size_bytes=exact(1e12, "B"), copies=exact(3.0, "count"))
    assert stored(datasets=(data,)) == pytest.approx((answers + 2 * 1_440_000 * 4 + 3e12) / 0.775)
    growing = Growth(per_year=exact(1.0, "fraction/year"), horizon_years=2.0)
    assert stored(jobs=(), growth=growing) == pytest.approx(4 * answers / 0.775)
    assert stored(services=(make_service(kept_days=exact(0.0, "day")),), jobs=()) == 0


def test_storage_that_the_site_has_is_not_bought_again() -> None:
    data = Dataset(name="data", size_bytes=exact(1e12, "B"), copies=exact(1.0, "count"))
    there = make_site(store_bytes=exact(1e12, "B"))
    assert stored(datasets=(data,), site=there, services=(), jobs=()) == pytest.approx(1e12 / 0.775 - 1e12)
    assert stored(datasets=(data,), site=make_site(store_bytes=exact(1e13, "B")), services=(), jobs=()) == 0


def test_a_room_is_made_for_as_many_servers_as_one_room_holds() -> None:
    demand = make_demand(site=make_site(rack_power_w=exact(24_000.0, "W"), rack_cooling_w=exact(24_000.0, "W")))
    make = room_maker(host("dgx_h100"), demand, catalogue=catalogue(), on=ON, is_built=True)
    room = make(4)
    assert room is not None
    assert [rack.heat_w <= 24_000 for rack in room.layout.racks] == [True] * len(room.layout.racks)
    assert make(0) is None and make(MOST_SERVERS + 1) is None


def test_serving_alone_may_share_uplinks_and_training_may_not() -> None:
    def uplinks(demand: Demand) -> int:
        room = room_maker(host("dgx_h100"), demand, catalogue=catalogue(), on=ON, is_built=False)(32)
        assert room is not None
        return room.networks.compute.leaf_uplinks

    assert uplinks(make_demand(jobs=())) < uplinks(make_demand(jobs=(make_job(),)))


def owned(rest: str, *, amount: float = 200.0) -> list[Option]:
    text = text_of("chat", amount=amount, rest=f"[site]\n{rest}\n")
    return [one for one in plan_of(text, accelerators=("h100_sxm_80gb",)).options if one.kind == "owned"]


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("floor_kg_per_m2 = 100\nrack_kw = 24", "cannot be placed: one needs"),
        ("racks = 0", "the site has room for 0"),
        ("rack_kw = 4", "power:"),
        ("rack_cooling_kw = 4", "cooling:"),
        ("power_kw = 0", "power:"),
        ("uplink_gbit_per_s = 0", "network:"),
    ],
)
def test_servers_without_a_place_or_power_and_cooling_are_refused(rest: str, words: str) -> None:
    options = owned(rest)
    assert options
    for option in options:
        assert not option.accepted
        assert any(words in reason for reason in option.reasons), option.reasons


@pytest.mark.parametrize(("rest", "factor"), [("power_kw = 0", "power"), ("uplink_gbit_per_s = 0", "network")])
def test_a_factor_with_nothing_available_is_the_bottleneck(rest: str, factor: str) -> None:
    assert {option.bottleneck for option in owned(rest)} == {factor}


def test_more_servers_than_one_room_holds_are_refused_before_the_room_is_drawn() -> None:
    for option in owned("", amount=1e7):
        assert option.room is None
        assert any("one room is modelled for" in reason for reason in option.reasons)

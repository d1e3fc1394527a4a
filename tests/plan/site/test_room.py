"""Bills of materials of whole rooms: counts against hand arithmetic, sums, sources, and unknown prices."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.site.network_design import link_for, make_networks, switch_for
from aigc_bench.plan.site.room import Room, RoomNeed, make_room
from aigc_bench.plan.site.storage_system import StorageNeed, storage_lines, system_price, systems_needed

TODAY = date(2026, 11, 25)
CATALOGUE = load_catalogue(with_user_files=False)
PLACES = [
    ("dgx_h100", "air"),
    ("dgx_h100", "rear_door"),
    ("dgx_b200", "rear_door"),
    ("hgx_b300_4u_dlc", "direct_liquid"),
    ("gb200_nvl72", "direct_liquid"),
    ("pcie_4u_8x_l40s", "air"),
    ("cpu_2u", "air_open"),
]


def room(server: str, num_servers: int, **values: object) -> Room:
    need = RoomNeed.model_validate({"num_servers": num_servers, "room": "air", **values})
    return make_room(CATALOGUE.servers[server], need, catalogue=CATALOGUE, on=TODAY)


def count(found: Room, key: str) -> int:
    return sum(line.count for line in found.bill.lines if line.key == key)


def test_sixty_four_dgx_are_a_scalable_unit_of_the_reference_architecture() -> None:
    found = room("dgx_h100", 64, room="rear_door", is_built=True)
    assert count(found, "compute_leaf.qm9700") == 16
    assert count(found, "compute_spine.qm9700") == 8
    assert count(found, "nic_compute") == 512
    assert count(found, "compute_NIC_link.aoc_400") == 512
    assert count(found, "compute_uplink.aoc_400") == 512
    assert count(found, "spare.compute_uplink.aoc_400") == math.ceil(0.03 * 512)
    assert len(found.layout.racks) == 16
    assert count(found, "cooling_rear_door") == 16
    assert count(found, "pdu") == 16 * 4
    assert not found.layout.unplaced


def test_the_bill_adds_up_by_hand() -> None:
    found = room("dgx_h100", 2, room="rear_door", is_built=False)
    racks = 1
    links, ports = 16 * 1450, 2 + 1 + 1
    spares = 1 * 1450 + 1 * 420 + 1 * 28
    # 16 ports of 400 Gbit/s, 4 of 100 and 4 of 1: the smallest switches that hold them.
    switches = 25_000 + 800 + 50
    expected = 2 * 375_000 + switches + links + 4 * 420 + ports * 28 + spares + racks * (2_500 + 2 * 1_500)
    assert len(found.layout.racks) == racks
    assert found.bill.capex_usd.value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("server", "place"), PLACES)
def test_every_line_has_a_source_and_a_price_or_the_reason_it_has_none(server: str, place: str) -> None:
    for line in room(server, 12, room=place, storage={"raw_bytes": 1e15}).bill.lines:
        assert len(line.source) >= 4
        assert line.count > 0
        assert (line.unit_usd is None) == (line.why_no_price is not None)
        if line.unit_usd is not None:
            assert line.unit_usd.unit in ("usd", "USD")
            assert line.unit_usd.source


def test_what_has_no_price_is_listed_and_in_no_sum() -> None:
    found = room("asus_xa_nb3i_e12", 1)
    assert found.bill.unpriced == ("ASUS XA NB3I-E12 9U HGX B300: the catalogue has no price of ASUS XA NB3I-E12 9U HGX B300",)
    assert any("in no sum" in note for note in found.notes)


def test_a_rack_of_nvl72_keeps_its_own_cooling_and_a_larger_one_is_refused() -> None:
    found = room("gb200_nvl72", 4, room="direct_liquid")
    assert len(found.layout.racks) == 5
    assert found.fit is not None and found.fit.is_feasible
    announced = room("vr_nvl72_announced", 1, room="direct_liquid")
    assert announced.layout.unplaced[0].limit == "cooling"


def test_an_air_server_in_a_liquid_room_is_not_feasible() -> None:
    found = room("dgx_h100", 4, room="direct_liquid")
    assert found.fit is not None and not found.fit.is_suitable


def test_an_empty_room_costs_nothing() -> None:
    found = room("dgx_h100", 0)
    assert (found.bill.capex_usd.value, found.it_peak_w, found.layout.racks, found.feeds, found.fit) == (0, 0, (), None, None)


def test_a_colocation_buys_neither_ups_nor_cooling() -> None:
    built, rented = (room("dgx_h100", 16, is_built=is_built) for is_built in (True, False))
    categories = {line.category for line in rented.bill.lines}
    assert "cooling" not in categories
    assert count(rented, "ups") == 0 < count(built, "ups")
    assert rented.bill.capex_usd.value < built.bill.capex_usd.value


def test_a_small_room_is_built_of_small_modules() -> None:
    found = room("pcie_4u_8x_l40s", 2, is_built=True)
    names = {line.key: (line.count, line.name) for line in found.bill.lines}
    assert names["ups"] == (math.ceil(found.it_peak_w / 5_000) + 1, "UPS module of 5 kW with batteries")
    assert names["cooling_air"] == (math.ceil(found.it_peak_w / 5_000) + 1, "Split unit 5 kW")


def test_a_hall_is_built_of_large_ones_and_cools_what_the_liquid_leaves_by_air() -> None:
    found = room("hgx_b300_4u_dlc", 128, room="direct_liquid", is_built=True)
    names = {line.key: (line.count, line.name) for line in found.bill.lines}
    heat_w = found.it_peak_w
    assert names["cooling_direct_liquid"][0] == math.ceil(0.9 * heat_w / 1.3e6) + 1
    assert names["cooling_air"][0] == math.ceil(0.1 * heat_w / 150_000) + 1
    assert names["ups"][0] == math.ceil(heat_w / 250_000) + 1


def test_measured_power_puts_more_nodes_into_a_rack_than_the_nameplate() -> None:
    nameplate, measured = (
        room("pcie_4u_8x_l40s", 60, room="rear_door", rack_power_w=20_000, peak_w=peak) for peak in (None, 3_300.0)
    )
    assert len(measured.layout.racks) < len(nameplate.layout.racks)


@given(st.sampled_from(PLACES), st.integers(0, 150), st.integers(0, 150))
def test_more_servers_never_cost_or_draw_less(place: tuple[str, str], first: int, second: int) -> None:
    few, many = (room(place[0], number, room=place[1]) for number in sorted((first, second)))
    assert few.bill.capex_usd.value <= many.bill.capex_usd.value
    assert few.it_peak_w <= many.it_peak_w
    assert few.bill.weight_kg() <= many.bill.weight_kg()


@given(st.sampled_from(PLACES), st.integers(1, 100))
def test_the_racks_draw_no_more_than_the_bill(place: tuple[str, str], number: int) -> None:
    found = room(place[0], number, room=place[1])
    assert sum(rack.peak_w for rack in found.layout.racks) <= found.bill.peak_w() * (1 + 1e-9)
    assert found.bill.capex_usd.low <= found.bill.capex_usd.value <= found.bill.capex_usd.high


@pytest.mark.parametrize(("distance_m", "item"), [(2, "dac_400"), (5, "aec_400"), (20, "aoc_400"), (100, "dr4_400_osfp")])
def test_a_link_is_the_cheapest_that_reaches(distance_m: float, item: str) -> None:
    found = link_for(distance_m, bytes_per_s=50e9, catalogue=CATALOGUE)
    assert found is not None
    assert (found[0].id, found[1]) == (item, 2 if item.endswith("osfp") else 1)


def test_ethernet_nics_get_ethernet_switches_of_their_rate() -> None:
    def leaf(server: str, number: int) -> str:
        return next(line.key for line in room(server, number).bill.lines if line.key.startswith("compute_leaf"))

    # 32 servers of eight 400 Gbit/s NICs: InfiniBand where the NIC speaks it, Ethernet at another maker's.
    assert leaf("dgx_h100", 32) == "compute_leaf.qm9700"
    assert CATALOGUE.network[leaf("mi355x_8x_dlc", 32).partition(".")[2]].protocol == "ethernet"
    assert leaf("gaudi3_8x", 8) == "compute_leaf.tomahawk5_51t"
    assert leaf("huawei_atlas_800t_a2", 4) == "compute_leaf.sn3700"


@pytest.mark.parametrize(
    ("gbit_per_s", "ports", "item"),
    [
        (2.5, 2, "eth_8x10"),
        (10, 9, "eth_12x10t"),
        (25, 8, "eth_8x25"),
        (100, 4, "eth_4x100"),
        (100, 16, "eth_16x100"),
        (1, 9, "arista_7010tx"),
    ],
)
def test_a_few_ports_get_the_cheapest_switch_that_holds_them(gbit_per_s: float, ports: int, item: str) -> None:
    found = switch_for(gbit_per_s * 1e9 / 8, catalogue=CATALOGUE, num_ports=ports, protocol="ethernet")
    assert found is not None and found.id == item


def test_a_chassis_is_not_bought_for_its_ports_where_leaves_and_spines_cost_less() -> None:
    found = switch_for(50e9, catalogue=CATALOGUE, num_ports=128)
    assert found is not None and found.id == "qm9700"


def test_a_rate_that_no_switch_has_is_missing_not_invented() -> None:
    assert switch_for(1.6e12, catalogue=CATALOGUE) is None
    assert link_for(1.0, bytes_per_s=1.6e12, catalogue=CATALOGUE) is None
    bare = CATALOGUE.servers["dgx_h100"].model_copy(update={"num_compute_nics": None})
    (missing,) = make_networks(bare, num_servers=2, catalogue=CATALOGUE, on=TODAY).missing
    assert missing == "compute network: the NICs of NVIDIA DGX H100 are not in the catalogue"


def test_storage_is_the_cheapest_that_holds_and_feeds() -> None:
    vast = CATALOGUE.storage["vast_ebox"]
    assert systems_needed(vast, StorageNeed(raw_bytes=2e15)) == 4
    assert systems_needed(vast, StorageNeed(raw_bytes=1.0, read_bytes_per_s=100e9)) == 3
    assert systems_needed(CATALOGUE.storage["weka_8node"], StorageNeed(raw_bytes=1.0, read_bytes_per_s=1.0)) is None
    price = system_price(vast)
    assert price is not None and price.value == pytest.approx(600 * 250)
    assert storage_lines(StorageNeed(raw_bytes=0.0), catalogue=CATALOGUE, on=TODAY) == ()


@pytest.mark.parametrize(("terabytes", "system"), [(8, "nvme_nfs_2u"), (400, "vast_ebox"), (1200, "vast_ebox")])
def test_a_single_file_server_is_never_bought_twice(terabytes: float, system: str) -> None:
    """Two file servers of one node are two file systems; what scales out joins its nodes to one."""
    (line,) = storage_lines(StorageNeed(raw_bytes=terabytes * 1e12), catalogue=CATALOGUE, on=TODAY)
    assert line.key == system


@given(st.floats(0, 1e17), st.floats(0, 1e17))
def test_more_bytes_never_need_fewer_systems(first: float, second: float) -> None:
    vast = CATALOGUE.storage["vast_ebox"]
    small, large = (systems_needed(vast, StorageNeed(raw_bytes=raw)) or 0 for raw in sorted((first, second)))
    assert small <= large
    assert large * (vast.capacity_bytes or 0) >= max(first, second) * (1 - 1e-9)

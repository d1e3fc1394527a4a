"""Hosts that no row of the catalogue stands for are bought with the same lines as those that have a data sheet."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.hardware.datasheet import cores_of, for_desks, host_usd, is_board, servers_like
from aigc_bench.plan.hardware.hosts import Host, hosts
from aigc_bench.plan.placement.room_around import room_maker, storage_need
from aigc_bench.plan.records.rules import rules_from
from tests.plan.build import exact, make_demand, make_machine, make_site

CATALOGUE = load_catalogue(with_user_files=False)
TODAY = date(2026, 10, 21)
ALL = {host.machine.server: host for host in hosts(CATALOGUE)}
BARE = [host for host in ALL.values() if host.server is None]


def test_boards_and_cards_are_distinguished_by_their_form() -> None:
    boards, cards = ("h100_sxm_80gb", "mi350x", "mi300a", "gb200_186gb"), ("l4", "h100_nvl_94gb", "rtx_5090", "w7900")
    assert all(is_board(CATALOGUE.accelerators[name]) for name in boards)
    assert not any(is_board(CATALOGUE.accelerators[name]) for name in cards)


@pytest.mark.parametrize("host", BARE, ids=lambda host: host.machine.server)
def test_an_assumed_sheet_has_what_a_bill_needs_and_is_marked_as_assumed(host: Host) -> None:
    sheet = host.sheet
    assert (sheet.basis, sheet.confidence) == ("assumed", "low")
    assert sheet.rack_units and sheet.weight_kg and sheet.num_frontend_nics and sheet.max_power_w
    # Towers are in no fabric.
    assert bool(sheet.num_compute_nics and sheet.compute_nic_bytes_per_s) == sheet.needs_rack
    assert sheet.price is not None and sheet.price.low is not None and sheet.price.high is not None
    assert sheet.price.low < sheet.price.mid < sheet.price.high


@pytest.mark.parametrize("name", ["8x_mi350x", "dgx_h200", "pcie_4u_8x_l40s", "8x_a30"])
def test_every_purchase_has_servers_networks_racks_and_power_on_its_bill(name: str) -> None:
    room = room_maker(
        ALL[name],
        make_demand(site=make_site(rack_power_w=exact(20_000.0, "W"), rack_cooling_w=exact(20_000.0, "W"))),
        catalogue=CATALOGUE,
        on=TODAY,
        is_built=True,
    )(4)
    assert room is not None
    categories = {line.category for line in room.bill.lines if line.count}
    assert {"node", "switch", "cable", "rack", "power", "cooling"} <= categories
    assert len(room.layout.racks) >= 1 and not room.layout.unplaced
    assert room.networks.compute.leaves >= 1


def test_a_host_without_a_sheet_costs_about_what_its_like_with_one_costs() -> None:
    priced = {name: host.machine.price_usd.value for name, host in ALL.items()}
    assert 0.7 < priced["8x_mi350x"] / priced["mi355x_8x_dlc"] < 1.2
    assert 0.7 < priced["1x_rtx_pro_5000_bw_48gb"] / (priced["ws_1x_rtx_pro_6000"] - 8_600 + 4_500) < 1.3


def test_cards_for_desks_stand_in_towers_of_one_two_or_four_and_cards_for_servers_in_hosts_of_eight() -> None:
    for host in BARE:
        expected = {1, 2, 4} if for_desks(host.spec) else {8}
        assert host.machine.devices_per_server == host.sheet.gpu_count, host.machine.server
        assert host.sheet.gpu_count in expected, host.machine.server
    assert {"1x_rtx_pro_4500_bw", "2x_rtx_pro_4500_bw", "4x_rtx_pro_4500_bw"} <= set(ALL)


def test_a_tower_with_one_card_costs_and_draws_what_a_tower_does_not_a_server() -> None:
    tower = ALL["1x_rtx_pro_4500_bw"].machine
    assert 2_800 + 1_000 < tower.price_usd.value < 2_800 + 8_000
    assert tower.idle_power_w.value < 150 < tower.peak_power_w.value < 600


def test_storage_is_bought_only_beyond_the_disks_of_the_servers() -> None:
    demand, rules = make_demand(jobs=()), rules_from(CATALOGUE)
    alone, beside = (
        storage_need(demand, site=demand.site, rules=rules, machine=make_machine(disk_bytes=exact(disk, "B")), num_servers=1)
        for disk in (1.0, 1e12)
    )
    assert alone.raw_bytes > 0 and beside.raw_bytes == 0


def test_two_desktops_stand_at_desks_and_are_all_that_is_bought() -> None:
    room = room_maker(ALL["ws_1x_rtx5090"], make_demand(), catalogue=CATALOGUE, on=TODAY, is_built=True)(2)
    assert room is not None and room.is_at_desks and not room.layout.racks
    assert {line.category for line in room.bill.lines if line.unit_usd is not None} == {"node"}
    assert any("at desks" in note for note in room.notes)


def test_desktops_get_a_rack_a_ups_and_cooling_where_the_demand_asks_for_a_server_room() -> None:
    """Modules in the size of a rack, each with one more: less than the desktops."""
    demand = make_demand(site=make_site(has_server_room=True))
    room = room_maker(ALL["ws_1x_rtx5090"], demand, catalogue=CATALOGUE, on=TODAY, is_built=True)(2)
    assert room is not None and not room.is_at_desks
    usd = {line.key: line.usd.value for line in room.bill.lines if line.usd is not None}
    assert usd["cooling_air"] == 2 * 5 * 900 and usd["ups"] == 2 * 2_250
    assert usd["front_end_leaf.eth_8x10"] < 1_000


def test_more_desktops_than_a_room_takes_get_racks_and_plant() -> None:
    make = room_maker(ALL["ws_1x_rtx5090"], make_demand(), catalogue=CATALOGUE, on=TODAY, is_built=True)
    rooms = {number: make(number) for number in (1, 3, 4, 5)}
    assert {number: room is not None and room.is_at_desks for number, room in rooms.items()} == {
        1: True,
        3: True,
        4: False,
        5: False,
    }


def test_one_server_has_no_switch_one_feed_and_no_spare_plant_unless_asked_for() -> None:
    def lines(**site: object) -> dict[str, int]:
        place = make_site(rack_power_w=exact(20_000.0, "W"), rack_cooling_w=exact(20_000.0, "W"), **site)
        make = room_maker(ALL["dgx_h200"], make_demand(site=place), catalogue=CATALOGUE, on=TODAY, is_built=True)
        room = make(1)
        assert room is not None
        return {line.key: line.count for line in room.bill.lines if line.category in ("switch", "power", "cooling")}

    plain, redundant = lines(), lines(redundancy="N+1", has_server_room=True)
    assert not any("leaf" in key or "management" in key for key in plain)
    assert any("leaf" in key for key in redundant) and any("management" in key for key in redundant)
    assert {key: redundant[key] - plain[key] for key in ("ups", "cooling_air")} == {"ups": 1, "cooling_air": 1}
    assert redundant["pdu"] == 2 * plain["pdu"]


def test_a_server_whose_ports_are_too_slow_gets_a_card_of_their_rate_on_the_bill() -> None:
    room = room_maker(ALL["dell_r760xa_2x_l40s"], make_demand(), catalogue=CATALOGUE, on=TODAY, is_built=True)(3)
    assert room is not None
    cards = {line.key: line.count for line in room.bill.lines if line.category == "nic" and line.unit_usd is not None}
    assert cards == {"front-end_NIC_to_order.e810_25": 3}


def test_eight_boards_stand_as_high_as_servers_with_boards_do() -> None:
    assert ALL["8x_mi350x"].machine.rack_units == 8
    assert ALL["8x_a30"].machine.rack_units == 4


@given(st.integers(1, 8))
def test_more_boards_never_need_a_cheaper_host(count: int) -> None:
    spec = CATALOGUE.accelerators["mi350x"]
    fewer, more = (host_usd(spec, number, CATALOGUE) for number in (count, count + 1))
    assert 0 < fewer.value <= more.value <= host_usd(spec, 8, CATALOGUE).value


def test_a_desktop_has_a_place_in_a_rack() -> None:
    assert ALL["ws_1x_rtx5090"].sheet.rack_units == 4
    assert all(not row.needs_rack for row in servers_like(CATALOGUE.accelerators["rtx_5090"], CATALOGUE, count=1))
    assert len(servers_like(CATALOGUE.accelerators["l40s"], CATALOGUE)) >= 3


def test_cores_are_those_of_the_row_or_of_a_usual_host() -> None:
    dgx, generic = ALL["dgx_h200"].machine.host_cores, ALL["pcie_4u_8x_l40s"].machine.host_cores
    assert dgx is not None and (dgx.value, dgx.basis) == (112 / 8, "datasheet")
    assert generic is not None and (generic.low, generic.value, generic.high, generic.basis) == (8, 12, 24, "assumed")
    assert cores_of(None, count=1).value == 16


def test_cores_of_servers_are_those_of_the_processors_they_name() -> None:
    for server in CATALOGUE.servers.values():
        number, _, name = (server.cpu or "").partition("x ")
        cpu = next((cpu for cpu in CATALOGUE.cpus.values() if name and cpu.name.endswith(name)), None)
        if cpu is not None and number.isdigit():
            assert server.cpu_cores == int(number) * cpu.cores_per_socket, server.id

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
from aigc_bench.plan.sizing.rules import rules_from
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
    assert sheet.rack_units and sheet.weight_kg and sheet.num_compute_nics and sheet.compute_nic_bytes_per_s and sheet.max_power_w
    assert sheet.price is not None and sheet.price.low is not None and sheet.price.high is not None
    assert sheet.price.low < sheet.price.mid < sheet.price.high


@pytest.mark.parametrize("name", ["8x_mi350x", "dgx_h200", "8x_h200_nvl_141gb", "8x_rtx_pro_6000_bw_server"])
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
    assert 0.7 < priced["8x_h200_nvl_141gb"] / priced["pcie_4u_8x_h100"] < 1.5


def test_cards_for_desks_stand_in_towers_of_four_and_cards_for_servers_in_hosts_of_eight() -> None:
    for host in BARE:
        expected = 4 if for_desks(host.spec) else 8
        assert host.machine.devices_per_server == host.sheet.gpu_count == expected, host.machine.server


def test_storage_is_bought_only_beyond_the_disks_of_the_servers() -> None:
    demand, rules = make_demand(jobs=()), rules_from(CATALOGUE)
    alone, beside = (
        storage_need(demand, site=demand.site, rules=rules, machine=make_machine(disk_bytes=exact(disk, "B")), num_servers=1)
        for disk in (1.0, 1e12)
    )
    assert alone.raw_bytes > 0 and beside.raw_bytes == 0


def test_two_desktops_need_no_plant_of_a_hall() -> None:
    """A UPS and a cooling unit in a rack's size, each with one more: less than three times the desktops."""
    room = room_maker(ALL["ws_1x_rtx5090"], make_demand(), catalogue=CATALOGUE, on=TODAY, is_built=True)(2)
    assert room is not None
    usd = {
        line.category: line.usd.value
        for line in room.bill.lines
        if line.usd is not None and line.key.startswith(("ups", "cooling"))
    }
    assert usd["cooling"] == 2 * 25_000 and usd["power"] == 2 * 2_250


def test_eight_boards_stand_as_high_as_servers_with_boards_do() -> None:
    assert ALL["8x_mi350x"].machine.rack_units == 8
    assert ALL["8x_h200_nvl_141gb"].machine.rack_units == 4


@given(st.integers(1, 8))
def test_more_boards_never_need_a_cheaper_host(count: int) -> None:
    spec = CATALOGUE.accelerators["mi350x"]
    fewer, more = (host_usd(spec, number, CATALOGUE) for number in (count, count + 1))
    assert 0 < fewer.value <= more.value <= host_usd(spec, 8, CATALOGUE).value


def test_a_desktop_has_a_place_in_a_rack() -> None:
    assert ALL["ws_1x_rtx5090"].sheet.rack_units == 4
    assert len(servers_like(CATALOGUE.accelerators["rtx_5090"], CATALOGUE)) >= 3


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

"""Power of a server from that of its devices."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.wall_power import (
    CARD_W,
    CHASSIS_W,
    DESKTOP_W,
    FAN_SHARE,
    PROCESSOR_W,
    SOC_W,
    SWITCH_W,
    host_w,
    is_whole_computer,
    psu_efficiency,
)

CATALOGUE = load_catalogue(with_user_files=False)


SERVER_W = CHASSIS_W + 2 * PROCESSOR_W
FANS_W = FAN_SHARE * 700


@pytest.mark.parametrize(
    ("accelerator", "devices", "watts"),
    [
        ("a100_pcie_80gb", 1, CHASSIS_W + PROCESSOR_W + CARD_W),
        ("a100_pcie_80gb", 8, SERVER_W + 8 * CARD_W),
        ("h100_sxm_80gb", 4, SERVER_W + 4 * FANS_W),
        ("h100_sxm_80gb", 8, SERVER_W + 8 * (FANS_W + SWITCH_W)),
        ("h100_sxm_80gb", 64, 8 * SERVER_W + 64 * (FANS_W + SWITCH_W)),
        ("rtx_4090", 1, DESKTOP_W),
        ("jetson_agx_orin_64gb", 1, SOC_W),
    ],
)
def test_a_host_has_processors_a_chassis_and_a_share_for_every_device(accelerator: str, devices: int, watts: float) -> None:
    assert host_w(CATALOGUE.accelerator(accelerator), devices=devices) == pytest.approx(watts)


def test_stated_nodes_have_a_chassis_and_processors_each() -> None:
    card = CATALOGUE.accelerator("l4")
    each = CHASSIS_W + PROCESSOR_W + CARD_W
    assert host_w(card, devices=4, nodes=4) == pytest.approx(4 * each)


@pytest.mark.parametrize(
    ("accelerator", "devices", "measured"),
    [("a100_sxm_80gb", 8, 1480), ("a100_sxm_80gb", 4, 643), ("h100_sxm_80gb", 8, 2000), ("a100_pcie_80gb", 8, 646)],
)
def test_an_idle_server_draws_what_power_logs_state(accelerator: str, devices: int, measured: float) -> None:
    """Least watts in the logs of MLPerf 2.1 to 4.0 (Dell XE8545, DGX A100, NVIDIA's PCIe server, Supermicro)."""
    spec = CATALOGUE.accelerator(accelerator)
    # Idle processors draw 60 W less each.
    host = host_w(spec, devices=devices) - 2 * 60
    wall = (devices * (spec.idle_w or 0.0) + host) / psu_efficiency(spec, devices=devices)
    assert wall == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(
    ("accelerator", "devices", "idle", "loaded"), [("a100_sxm_80gb", 8, 1500, 6500), ("h100_sxm_80gb", 8, 1700, 10200)]
)
def test_a_loaded_server_lies_between_its_measured_floor_and_its_nameplate(
    accelerator: str, devices: int, idle: float, loaded: float
) -> None:
    """Floor and nameplate of DGX A100 and DGX H100 (reference data, rule 6)."""
    spec = CATALOGUE.accelerator(accelerator)
    wall = (devices * (spec.tdp_w or 0) + host_w(spec, devices=devices)) / psu_efficiency(spec, devices=devices)
    assert idle < wall < loaded


def test_a_part_whose_watts_are_a_whole_computers_is_told_apart() -> None:
    assert is_whole_computer(CATALOGUE.accelerator("jetson_agx_orin_64gb"))
    assert not is_whole_computer(CATALOGUE.accelerator("h100_sxm_80gb")) and not is_whole_computer(CATALOGUE.accelerator("l4"))

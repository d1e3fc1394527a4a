"""Power of a server from that of its devices."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.wall_power import CARD_W, CHASSIS_W, MODULE_W, PSU_EFFICIENCY, SOC_W, host_w, is_whole_computer

CATALOGUE = load_catalogue(with_user_files=False)


@pytest.mark.parametrize(
    ("accelerator", "devices", "watts"),
    [
        ("a100_pcie_80gb", 1, CHASSIS_W + CARD_W),
        ("a100_pcie_80gb", 8, CHASSIS_W + 8 * CARD_W),
        ("h100_sxm_80gb", 8, CHASSIS_W + 8 * MODULE_W),
        ("h100_sxm_80gb", 64, 8 * CHASSIS_W + 64 * MODULE_W),
        ("jetson_agx_orin_64gb", 1, SOC_W),
    ],
)
def test_a_host_has_a_chassis_and_a_share_for_every_device(accelerator: str, devices: int, watts: float) -> None:
    assert host_w(CATALOGUE.accelerator(accelerator), devices=devices) == pytest.approx(watts)


def test_stated_nodes_have_a_chassis_each() -> None:
    card = CATALOGUE.accelerator("l4")
    assert host_w(card, devices=4, nodes=4) - host_w(card, devices=4) == pytest.approx(3 * CHASSIS_W)


@pytest.mark.parametrize(
    ("accelerator", "devices", "idle", "loaded"), [("a100_sxm_80gb", 8, 1500, 6500), ("h100_sxm_80gb", 8, 1700, 10200)]
)
def test_a_loaded_server_lies_between_its_measured_floor_and_its_nameplate(
    accelerator: str, devices: int, idle: float, loaded: float
) -> None:
    """Floor and nameplate of DGX A100 and DGX H100 (reference data, rule 6)."""
    spec = CATALOGUE.accelerator(accelerator)
    wall = (devices * (spec.tdp_w or 0) + host_w(spec, devices=devices)) / PSU_EFFICIENCY
    assert idle < wall < loaded


def test_a_part_whose_watts_are_a_whole_computers_is_told_apart() -> None:
    assert is_whole_computer(CATALOGUE.accelerator("jetson_agx_orin_64gb"))
    assert not is_whole_computer(CATALOGUE.accelerator("h100_sxm_80gb")) and not is_whole_computer(CATALOGUE.accelerator("l4"))

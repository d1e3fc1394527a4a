"""Every figure of the catalogue obeys the physics and the vendors' habits it was cleaned of."""

from __future__ import annotations

import itertools

import pytest

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec, ServerSpec
from aigc_bench.core.units import GIB

CATALOGUE = load_catalogue(with_user_files=False)
ACCELERATORS = list(CATALOGUE.accelerators.values())
SERVERS = list(CATALOGUE.servers.values())

NARROWER_IS_SLOWER = {
    # (id, wider, narrower): the hardware really is slower at the narrower type
    ("v100_sxm2_16gb", "fp16", "int8"),  # DP4A, not tensor cores
    ("v100_sxm2_32gb", "fp16", "int8"),
    ("v100_pcie_16gb", "fp16", "int8"),
    ("v100s_pcie_32gb", "fp16", "int8"),
    ("b300_sxm_288gb", "fp16", "int8"),  # Blackwell Ultra gave its INT8 units to FP4
    ("gb300_288gb", "fp16", "int8"),
    ("b300_sxm_288gb", "bf16", "int8"),
    ("gb300_288gb", "bf16", "int8"),
    ("r200_288gb_announced", "fp16", "int8"),
    ("r200_288gb_announced", "bf16", "int8"),
}
WIDER_STEP = {
    # (id, wider, narrower): the narrower type has units of its own
    ("trainium3", "bf16", "fp8"),  # NeuronCore-v4 lists MXFP8 at 3.75 times bf16
    ("r200_288gb_announced", "bf16", "fp8"),  # Rubin's adaptive fp8 at 4.4 times bf16
    ("mlu370_x8", "bf16", "int8"),  # 256 TOPS at 96 TFLOP/s of Cambricon's table
    ("tenstorrent_n300", "bf16", "fp8"),  # block floating point, four times the rate
    ("tenstorrent_n300", "bf16", "int8"),
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return CATALOGUE


@pytest.mark.parametrize("spec", ACCELERATORS, ids=lambda spec: spec.id)
def test_peaks_rise_as_types_get_narrower(spec: AcceleratorSpec) -> None:
    ladders = (("fp32", "tf32", "fp16", "fp8", "fp4"), ("fp32", "tf32", "bf16", "fp8", "fp4"), ("fp16", "int8"), ("bf16", "int8"))
    for ladder in ladders:
        known = [dtype for dtype in ladder if spec.peak(dtype) is not None]
        for wider, narrower in itertools.pairwise(known):
            slower = (spec.peak(narrower) or 0) < (spec.peak(wider) or 0)
            assert slower == ((spec.id, wider, narrower) in NARROWER_IS_SLOWER), f"{wider} against {narrower}"


@pytest.mark.parametrize("spec", ACCELERATORS, ids=lambda spec: spec.id)
def test_half_precision_types_run_at_one_rate_where_both_are_tensor_types(spec: AcceleratorSpec) -> None:
    fp16, bf16 = spec.peak("fp16"), spec.peak("bf16")
    if fp16 and bf16 and spec.id != "mi100":  # CDNA1 runs bf16 at half the fp16 rate
        assert fp16 == bf16


def test_mi100_runs_bf16_at_half_the_fp16_rate(catalogue: Catalogue) -> None:
    spec = catalogue.accelerators["mi100"]
    assert spec.peak("bf16") == pytest.approx((spec.peak("fp16") or 0) / 2)


@pytest.mark.parametrize("spec", ACCELERATORS, ids=lambda spec: spec.id)
def test_a_step_of_width_at_most_doubles_the_dense_rate(spec: AcceleratorSpec) -> None:
    """A with-sparsity figure next to a dense one would be another factor of two."""
    for wider, narrower, most in (("bf16", "fp8", 2.05), ("fp8", "fp4", 3.1), ("bf16", "int8", 2.1)):
        if (spec.id, wider, narrower) in WIDER_STEP:
            continue
        if spec.peak(wider) and spec.peak(narrower) and not spec.name.startswith("NVIDIA GeForce"):
            assert (spec.peak(narrower) or 0) / (spec.peak(wider) or 1) <= most


@pytest.mark.parametrize("spec", [spec for spec in ACCELERATORS if not spec.is_on_chip], ids=lambda spec: spec.id)
def test_memory_bandwidth_and_power_are_positive_and_plausible(spec: AcceleratorSpec) -> None:
    assert 8 * GIB <= spec.memory_bytes <= 512 * GIB
    assert 1e11 <= spec.memory_bandwidth_bytes_per_s <= 3e13
    seconds_to_read_it_all = spec.memory_bytes / spec.memory_bandwidth_bytes_per_s
    assert 0.01 < seconds_to_read_it_all < 1.0
    assert spec.usable_memory_bytes is None or 0.9 * spec.memory_bytes <= spec.usable_memory_bytes <= spec.memory_bytes
    assert spec.tdp_w is None or spec.idle_w is None or spec.idle_w < spec.tdp_w / 2
    assert spec.scale_up_bytes_per_s is None or spec.scale_up_bytes_per_s < spec.memory_bandwidth_bytes_per_s


@pytest.mark.parametrize("spec", ACCELERATORS, ids=lambda spec: spec.id)
def test_the_figure_in_use_lies_within_what_sources_say(spec: AcceleratorSpec) -> None:
    for field, (low, high) in spec.ranges.items():
        name, _, dtype = field.partition(".")
        value = spec.peak(dtype) if dtype else getattr(spec, name)
        assert low <= value <= high


@pytest.mark.parametrize("spec", ACCELERATORS, ids=lambda spec: spec.id)
def test_pcie_only_cards_list_one_direction_of_their_slot(spec: AcceleratorSpec) -> None:
    lane_gb_per_s = {3: 1.0, 4: 2.0, 5: 4.0, 6: 8.0}
    if spec.interconnect == "PCIe only" and spec.pcie_gen and spec.pcie_lanes:
        expected = lane_gb_per_s[spec.pcie_gen] * spec.pcie_lanes * 1e9
        assert (spec.scale_up_bytes_per_s or 0) <= expected * 1.01 or spec.pcie_lanes == 8
        assert not spec.has_scale_up_link


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.id)
def test_a_server_can_feed_its_accelerators_and_idles_below_its_load(server: ServerSpec) -> None:
    if server.gpu_id and server.max_power_w:
        tdp = CATALOGUE.accelerators[server.gpu_id].tdp_w
        assert tdp is None or server.max_power_w >= 0.5 * server.gpu_count * tdp
    ladder = [watts for watts in (server.idle_power_w, server.typical_power_w, server.max_power_w) if watts is not None]
    assert ladder == sorted(ladder)
    if server.design_heat_w and server.max_power_w:
        assert server.max_power_w <= server.design_heat_w <= 1.15 * server.max_power_w


def test_measured_servers_stay_below_the_nameplate_of_their_kind(catalogue: Catalogue) -> None:
    nameplates: dict[tuple[str | None, int], float] = {}
    for server in catalogue.servers.values():
        key = (server.gpu_id, server.gpu_count)
        nameplates[key] = max(nameplates.get(key, 0.0), server.max_power_w or 0.0)
    for measured in catalogue.measured_power.values():
        limit = nameplates.get((measured.gpu_id, measured.gpu_count or 0))
        if limit:
            assert measured.mean_power_w < 0.8 * limit, measured.id
        assert (measured.floor_power_w or 0) < measured.mean_power_w <= (measured.peak_power_w or measured.mean_power_w)


def test_network_rates_of_switches_are_ports_times_port_rate(catalogue: Catalogue) -> None:
    for item in catalogue.network.values():
        if item.kind == "switch" and item.port_bytes_per_s and item.num_ports:
            assert item.bytes_per_s == pytest.approx(item.num_ports * item.port_bytes_per_s)


def test_rents_on_weaker_terms_are_not_dearer(catalogue: Catalogue) -> None:
    for offer in catalogue.cloud_prices.values():
        on_demand = offer.on_demand_usd_per_h
        others = (offer.spot_usd_per_h, offer.reserved_1y_usd_per_h, offer.reserved_3y_usd_per_h)
        assert any((on_demand, *others)), offer.id
        for other in others:
            assert on_demand is None or other is None or other <= on_demand, offer.id


def test_a_slice_of_a_card_costs_per_card_what_a_whole_one_does(catalogue: Catalogue) -> None:
    offer = next(price for price in catalogue.cloud_prices.values() if price.gpu_count < 1)
    assert offer.instance == "NV6ads_A10_v5"
    assert offer.per_gpu_usd_per_h() == pytest.approx(2.724, rel=1e-3)


def test_every_api_price_is_a_price(catalogue: Catalogue) -> None:
    assert all(price.input_usd or price.output_usd for price in catalogue.api_prices.values())


def test_electricity_and_grid_are_within_the_published_range(catalogue: Catalogue) -> None:
    prices = [row.value for row in catalogue.power.values() if row.unit == "USD/kWh"]
    assert len(prices) > 100
    assert all(price is not None and 0.03 < price < 0.4 for price in prices)
    grids = [row.value for row in catalogue.carbon.values() if row.unit == "gCO2e/kWh"]
    assert len(grids) > 350
    assert all(grid is not None and 0 <= grid < 1500 for grid in grids)


def test_efficiencies_and_fractions_are_at_most_one(catalogue: Catalogue) -> None:
    for row in [*catalogue.power.values(), *catalogue.cooling.values(), *catalogue.constants.values()]:
        if row.kind == "efficiency" or (row.unit == "fraction" and row.id != "all_reduce_link_efficiency"):
            assert all(0 < number <= 1 for number in (row.low, row.value, row.high) if number is not None), row.id


def test_every_pue_is_at_least_one(catalogue: Catalogue) -> None:
    tables = (catalogue.power, catalogue.cooling, catalogue.constants)
    rows = [row for table in tables for row in table.values() if row.id.startswith("pue")]
    assert len(rows) > 25
    assert all((row.value or 0) > 1 and (row.low or 1) >= 1 for row in rows)

"""The seven rules by which marketing figures are separated from figures to divide by."""

from __future__ import annotations

import statistics

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import PowerCap
from aigc_bench.core.units import GIB, MIB

CATALOGUE = load_catalogue(with_user_files=False)
SPECS = CATALOGUE.accelerators


@pytest.mark.parametrize(
    ("accelerator", "dtype", "tera"),
    [
        ("h100_sxm_80gb", "bf16", 989.4),
        ("h100_sxm_80gb", "fp8", 1978.9),
        ("h100_pcie_80gb", "bf16", 756),
        ("a100_sxm_80gb", "bf16", 312),
        ("a100_sxm_80gb", "int8", 624),
        ("b200_sxm_180gb", "bf16", 2250),
        ("b200_sxm_180gb", "fp8", 4500),
        ("b200_sxm_180gb", "fp4", 9000),
        ("gb200_186gb", "bf16", 2500),
        ("gb200_186gb", "fp8", 5000),
        ("gb200_186gb", "fp4", 10000),
        ("l40s", "bf16", 362),
        ("l4", "bf16", 121),
        ("mi300x", "bf16", 1307.4),
    ],
)
def test_rule_1_peaks_are_dense_not_with_sparsity(accelerator: str, dtype: str, tera: float) -> None:
    assert SPECS[accelerator].peak(dtype) == pytest.approx(tera * 1e12, rel=2e-3)


@pytest.mark.parametrize(("accelerator", "tera"), [("rtx_4090", 165.2), ("rtx_5090", 209.5), ("rtx_3090", 71.2)])
def test_rule_2_geforce_peaks_are_the_fp32_accumulate_rate(accelerator: str, tera: float) -> None:
    assert SPECS[accelerator].peak("fp16") == pytest.approx(tera * 1e12, rel=1e-3)


@pytest.mark.parametrize(
    ("professional", "geforce"), [("rtx_6000_ada", "rtx_4090"), ("rtx_a6000", "rtx_3090"), ("rtx_pro_6000_bw_ws", "rtx_5090")]
)
def test_rule_2_professional_cards_of_the_same_die_run_the_full_rate(professional: str, geforce: str) -> None:
    assert (SPECS[professional].peak("fp16") or 0) / (SPECS[geforce].peak("fp16") or 1) > 1.8


@pytest.mark.parametrize(
    ("accelerator", "giga"),
    [("h100_sxm_80gb", 450), ("a100_sxm_80gb", 300), ("v100_sxm2_16gb", 150), ("b200_sxm_180gb", 900), ("rtx_3090", 56.25)],
)
def test_rule_3_links_are_one_direction(accelerator: str, giga: float) -> None:
    assert SPECS[accelerator].scale_up_bytes_per_s == pytest.approx(giga * 1e9)
    assert SPECS[accelerator].has_scale_up_link


def test_rule_4_nominal_gigabytes_are_gib_and_the_usable_part_is_less() -> None:
    h100 = SPECS["h100_sxm_80gb"]
    assert h100.memory_bytes == 80 * GIB
    assert h100.usable_memory_bytes == 81559 * MIB < h100.memory_bytes
    assert CATALOGUE.usable_memory(h100).value == 81559 * MIB


def test_rule_4_usable_memory_without_a_report_is_assumed_with_an_interval() -> None:
    estimate = CATALOGUE.usable_memory(SPECS["h100_nvl_94gb"])
    assert estimate.basis == "assumed"
    assert estimate.low < estimate.value < 94 * GIB


def test_rule_5_the_vector_fp16_rate_is_never_the_peak_of_a_tensor_part() -> None:
    assert SPECS["a100_sxm_80gb"].peak("fp16") == pytest.approx(312e12)
    for spec in SPECS.values():
        has_tensor_cores = spec.vendor == "NVIDIA" and spec.arch not in ("Pascal", "Rubin")
        if has_tensor_cores and spec.peak("fp16") and spec.peak("fp32"):
            assert (spec.peak("fp16") or 0) / (spec.peak("fp32") or 1) > 1.9, spec.id


def test_rule_6_nameplate_is_not_load() -> None:
    def measured(accelerator: str) -> list[float]:
        return [row.mean_power_w for row in CATALOGUE.measured_power.values() if row.gpu_id == accelerator and row.gpu_count == 8]

    def floor(accelerator: str) -> float:
        rows = [row for row in CATALOGUE.measured_power.values() if row.gpu_id == accelerator and row.gpu_count == 8]
        return min(row.floor_power_w for row in rows if row.floor_power_w is not None)

    assert 4600 <= min(measured("h200_sxm_141gb")) <= max(measured("h200_sxm_141gb")) <= 6300
    assert max(measured("b200_sxm_180gb")) < 10_500 < (CATALOGUE.servers["dgx_b200"].max_power_w or 0)
    assert floor("h200_sxm_141gb") == pytest.approx(2400, rel=0.02)
    assert floor("a100_sxm_80gb") == pytest.approx(1450, rel=0.03)


def test_rule_6_cooling_of_a_dgx_h100_is_sized_by_the_larger_figure() -> None:
    dgx = CATALOGUE.servers["dgx_h100"]
    assert dgx.max_power_w == 10_200
    assert dgx.heat_w == pytest.approx(38_557 / 3.412141633, rel=1e-6)
    assert dgx.design_heat_w == pytest.approx(11_300, rel=1e-3)


@pytest.mark.parametrize(
    ("accelerator", "field", "low", "high"),
    [
        ("b300_sxm_288gb", "memory_bytes", 270 * GIB, 288 * GIB),
        ("b300_sxm_288gb", "peak_flops.fp4", 13.5e15, 14e15),
        ("l40", "peak_flops.bf16", 181e12, 362e12),
        ("mi355x", "peak_flops.fp8", 4.6e15, 5.0332e15),
        ("gaudi3", "peak_flops.bf16", 1678e12, 1835e12),
        ("rtx_pro_6000_bw_server", "memory_bandwidth_bytes_per_s", 1597e9, 1792e9),
    ],
)
def test_rule_7_unsettled_figures_keep_both_ends(accelerator: str, field: str, low: float, high: float) -> None:
    assert SPECS[accelerator].ranges[field] == pytest.approx((low, high))


def test_rule_7_embodied_carbon_of_a_server_is_a_range() -> None:
    estimate = CATALOGUE.constant("embodied_server_kg")
    assert (estimate.low, estimate.high, estimate.unit) == (2100, 8200, "kgCO2e")


def test_a_peak_that_is_not_known_is_none() -> None:
    assert SPECS["v100_sxm2_16gb"].peak("bf16") is None
    assert SPECS["a100_sxm_80gb"].peak("fp8") is None
    assert SPECS["h100_sxm_80gb"].peak("fp4") is None
    assert SPECS["h100_sxm_80gb"].peak_range("fp4") is None


@pytest.mark.parametrize("cap", CATALOGUE.power_caps.values(), ids=lambda cap: cap.id)
def test_a_power_cap_belongs_to_a_known_accelerator_and_its_ends_hold_its_value(cap: PowerCap) -> None:
    assert cap.accelerator_id in SPECS
    assert cap.limit_w <= cap.default_limit_w
    assert (cap.throughput_low or cap.throughput_fraction) <= cap.throughput_fraction <= (cap.throughput_high or 2.0)
    if cap.limit_w == cap.default_limit_w:
        assert cap.throughput_fraction == 1.0


def test_an_api_of_a_higher_tier_costs_more_in_the_middle() -> None:
    chats = [row for row in CATALOGUE.api_prices.values() if row.modality == "chat" and row.output_usd]
    middle = {
        tier: statistics.median(row.output_usd or 0 for row in chats if row.quality == tier)
        for tier in ("small", "medium", "large")
    }
    assert middle["small"] < middle["medium"] < middle["large"]

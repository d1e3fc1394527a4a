"""What drivers report and people type leads to the right row, or to none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.units import GIB, MIB

CATALOGUE = load_catalogue(with_user_files=False)


@pytest.mark.parametrize(
    ("reported", "mib", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, "h100_sxm_80gb"),
        ("NVIDIA H100 PCIe", 81559, "h100_pcie_80gb"),
        ("NVIDIA H100 NVL", 95830, "h100_nvl_94gb"),
        ("NVIDIA H200", 143771, "h200_sxm_141gb"),
        ("NVIDIA H200 NVL", 143771, "h200_nvl_141gb"),
        ("NVIDIA GH200 480GB", 97871, "gh200_96gb"),
        ("NVIDIA B200", 183359, "b200_sxm_180gb"),
        ("NVIDIA GB200", 189471, "gb200_186gb"),
        ("NVIDIA B300 SXM6 AC", 275040, "b300_sxm_288gb"),
        ("NVIDIA A100-SXM4-80GB", 81920, "a100_sxm_80gb"),
        ("NVIDIA A100-SXM4-40GB", 40960, "a100_sxm_40gb"),
        ("A100-SXM4-40GB", 40536, "a100_sxm_40gb"),
        ("NVIDIA A100 80GB PCIe", 81920, "a100_pcie_80gb"),
        ("NVIDIA A100-PCIE-40GB", 40960, "a100_pcie_40gb"),
        ("Tesla V100-SXM2-16GB", 16384, "v100_sxm2_16gb"),
        ("Tesla V100-SXM2-32GB", 32768, "v100_sxm2_32gb"),
        ("Tesla T4", 15360, "t4"),
        ("NVIDIA A10G", 23028, "a10g"),
        ("NVIDIA A10", 23028, "a10"),
        ("NVIDIA L4", 23034, "l4"),
        ("NVIDIA L40S", 46068, "l40s"),
        ("NVIDIA L40", 46068, "l40"),
        ("NVIDIA RTX A6000", 49140, "rtx_a6000"),
        ("NVIDIA RTX 6000 Ada Generation", 49140, "rtx_6000_ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887, "rtx_pro_6000_bw_server"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 97887, "rtx_pro_6000_bw_ws"),
        ("NVIDIA GeForce RTX 5090", 32607, "rtx_5090"),
        ("NVIDIA GeForce RTX 4090", 24564, "rtx_4090"),
        ("NVIDIA GeForce RTX 3090", 24576, "rtx_3090"),
        ("NVIDIA GeForce RTX 3090 Ti", 24564, "rtx_3090_ti"),
        ("NVIDIA GeForce RTX 3080", 10240, "rtx_3080_10gb"),
        ("AMD Instinct MI300X", 196592, "mi300x"),
        ("AMD Instinct MI325X", 262128, "mi325x"),
        ("AMD Radeon RX 7900 XTX", 24560, "rx_7900_xtx"),
        ("Intel(R) Arc(TM) B580 Graphics", 11874, "arc_b580"),
        ("HL-325L", None, "gaudi3"),
    ],
)
def test_a_device_is_recognised_by_the_name_its_driver_reports(reported: str, mib: int | None, expected: str) -> None:
    found = CATALOGUE.recognise(reported, None if mib is None else mib * MIB)
    assert found is not None
    assert found.id == expected


@pytest.mark.parametrize(
    ("reported", "gib"),
    [
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16),  # another die
        ("NVIDIA GeForce RTX 5090 D", 32),
        ("NVIDIA GeForce RTX 3080", 12),  # the 12 GB card is another one
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 96),
        ("AMD Instinct MI250X", 64),  # one of the two dies of the card
        ("NVIDIA GH200 480GB", 141),  # the HBM3e variant
        ("Some GPU", 24),
        ("", 24),
    ],
)
def test_a_device_that_is_no_row_is_not_taken_for_one(reported: str, gib: int) -> None:
    assert CATALOGUE.recognise(reported, gib * GIB) is None


def test_a_mig_instance_is_its_share_of_the_card() -> None:
    whole = CATALOGUE.accelerators["a100_sxm_80gb"]
    part = CATALOGUE.recognise("NVIDIA A100-SXM4-80GB MIG 3g.40gb", 40192 * MIB)
    assert part is not None
    assert part.id == "a100_sxm_80gb@3g.40gb"
    assert part.peak("bf16") == pytest.approx(312e12 * 3 / 7)
    assert part.memory_bytes == 40 * GIB
    assert part.memory_bandwidth_bytes_per_s == pytest.approx(whole.memory_bandwidth_bytes_per_s / 2)
    assert (part.tdp_w, part.price, part.scale_up_bytes_per_s, part.basis) == (None, None, None, "assumed")


def test_a_recognised_mig_instance_can_be_found_by_its_id() -> None:
    part = CATALOGUE.recognise("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None)
    assert part is not None
    assert CATALOGUE.accelerator(part.id) == part == CATALOGUE.get("accelerators", part.id)


@pytest.mark.parametrize("name", ["Tesla T4 MIG 1g.5gb", "NVIDIA A100-SXM4-40GB MIG 9g.10gb", "NVIDIA A100-SXM4-40GB MIG 1g.80gb"])
def test_a_mig_instance_that_cannot_exist_is_not_recognised(name: str) -> None:
    assert CATALOGUE.recognise(name, None) is None


@given(slices=st.integers(1, 7), memory_gib=st.integers(1, 80))
def test_no_mig_instance_beats_its_card(slices: int, memory_gib: int) -> None:
    whole = CATALOGUE.accelerators["h100_sxm_80gb"]
    part = CATALOGUE.accelerator(f"h100_sxm_80gb@{slices}g.{memory_gib}gb")
    assert part.memory_bytes <= whole.memory_bytes
    assert part.memory_bandwidth_bytes_per_s <= whole.memory_bandwidth_bytes_per_s
    assert all((part.peak(dtype) or 0) <= peak * (1 + 1e-12) for dtype, peak in whole.peak_flops.items())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("h100_sxm_80gb", "h100_sxm_80gb"),
        ("H100", "h100_sxm_80gb"),
        ("h100", "h100_sxm_80gb"),
        ("A100", "a100_sxm_80gb"),
        ("a100-40gb", "a100_sxm_40gb"),
        ("RTX 4090", "rtx_4090"),
        ("rtx4090", "rtx_4090"),
        ("B200", "b200_sxm_180gb"),
        ("MI300X", "mi300x"),
        ("TPU v5e", "tpu_v5e"),
        ("l40s", "l40s"),
    ],
)
def test_people_may_type_the_usual_spellings(typed: str, expected: str) -> None:
    assert CATALOGUE.accelerator(typed).id == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("H100-SXM-80GB", "h100_sxm_80gb"),
        ("B200-SXM-180GB", "b200_sxm_180gb"),
        ("H200-SXM-141GB", "h200_sxm_141gb"),
        ("A100-SXM-80GB", "a100_sxm_80gb"),
        ("A100-PCIe-80GB", "a100_pcie_80gb"),
        ("A100", "a100_sxm_40gb"),
        ("V100", "v100_sxm2_16gb"),
        ("H100-NVL-94GB", "h100_nvl_94gb"),
        ("MI300X-192GB", "mi300x"),
        ("H100-SXM-80GB (power-capped)", "h100_sxm_80gb"),
        ("Quadro RTX 6000", "quadro_rtx_6000"),
        ("RTX A6000", "rtx_a6000"),
        ("GB200", "gb200_186gb"),
        ("QUALCOMM Cloud AI 100 DM.2", None),
    ],
)
def test_spellings_of_published_tables_resolve(printed: str, expected: str | None) -> None:
    found = CATALOGUE.published_accelerator(printed)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "h100_sxm_80gb"),
        ("TPU v7 (Ironwood)", "tpu_v7"),
        ("Gaudi 3", "gaudi3"),
        ("Ascend 910C", "ascend_910c_128gb"),
        ("Jetson Thor", "jetson_thor_t5000"),
        ("2080ti", "rtx_2080_ti"),
        ("4090", "rtx_4090"),
        ("3090", "rtx_3090"),
        ("a100-80", "a100_sxm_80gb"),
        ("MI 355", "mi355x"),
        ("GB300 NVL72", "gb300_288gb"),
        ("P40", "p40_24gb"),
    ],
)
def test_words_of_a_name_are_enough_where_one_row_has_them(typed: str, expected: str) -> None:
    assert CATALOGUE.accelerator(typed).id == expected


@pytest.mark.parametrize("typed", ["100", "gaudi", "mi300", "GTX 1080", "RTX 5090 laptop", "h1000", "4070"])
def test_words_of_several_rows_or_of_another_card_are_refused(typed: str) -> None:
    with pytest.raises(UnknownNameError):
        CATALOGUE.accelerator(typed)


def test_an_unknown_accelerator_is_reported_with_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown accelerator .h100_sxm_80g.\. Did you mean h100_sxm_80gb"):
        CATALOGUE.accelerator("h100_sxm_80g")


@pytest.mark.parametrize(
    ("model_name", "expected"),
    [
        ("AMD EPYC 7742 64-Core Processor", "epyc_7742"),
        ("AMD EPYC 9654 96-Core Processor", "epyc_9654"),
        ("Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", "platinum_8380"),
        ("Intel(R) Xeon(R) Platinum 8480+", "platinum_8480"),
        ("INTEL(R) XEON(R) PLATINUM 8592+", "platinum_8592"),
        ("AMD Ryzen 9 9950X 16-Core Processor", "ryzen_9_9950x"),
        ("Intel(R) Xeon(R) Processor", None),
        ("Intel(R) Xeon(R) Platinum 8480C", None),
        ("AMD EPYC Processor", None),
        ("", None),
    ],
)
def test_a_processor_is_recognised_only_where_its_name_says_enough(model_name: str, expected: str | None) -> None:
    found = CATALOGUE.recognise_cpu(model_name)
    assert (found.id if found else None) == expected


@given(st.text(max_size=60))
def test_no_name_at_all_breaks_the_search(name: str) -> None:
    CATALOGUE.recognise(name, 80 * GIB)
    CATALOGUE.recognise_cpu(name)

"""How a published layout becomes ranks, and what the links between them are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.language import power_share
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.closed_form.links import link_bytes_per_s, link_class
from aigc_bench.predict.published.row import PublishedQuery

CATALOGUE = load_catalogue(with_user_files=False)
B200 = CATALOGUE.accelerator("b200_sxm_180gb")


def question(devices: int, **layout: float) -> PublishedQuery:
    return PublishedQuery(
        family="llm", task="infer-online", model="deepseek-v3", gpu=B200.id, gpu_count=devices, precision="fp8",
        software="sglang 0.5.9", concurrency=64, input_len=1024, output_len=1024, metric="tpot", unit="ms", layout=layout,
    )  # fmt: skip


def test_tensor_and_expert_ranks_over_the_same_devices_are_counted_once() -> None:
    twice = language_row(question(64, tp=64, moe_tp=8, ep=8, attention_dp=1, pp=1), B200)
    once = language_row(question(8, tp=8, moe_tp=1, ep=8, attention_dp=1, pp=1), B200)
    assert twice.columns == once.columns


def test_data_parallel_attention_over_the_tensor_ranks_is_counted_once() -> None:
    twice = language_row(question(16, tp=4, moe_tp=1, ep=16, attention_dp=4, pp=1), B200)
    once = language_row(question(4, tp=4, moe_tp=1, ep=4, attention_dp=4, pp=1), B200)
    assert twice.columns == once.columns


def test_a_layout_that_multiplies_nothing_twice_is_left_alone() -> None:
    row = language_row(question(8, tp=8, moe_tp=2, ep=4, attention_dp=1, pp=1), B200)
    assert row.columns["decode_linear"] == language_row(question(8, tp=8), B200).columns["decode_linear"]


def test_a_second_stage_of_a_pipeline_leaves_the_load_in_its_bin() -> None:
    small = {"model": "llama-3.1-8b", "precision": "bf16"}
    one, two = (language_row(question(count, tp=1, pp=count).model_copy(update=small), B200) for count in (1, 2))
    assert one.columns["sequences"] == pytest.approx(2 * two.columns["sequences"])
    assert all(one.groups[f"tpot.{level}"] == two.groups[f"tpot.{level}"] for level in ("load", "load_model", "shape_load", "cell"))


@pytest.mark.parametrize(
    ("accelerator", "devices", "expected"),
    [
        ("a100_sxm_80gb", 8, "nvlink"), ("a100_pcie_80gb", 1, "none"), ("a100_pcie_80gb", 2, "pcie"),
        ("a100_pcie_80gb", 8, "pcie_wide"), ("h100_nvl_94gb", 2, "bridge"), ("h100_nvl_94gb", 4, "pcie"), ("l4", 4, "pcie"),
    ],
)  # fmt: skip
def test_collectives_run_over_what_joins_that_many_devices(accelerator: str, devices: int, expected: str) -> None:
    assert link_class(CATALOGUE.accelerator(accelerator), devices=devices) == expected


def test_cards_without_a_bridge_exchange_at_the_rate_of_their_slot() -> None:
    assert link_bytes_per_s(CATALOGUE.accelerator("a100_pcie_80gb"), devices=2) == pytest.approx(32e9)
    assert link_bytes_per_s(CATALOGUE.accelerator("h100_nvl_94gb"), devices=2) > 64e9


def test_a_card_of_less_power_per_peak_clocks_down_and_a_full_power_part_does_not() -> None:
    assert power_share(CATALOGUE.accelerator("a100_sxm_80gb")) == pytest.approx(1.0)
    assert power_share(CATALOGUE.accelerator("a100_pcie_80gb")) == pytest.approx(0.75)
    assert power_share(CATALOGUE.accelerator("l4")) < 0.8


@given(watts=st.floats(1.0, 4.0))
def test_more_power_never_lowers_the_clock(watts: float) -> None:
    card = CATALOGUE.accelerator("a100_pcie_80gb")
    assert card.tdp_w is not None
    assert power_share(card) <= power_share(card.model_copy(update={"tdp_w": card.tdp_w * watts})) <= 1.0


def test_requests_beyond_the_cache_wait_for_a_seat() -> None:
    def first_token_s(concurrency: float) -> float:
        from aigc_bench.predict.fitting.calibration import shipped_calibration
        from aigc_bench.predict.fitting.predictions import estimate_rows

        query = PublishedQuery(
            family="llm", model="llama-3.1-70b", gpu="h200_sxm_141gb", precision="fp8", software="vllm", concurrency=concurrency,
            input_len=1024, output_len=8192, metric="ttft", unit="s",
        )  # fmt: skip
        row = language_row(query, CATALOGUE.accelerator("h200_sxm_141gb"))
        return estimate_rows([row], calibration=shipped_calibration())[0].value

    assert first_token_s(256) > 20 * first_token_s(16)

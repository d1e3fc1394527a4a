"""The terms of a served language model by hand: a decoder of two layers on a device of round numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form.language import (
    Layout,
    attention_peak,
    cache_bytes_per_element,
    cache_capacity_tokens,
    decode_terms,
    default_cache_bytes,
    fitting_tensor_ranks,
    merged,
    peak_flops,
    power_share,
    prefill_terms,
    weight_bytes,
)
from aigc_bench.predict.closed_form.links import link_bytes_per_s, link_class
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import number_format


def decoder(**changes: Any) -> LanguageModel:
    """Two layers of four heads, two of them with keys."""
    plain: dict[str, Any] = {
        "name": "plain", "num_layers": 2, "hidden_size": 8, "ffn_size": 16, "num_heads": 4, "num_kv_heads": 2, "head_dim": 2,
        "vocab_size": 100,
    }  # fmt: skip
    return LanguageModel(**{**plain, **changes})


PLAIN = decoder()
"""Attention 2 x 8 x 2 x (4 + 2) = 192 and a feed-forward of 3 x 8 x 16 = 384 a layer; a head of 800: 1,952, and a table of 800."""
ACTIVE = 2 * (192 + 384) + 800
NARROW_BYTES = 2 * (192 + 384) + 2 * 800
"""Bytes that a step reads in eight bits: the output head stays in sixteen."""
BF16, FP8, AMP = (number_format(name) for name in ("bf16", "fp8", "amp"))


def device(**changes: Any) -> AcceleratorSpec:
    """1 TFLOP/s in 16 bits, 2 in eight; 100 GB/s; links of 10 GB/s; 1 GB."""
    plain: dict[str, Any] = {
        "id": "d", "name": "D", "source": "a test", "as_of": "2026", "memory_bytes": 10**9, "memory_bandwidth_bytes_per_s": 1e11,
        "peak_flops": {"bf16": 1e12, "fp8": 2e12}, "interconnect": "NVLink9", "scale_up_bytes_per_s": 1e10,
    }  # fmt: skip
    return AcceleratorSpec(**{**plain, **changes})


def terms(layout: Layout | None = None, **changes: Any) -> dict[str, float]:
    words: dict[str, Any] = {"number_format": BF16, "sequences": 3.0, "context": 50.0, "cache_bytes": 2.0, **changes}
    return decode_terms(words.pop("model", PLAIN), words.pop("spec", device()), layout=layout or Layout(), **words)


def test_the_model_is_as_large_as_its_sums_say() -> None:
    assert (PLAIN.active_params, PLAIN.total_params) == (ACTIVE, ACTIVE + 800)
    assert PLAIN.kv_elements_per_token == 2 * 2 * 2 * 2


def test_a_decode_step_on_one_device_by_hand() -> None:
    assert terms() == {
        "decode_linear": pytest.approx(2 * ACTIVE * 3 / 1e12),
        "decode_weights": pytest.approx(ACTIVE * 2 / 1e11),
        "decode_attention": pytest.approx(4 * 2 * 4 * 2 * 50 * 3 / 1e12),
        "decode_cache": pytest.approx(16 * 2 * 50 * 3 / 1e11),
        "decode_bytes": 0.0,
        "collectives": 0.0,
        "layers": 2.0,
        "moe_layers": 0.0,
        "sequences": 3.0,
        "stages": 1.0,
    }


def test_ranks_share_the_work_and_exchange_activations_twice_a_layer() -> None:
    """Of four ranks each moves 2 x 3/4 of 2 bytes x 3 sequences x 8, twice in each of two layers. Keys of two heads: halves."""
    one, four = terms(), terms(Layout(tensor=4, pipeline=2))
    for name in ("decode_linear", "decode_weights", "decode_attention"):
        assert four[name] == pytest.approx(one[name] / 4), name
    assert four["decode_cache"] == pytest.approx(one["decode_cache"] / 2), "two heads of keys lie on two ranks"
    # To the next stage each of the four sends a quarter of 2 bytes x 3 sequences x 8.
    assert four["decode_bytes"] == pytest.approx((2 * 0.75 * (2 * 3 * 8) * 2 * 2 + 2 * 3 * 8 / 4) / 1e10)
    assert (four["collectives"], four["stages"]) == (5.0, 2.0)
    assert terms(Layout(tensor=2))["decode_cache"] == pytest.approx(one["decode_cache"] / 2)
    assert terms(Layout(tensor=4, attention_replicas=4))["decode_cache"] == pytest.approx(one["decode_cache"] / 4)


def test_a_latent_cache_is_whole_on_every_rank_that_does_not_split_the_requests() -> None:
    latent = decoder(kv_lora_rank=6, rope_head_dim=2)
    one, four, apart = (
        terms(layout, model=latent)["decode_cache"]
        for layout in (Layout(), Layout(tensor=4), Layout(tensor=4, attention_replicas=4))
    )
    assert one == four == pytest.approx(2 * 8 * 2 * 50 * 3 / 1e11)
    assert apart == pytest.approx(one / 4)


def test_eight_bits_halve_all_weights_but_the_heads_and_double_the_peak_but_not_that_of_attention() -> None:
    wide, narrow = terms(), terms(number_format=FP8, cache_bytes=1.0)
    assert narrow["decode_linear"] == pytest.approx(wide["decode_linear"] / 2)
    assert narrow["decode_weights"] == pytest.approx(wide["decode_weights"] * NARROW_BYTES / (2 * ACTIVE))
    assert narrow["decode_attention"] == pytest.approx(wide["decode_attention"])
    assert narrow["decode_cache"] == pytest.approx(wide["decode_cache"] / 2)
    assert terms(number_format=AMP)["decode_weights"] == pytest.approx(wide["decode_weights"])


def test_a_prompt_by_hand() -> None:
    def prompt(ranks: int, **changes: Any) -> dict[str, float]:
        layout = Layout(tensor=ranks)
        return prefill_terms(PLAIN, device(), **{"number_format": BF16, "layout": layout, "length": 30.0, **changes})

    assert prompt(1) == {
        "prefill_linear": pytest.approx(2 * ACTIVE * 30 / 1e12),
        "prefill_attention": pytest.approx(2 * 2 * (4 * 2) * 30 * 30 / 1e12),
        "prefill_weights": pytest.approx(ACTIVE * 2 / 1e11),
        "prefill_bytes": 0.0,
    }
    shared = prompt(4)
    for name in ("prefill_linear", "prefill_attention", "prefill_weights"):
        assert shared[name] == pytest.approx(prompt(1)[name] / 4), name
    assert shared["prefill_bytes"] == pytest.approx(2 * 0.75 * (2 * 30 * 8) * 2 * 2 / 1e10)
    assert prompt(1, number_format=FP8)["prefill_weights"] == pytest.approx(NARROW_BYTES / 1e11)
    assert prompt(1, number_format=AMP)["prefill_weights"] == pytest.approx(ACTIVE * 2 / 1e11)


def test_packed_weights_are_as_wide_as_their_format_but_for_the_table_and_the_head() -> None:
    assert weight_bytes(PLAIN, BF16) == 2 * (ACTIVE + 800)
    assert weight_bytes(PLAIN, FP8) == ACTIVE - 800 + 2 * 2 * 800
    assert weight_bytes(PLAIN, FP8, engine="llama.cpp") == ACTIVE + 800, "a GGUF packs them as well"
    assert weight_bytes(PLAIN, AMP) == 2 * (ACTIVE + 800), "mixed precision serves copies of 16 bits"


def test_the_cache_takes_what_weights_and_the_engine_leave_of_nine_tenths() -> None:
    """100 GB a rank, of which the driver reports 95; 1.5 GB besides the weights; 32 bytes a token, half of it on each of two."""
    spec = device(memory_bytes=10**11, usable_memory_bytes=95 * 10**9)
    large = decoder(total_params_override=10e9, active_params_override=10e9)

    def tokens(layout: Layout, **changes: Any) -> float:
        return cache_capacity_tokens(
            large, changes.pop("spec", spec), number_format=BF16, layout=layout, cache_bytes=2.0, context=100.0
        )

    weights = weight_bytes(large, BF16)
    assert tokens(Layout()) == pytest.approx((0.9 * 95e9 - weights - 1.5e9) / 32)
    assert tokens(Layout(), spec=device(memory_bytes=10**11)) == pytest.approx((0.9 * 100e9 - weights - 1.5e9) / 32)
    assert tokens(Layout(tensor=2)) == pytest.approx((0.9 * 190e9 - weights - 3e9) / 32)
    assert tokens(Layout(tensor=2, pipeline=2)) == pytest.approx((0.9 * 380e9 - weights - 6e9) / 32)
    assert tokens(Layout(tensor=4)) == pytest.approx((0.9 * 380e9 - weights - 6e9) / 64), "two heads on four ranks: two copies"
    assert tokens(Layout(tensor=4, attention_replicas=2)) == pytest.approx((0.9 * 380e9 - weights - 6e9) / 32)
    assert tokens(Layout(), spec=device(memory_bytes=10**10)) == 0.0


def test_a_latent_cache_is_copied_to_every_rank_that_does_not_split_the_requests() -> None:
    latent = decoder(kv_lora_rank=6, rope_head_dim=2)
    spec, layouts = device(memory_bytes=10**11), (Layout(tensor=4), Layout(tensor=4, attention_replicas=4))
    whole, split = (
        cache_capacity_tokens(latent, spec, number_format=BF16, layout=layout, cache_bytes=2.0, context=100.0) for layout in layouts
    )
    assert split == pytest.approx(4 * whole)


@pytest.mark.parametrize(
    ("engine", "numbers", "width"),
    [("vllm", "fp8", 1.0), ("sglang", "fp4", 1.0), ("vllm", "bf16", 2.0), ("transformers", "fp8", 2.0), ("tensorrt", "int8", 2.0)],
)
def test_serving_engines_cache_eight_bits_of_narrow_floating_point_models(engine: str, numbers: str, width: float) -> None:
    assert cache_bytes_per_element(number_format(numbers), engine=engine) == width


@pytest.mark.parametrize(
    ("engine", "numbers", "width"),
    [("vllm", "fp8", 2.0), ("sglang", "fp4", 2.0), ("tensorrt-llm", "fp8", 1.0), ("vllm", "bf16", 2.0)],
)
def test_without_an_option_only_engines_that_read_it_from_the_checkpoint_cache_eight_bits(
    engine: str, numbers: str, width: float
) -> None:
    """vLLM: kv_cache_dtype=auto is the dtype of the model, whatever its weights are packed in."""
    assert default_cache_bytes(number_format(numbers), engine=engine) == width


def test_the_first_peak_that_a_device_has_is_the_formats() -> None:
    assert peak_flops(device(), FP8) == (2e12, "fp8")
    assert peak_flops(device(peak_flops={"bf16": 1e12}), FP8)[0] == 1e12
    with pytest.raises(LookupError, match="no peak for bf16 is known of d"):
        peak_flops(device(peak_flops={}), BF16)


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [({"bf16": 3.0, "fp16": 2.0, "fp32": 1.0}, 3.0), ({"fp16": 2.0, "fp32": 1.0}, 2.0), ({"fp32": 1.0}, 1.0)],
)
def test_attention_is_computed_in_sixteen_bits_where_the_device_has_them(peaks: dict[str, float], expected: float) -> None:
    assert attention_peak(device(peak_flops=peaks)) == expected


def test_a_device_without_a_16_or_32_bit_peak_has_no_attention() -> None:
    with pytest.raises(LookupError, match="known of d"):
        attention_peak(device(peak_flops={"int8": 1.0}))


@pytest.mark.parametrize(
    ("changes", "devices", "bytes_per_s", "link"),
    [
        ({}, 8, 1e10, "nvlink"),
        ({"interconnect": "NVLink bridge"}, 2, 32e9, "pcie"),
        ({"interconnect": "NVLink bridge", "form_factor": "PCIe, sold in pairs"}, 2, 1e10, "bridge"),
        ({"interconnect": "NVLink bridge", "form_factor": "PCIe, sold in pairs"}, 4, 32e9, "pcie"),
        ({"interconnect": "PCIe only"}, 4, 1e10, "pcie"),
        ({"interconnect": None, "scale_up_bytes_per_s": None, "pcie_gen": 5}, 4, 64e9, "pcie"),
        ({"interconnect": None, "scale_up_bytes_per_s": None, "pcie_gen": 5}, 5, 64e9, "pcie_wide"),
        ({"interconnect": None, "scale_up_bytes_per_s": None, "pcie_gen": 3, "pcie_lanes": 8}, 2, 8e9, "pcie"),
        ({"interconnect": None, "scale_up_bytes_per_s": None, "pcie_gen": 6}, 2, 128e9, "pcie"),
        ({"interconnect": None, "scale_up_bytes_per_s": None}, 2, 32e9, "pcie"),
        ({"interconnect": None, "scale_up_bytes_per_s": None, "pcie_gen": 2}, 2, 32e9, "pcie"),
    ],
)
def test_devices_exchange_over_their_own_link_or_their_slots(
    changes: dict[str, Any], devices: int, bytes_per_s: float, link: str
) -> None:
    spec = device(**changes)
    assert link_bytes_per_s(spec, devices=devices) == pytest.approx(bytes_per_s)
    assert link_class(spec, devices=devices) == link
    assert link_class(spec, devices=1) == "none"


def test_a_part_of_less_power_for_its_peak_holds_less_of_it() -> None:
    """The full part of Hopper: 700 W for 989 TFLOP/s."""
    full = {"arch": "Hopper", "peak_flops": {"bf16": 989e12}}
    assert power_share(device(**full, tdp_w=350.0)) == pytest.approx(0.5)
    assert power_share(device(**full, tdp_w=900.0)) == 1.0
    assert power_share(device(**full)) == 1.0
    assert power_share(device(peak_flops={"bf16": 989e12}, tdp_w=350.0, arch="Unheard-of")) == 1.0
    assert power_share(device(peak_flops={"bf16": 989e12}, tdp_w=350.0)) == 1.0


@pytest.mark.parametrize(
    ("giga", "devices", "ranks"),
    [(0.3, 8, 1), (0.75, 8, 1), (0.76, 8, 2), (1.6, 8, 4), (6.0, 8, 8), (60.0, 8, 8), (6.0, 3, 3)],
)
def test_weights_lie_on_the_fewest_ranks_that_hold_them_in_three_quarters(giga: float, devices: int, ranks: int) -> None:
    """Two bytes a parameter on devices of 1 GB; the table is negligible compared with them."""
    model = decoder(total_params_override=giga * 1e9 / 2, active_params_override=giga * 1e9 / 2)
    assert weight_bytes(model, BF16) == pytest.approx(giga * 1e9, rel=1e-4)
    assert fitting_tensor_ranks(model, device(memory_bytes=1_001_000_000), number_format=BF16, devices=devices) == ranks


@given(st.integers(1, 64), st.floats(1, 500), st.floats(1, 1e4))
def test_more_ranks_never_have_more_work_each(ranks: int, sequences: float, context: float) -> None:
    words: dict[str, Any] = {"sequences": sequences, "context": context}
    few, many = terms(Layout(tensor=ranks), **words), terms(Layout(tensor=2 * ranks), **words)
    for name in ("decode_linear", "decode_weights", "decode_attention", "decode_cache"):
        assert many[name] <= few[name] * (1 + 1e-12)


def test_terms_are_merged_into_one_row() -> None:
    assert merged({"a": 1.0}, {"b": 2.0}, {"a": 3.0}) == {"a": 3.0, "b": 2.0}

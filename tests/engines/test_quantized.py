"""Quantised layers compute what their originals do, within what their format may err, and say where they cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import T5Config, T5EncoderModel
from transformers.pytorch_utils import Conv1D

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.engines import _fp8, _int4, _int8, torch_fp8
from aigc_bench.engines._linears import MakeLayer, nothing_quantized, quantize_linears

CASE = Case(workload="bert", preset="tiny", mode="infer")
QUANTIZED = ("torch-int8", "torch-int8-dynamic", "torch-int4", "torch-fp8")


def error(output: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((output.float() - wanted.float()).norm() / wanted.float().norm())


@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 40), size=st.sampled_from([(64, 128), (33, 128), (128, 256)]), seed=st.integers(0, 99))
def test_int8_layers_err_by_about_a_hundredth(rows: int, size: tuple[int, int], seed: int) -> None:
    torch.manual_seed(seed)
    weight, bias, inputs = torch.randn(size), torch.randn(size[0]), torch.randn(rows, size[1])
    wanted = torch.nn.functional.linear(inputs, weight, bias)
    with torch.inference_mode():
        assert error(_int8.DynamicInt8Linear(weight, bias)(inputs), wanted) < 0.02
        low = _int8.Int8Linear(weight.bfloat16(), bias.bfloat16(), is_fused=True)
        assert error(low(inputs.bfloat16()), wanted) < 0.02
        padded = _int8.DynamicInt8Linear(weight, bias, least_rows=32)(inputs)
        assert error(padded, wanted) < 0.02


@pytest.mark.parametrize("num_outputs", [64, 97, 256])
def test_int4_layers_take_any_number_of_outputs(num_outputs: int) -> None:
    torch.manual_seed(0)
    weight, inputs = torch.randn(num_outputs, 256).bfloat16(), torch.randn(2, 3, 256).bfloat16()
    layer = _int4.make_layer(weight, None)
    assert layer is not None
    with torch.inference_mode():
        made = layer(inputs)
    assert made.shape == (2, 3, num_outputs)
    assert error(made, torch.nn.functional.linear(inputs, weight)) < 0.15
    assert layer.packed.num_weights == weight.numel()
    assert layer.packed.numel() * layer.packed.element_size() < weight.numel()


@pytest.mark.parametrize("make", [_fp8.Fp8Linear, _int8.DynamicInt8Linear], ids=["fp8", "int8"])
def test_strided_inputs_of_a_unet_are_multiplied(make: Callable[..., torch.nn.Module]) -> None:
    """On ``meta``, whose rules are those of the CUDA kernels: images as rows of pixels, their channels last."""
    layer = make(torch.randn(64, 32).bfloat16(), None).to("meta")
    pixels = torch.empty(1, 32, 16, 16, dtype=torch.bfloat16, device="meta").permute(0, 2, 3, 1).reshape(1, 256, 32)
    assert not pixels.is_contiguous()
    assert layer(pixels).shape == (1, 256, 64)


def test_shapes_that_a_kernel_does_not_take_are_left_alone() -> None:
    assert _int4.make_layer(torch.randn(64, 100), None) is None
    assert _fp8.make_layer(torch.randn(64, 100), None) is None
    module = torch.nn.Sequential(torch.nn.Linear(100, 64))
    assert quantize_linears(module, _int4.make_layer) is module
    assert "no linear layer" in nothing_quantized([module], engine="torch-int4")


def test_fp8_keeps_about_four_significant_bits() -> None:
    torch.manual_seed(0)
    rows = torch.randn(8, 64)
    values, scale = _fp8.quantized(rows)
    assert error(values.float() * scale, rows) < 0.05
    assert float(values.float().abs().max()) == 448


def test_gpt2s_transposed_layers_are_linear_too() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(Conv1D(24, 16))
    inputs = torch.randn(3, 16)
    with torch.inference_mode():
        wanted = module(inputs)
        made = quantize_linears(module, lambda weight, bias: _int8.DynamicInt8Linear(weight, bias))
        assert error(made(inputs), wanted) < 0.05
    assert nothing_quantized([made], engine="x") is None


@pytest.mark.parametrize("name", QUANTIZED)
def test_quantised_engines_say_what_they_do_not_do(name: str) -> None:
    engine = registry.load("engines", name)
    train = engine.unsupported(CASE.model_copy(update={"mode": "train", "backend": "cuda"}))
    assert "inference only" in train
    assert engine.added_error > 0
    if name in ("torch-int8", "torch-int4"):
        assert "bf16" in engine.unsupported(CASE)
    if name == "torch-fp8":
        assert "fp8 units" in engine.unsupported(CASE)


def test_graphs_are_for_accelerators() -> None:
    assert "CUDA graphs" in registry.load("engines", "torch-compile-graphs").unsupported(CASE)


def t5(dtype: torch.dtype) -> T5EncoderModel:
    """A text encoder of two layers whose widths the kernels take."""
    torch.manual_seed(0)
    config = T5Config(vocab_size=64, d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4)
    return T5EncoderModel(config).to(dtype).eval()


@pytest.mark.parametrize("make", [_int4.make_layer, lambda weight, bias: _int8.Int8Linear(weight, bias, is_fused=True)])
def test_a_text_encoder_that_casts_inputs_to_its_weights_dtype_still_gets_bf16(make: MakeLayer) -> None:
    tokens = torch.arange(16)[None]
    plain, quantised = t5(torch.bfloat16), quantize_linears(t5(torch.bfloat16), make)
    with torch.no_grad():
        expected, found = (model(input_ids=tokens).last_hidden_state.float() for model in (plain, quantised))
    assert (found - expected).norm() / expected.norm() < 0.4


def test_what_stands_for_a_weight_has_the_dtype_of_its_inputs_and_is_counted_once() -> None:
    weight = torch.randn(64, 128, dtype=torch.bfloat16)
    for layer in (_int4.Int4Linear(weight, None), _fp8.Fp8Linear(weight, None)):
        assert layer.weight.dtype == torch.bfloat16
        assert [getattr(one, "num_weights", one.numel()) for one in layer.parameters()] == [64 * 128]


@pytest.mark.parametrize(
    ("architecture", "has_fp8"),
    [("gfx90a:sramecc+:xnack-", False), ("gfx908", False), ("gfx1100", False),
     ("gfx942:sramecc+:xnack-", True), ("gfx950", True), ("gfx1201", True)],
)  # fmt: skip
def test_an_amd_device_without_fp8_products_is_refused_by_its_architecture(architecture: str, has_fp8: bool) -> None:
    reason = torch_fp8.rocm_reason(architecture, device_name="AMD Instinct")
    assert (reason is None) == has_fp8
    assert has_fp8 or f"AMD Instinct is {architecture.partition(':')[0]}" in str(reason)


def test_mi300_takes_the_e4m3_that_it_multiplies() -> None:
    assert _fp8.format_of("gfx942:sramecc+:xnack-") is torch.float8_e4m3fnuz
    assert {_fp8.format_of(one) for one in (None, "gfx950", "gfx1201")} == {torch.float8_e4m3fn}

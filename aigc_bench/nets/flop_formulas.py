"""FLOPs of operators that ``torch.utils.flop_counter`` does not know, by its own conventions.

A multiply-add counts two, attention counts in full also where it is causal. Give them to ``FlopCounterMode(custom_mapping=...)``:
without them attention on a CPU, the experts of a mixture and recurrent layers count nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch.utils import flop_counter

Shape = Sequence[int]
_attention: Callable[..., int] = flop_counter.sdpa_flop_count
_attention_backward: Callable[..., int] = flop_counter.sdpa_backward_flop_count


FUSED_ATTENTION = ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
"""Kernels behind ``F.scaled_dot_product_attention``; not every build of torch has each."""


def missing_formulas() -> dict[Any, Callable[..., int]]:
    """Operator to formula over shapes, where this version of torch has no formula or one that refuses grouped queries.

    torch's own for attention asserts equal numbers of query and key-value heads up to 2.11, and has none for the CPU's kernel;
    that for a convolution's gradients counts the weights' as if there were no groups: 384 times too much for a depthwise one of
    384 channels.
    """
    aten = torch.ops.aten
    formulas: dict[Any, Callable[..., int]] = {aten.convolution_backward: convolution_backward_flops}
    for name in FUSED_ATTENTION:
        for suffix, formula in (("", attention_flops), ("_backward", attention_backward_flops)):
            # Backward operators exist only for some kernels, and kernels only in some builds.
            operator = getattr(aten, f"_scaled_dot_product_{name}{suffix}", None)
            if operator is not None:
                formulas[operator] = formula
    for name in ("_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu"):
        operator = getattr(aten, name, None)
        if operator is not None and operator not in flop_counter.flop_registry:
            formulas[operator] = packed_mm_flops
    if aten._int_mm not in flop_counter.flop_registry:
        formulas[aten._int_mm] = packed_mm_flops
    if aten._grouped_mm not in flop_counter.flop_registry:
        formulas[aten._grouped_mm] = grouped_mm_flops
    for name, forward, backward in (
        ("mkldnn_rnn_layer", _mkldnn_rnn_flops, _mkldnn_rnn_backward_flops),
        ("_cudnn_rnn", _cudnn_rnn_flops, _cudnn_rnn_backward_flops),
    ):
        formulas[getattr(aten, name)], formulas[getattr(aten, f"{name}_backward")] = forward, backward
    return formulas


def convolution_backward_flops(grad_out: Shape, inputs: Shape, weight: Shape, *args: Any, **keys: Any) -> int:
    """Count the requested gradients of inputs and weights, each with as many products as the forward pass.

    That has one product for each weight of a filter, at each place of the output (of the input, where transposed). ``weight`` is
    ``[out, in / groups, ...]``, so that groups are counted. ``args`` end in transposed, output_padding, groups, output_mask.
    """
    # The mask is (inputs, weights, bias): the first layer of a network requests no gradient of its inputs.
    transposed, _, _, output_mask = args[-4:]
    places = inputs if transposed else grad_out
    forward = 2 * inputs[0] * math.prod(places[2:]) * math.prod(weight)
    return forward * sum(map(bool, output_mask[:2]))


def attention_flops(query: Shape, key: Shape, value: Shape, *args: Any, **keys: Any) -> int:
    """``Q K^T`` and the weights times ``V``; shapes ``[batch, heads, length, head_dim]``, a key head may serve several queries'."""
    return _attention(query, _shared(key, query=query), _shared(value, query=query))


def attention_backward_flops(grad_out: Shape, query: Shape, key: Shape, value: Shape, *args: Any, **keys: Any) -> int:
    """The weights again, and the four products of their gradients."""
    return _attention_backward(grad_out, query, _shared(key, query=query), _shared(value, query=query))


def _shared(shape: Shape, *, query: Shape) -> Shape:
    """Repeat keys or values for every query head: the number of products is the same."""
    return (shape[0], query[1], *shape[2:])


def grouped_mm_flops(left: Shape, right: Shape, *args: Any, **keys: Any) -> int:
    """Rows sorted by expert times each expert's matrix: every row meets one expert under any routing.

    ``[rows, k] x [experts, k, n]`` (forward) and ``[m, rows] x [rows, n]`` (gradient of the weights) are both
    ``2 x size(left) x n``.
    """
    return 2 * math.prod(left) * right[-1]


def recurrent_flops(sequence: Shape, weights: Iterable[Shape]) -> int:
    """A recurrent layer that runs as one kernel: every step of every sequence meets each of its matrices once.

    ``sequence`` is ``[time, batch, width]`` or ``[batch, time, width]``; biases have one dimension and count nothing.
    """
    return 2 * sequence[0] * sequence[1] * sum(math.prod(weight) for weight in weights if len(weight) == 2)


def _mkldnn_rnn_flops(sequence: Shape, *args: Any, **keys: Any) -> int:
    """One direction of one layer on a CPU: its two matrices follow the input."""
    return recurrent_flops(sequence, args[:2])


def _cudnn_rnn_flops(sequence: Shape, weights: Sequence[Shape], *args: Any, **keys: Any) -> int:
    """Count all layers and directions of one call on CUDA."""
    return recurrent_flops(sequence, weights)


def _mkldnn_rnn_backward_flops(sequence: Shape, *args: Any, **keys: Any) -> int:
    """Gradients of inputs and of weights; the state before the first step (fifth behind the input) is given and gets none."""
    skipped: int = 2 * math.prod(args[4]) * args[1][0]
    return 2 * recurrent_flops(sequence, args[:2]) - skipped


def _cudnn_rnn_backward_flops(sequence: Shape, weights: Sequence[Shape], *args: Any, **keys: Any) -> int:
    """Count all layers and directions of one call, as on a CPU; the first state is the third behind the weights."""
    skipped: int = 2 * math.prod(args[2]) * weights[1][0]
    return 2 * recurrent_flops(sequence, weights) - skipped


def packed_mm_flops(left: Shape, right: Shape, *args: Any, out_shape: Shape, **keys: Any) -> int:
    """``[rows, k]`` times an integer or packed weight: packing hides its shape, which the output ``[rows, n]`` reveals."""
    return 2 * math.prod(left) * out_shape[-1]

"""FLOPs of operators that ``torch.utils.flop_counter`` does not know, by its own conventions.

A multiply-add counts two, attention counts in full also where it is causal. Give them to ``FlopCounterMode(custom_mapping=...)``:
without them attention on a CPU and the experts of a mixture count nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
            operator = getattr(aten, f"_scaled_dot_product_{name}{suffix}", None)
            if operator is not None:
                formulas[operator] = formula
    if aten._grouped_mm not in flop_counter.flop_registry:
        formulas[aten._grouped_mm] = grouped_mm_flops
    return formulas


def convolution_backward_flops(grad_out: Shape, inputs: Shape, weight: Shape, *args: Any, **keys: Any) -> int:
    """The gradients of inputs and weights that are asked for, each of as many products as the forward pass.

    That has one product for each weight of a filter, at each place of the output (of the input, where transposed). ``weight`` is
    ``[out, in / groups, ...]``, so that groups are counted. ``args`` end in transposed, output_padding, groups, output_mask.
    """
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
    """Keys or values as if every query head had its own: the products are as many."""
    return (shape[0], query[1], *shape[2:])


def grouped_mm_flops(left: Shape, right: Shape, *args: Any, **keys: Any) -> int:
    """Rows sorted by expert times each expert's matrix: every row meets one expert, whatever the routing.

    ``[rows, k] x [experts, k, n]`` (forward) and ``[m, rows] x [rows, n]`` (gradient of the weights) are both
    ``2 x size(left) x n``.
    """
    return 2 * math.prod(left) * right[-1]

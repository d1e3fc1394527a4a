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


def missing_formulas() -> dict[Any, Callable[..., int]]:
    """Operator to formula over shapes, for those operators that this version of torch has no formula for."""
    aten = torch.ops.aten
    formulas: dict[Any, Callable[..., int]] = {
        aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward_flops,
        aten._grouped_mm: grouped_mm_flops,
    }
    return {operator: formula for operator, formula in formulas.items() if operator not in flop_counter.flop_registry}


def attention_flops(query: Shape, key: Shape, value: Shape, *args: Any, **keys: Any) -> int:
    """``Q K^T`` and the weights times ``V``; shapes ``[batch, heads, length, head_dim]``."""
    return _attention(query, key, value)


def attention_backward_flops(grad_out: Shape, query: Shape, key: Shape, value: Shape, *args: Any, **keys: Any) -> int:
    """The weights again, and the four products of their gradients."""
    return _attention_backward(grad_out, query, key, value)


def grouped_mm_flops(left: Shape, right: Shape, *args: Any, **keys: Any) -> int:
    """Rows sorted by expert times each expert's matrix: every row meets one expert, whatever the routing.

    ``[rows, k] x [experts, k, n]`` (forward) and ``[m, rows] x [rows, n]`` (gradient of the weights) are both
    ``2 x size(left) x n``.
    """
    return 2 * math.prod(left) * right[-1]

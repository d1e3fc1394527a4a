"""How often torch wakes its team of threads for one operator on a CPU.

Threads that wait do not spin here (``measure.launcher``), so that every parallel region costs the host a wake and a gathering,
independent of the work in it: tens of microseconds, more than most operators of a small model take. Regions were counted, not
assumed: calls of libgomp's ``GOMP_parallel`` (interposed) in torch 2.13 with MKL and oneDNN on x86, two threads, 2026-11. A region
within a region wakes no thread and is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aigc_bench.predict.tracing.optrace import Operator

GRAIN_SIZE = 32_768
"""Elements from which torch shares an element-wise operator among threads (at::internal::GRAIN_SIZE)."""
_NATIVE_ELEMENTS = 20_480
"""Most elements of one sample, in four dimensions, that torch convolves without oneDNN (Convolution.cpp, ``use_mkldnn``)."""
_NATIVE_KERNEL = 3

_ALWAYS: Mapping[str, int] = {
    "attention": 1,
    "attention_backward": 1,
    "gelu": 1,
    "gelu_backward": 1,
    "native_group_norm": 1,
    "native_group_norm_backward": 2,
    "_native_batch_norm_legit": 3,
    "_native_batch_norm_legit_no_training": 1,
    "native_batch_norm_backward": 2,
}
_BY_ROWS: Mapping[str, int] = {
    "native_layer_norm": 1,
    "native_layer_norm_backward": 2,
    "_softmax": 1,
    "_safe_softmax": 1,
    "_log_softmax": 1,
    "_softmax_backward_data": 1,
    "_log_softmax_backward_data": 1,
}
"""Operators that are shared by rows however few elements these have; a single row is not shared."""
_PRODUCTS = frozenset({"addmm", "baddbmm", "bmm", "mm"})
_CONV, _CONV_TRANSPOSED, _CONV_NATIVE = (4, 9), (5, 10), (2, 5)
"""Forward and backward. oneDNN reorders input, weight and output around the convolution proper."""


def num_teams(operator: Operator, *, is_transposed: bool = False) -> int:
    """Parallel regions of one such operator; ``is_transposed`` of a convolution."""
    if operator.kind == "optimizer":
        # Shape (tensors, elements): a CPU's fused optimizer opens a region for each tensor.
        return operator.inputs[0][0]
    if operator.kind == "conv":
        return _convolution(operator, is_transposed=is_transposed)
    most = max((math.prod(shape) for shape in (*operator.outputs, *operator.inputs)), default=0)
    is_large = int(most > GRAIN_SIZE)
    if operator.name in _PRODUCTS:
        return _product(operator)
    if operator.name in _BY_ROWS:
        # A single row has as many elements as it is wide.
        width = next((shape[-1] for shape in operator.inputs if shape), 1)
        return _BY_ROWS[operator.name] if most > width else 0
    return _ALWAYS.get(operator.name, is_large)


def _product(operator: Operator) -> int:
    """MKL multiplies in a region of its own; what it adds to is laid out in another, or what it writes to is cleared."""
    first, second = [shape for shape in operator.inputs if len(shape) > 1][-2:]
    # A product with a vector: counted as no region.
    if 1 in (*first[-2:], *second[-2:]):
        return 0
    size = math.prod(next(iter(operator.outputs), ()))
    # addmm copies its bias into the output (an element-wise copy, so by GRAIN_SIZE).
    is_laid_out = size > GRAIN_SIZE if operator.name == "addmm" else operator.name == "mm"
    return 1 + int(is_laid_out)


def _convolution(operator: Operator, *, is_transposed: bool) -> int:
    is_backward = operator.name.endswith("backward")
    forward, backward = _CONV_TRANSPOSED if is_transposed else _CONV_NATIVE if _is_native(operator) else _CONV
    return backward if is_backward else forward


def _is_native(operator: Operator) -> bool:
    first = 1 if operator.name.endswith("backward") else 0
    # (batch, channels, *places); the gradient comes before them in the backward pass.
    values, weight = operator.inputs[first : first + 2]
    is_wide = len(weight) > 3 and min(weight[-2:]) > _NATIVE_KERNEL
    return values[0] == 1 and not is_wide and math.prod(values[:4]) <= _NATIVE_ELEMENTS

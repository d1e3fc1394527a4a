"""Memory that an operator takes for itself while it runs on a CPU, besides its inputs and results.

A three-dimensional convolution that torch does not hand to oneDNN unfolds its input into columns and multiplies them:

    bytes = batch x input channels x kernel positions x output positions x bytes of an element

torch hands over what has groups, several samples, a kernel above 3 in its last two dimensions, or more than 20,480 elements in its
first four dimensions (aten/src/ATen/native/Convolution.cpp, ``use_mkldnn``; NaiveConvolutionTranspose3d.cpp; torch 2.13, 2026-11).
Two-dimensional ones that are as small have columns below a megabyte, and are left out.
"""

from __future__ import annotations

import math
from typing import Any

import torch

_MOST_ELEMENTS = 20_480
PERSISTENT_BYTES = 8_800_000
"""What the first product of columns leaves with the process, its packed operands above all: growth besides columns of 28.3 MB,
input and output (VmHWM, torch 2.13 with MKL, two threads, 2026-11)."""
# (batch, channels, depth, height, width)
_DIMENSIONS = 5
# Places in (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups).
_TRANSPOSED, _GROUPS = 6, 8


def scratch_bytes(name: str, args: Any, result: Any) -> int:
    """Bytes of columns while ``convolution`` or its gradient runs; 0 for everything else."""
    if name == "convolution":
        source, weight, output, first = args[0], args[1], result, 0
    elif name == "convolution_backward":
        # The gradient of the output comes first, and shifts the places of all settings by one.
        output, source, weight, first = args[0], args[1], args[2], 1
    else:
        return 0
    settings = args[first:]
    if source.dim() != _DIMENSIONS or settings[_TRANSPOSED] or settings[_GROUPS] != 1 or _is_for_onednn(source, weight):
        return 0
    positions = math.prod(weight.shape[2:])
    # A kernel of one position needs no columns: the input is the matrix already.
    if positions == 1:
        return 0
    return int(source.shape[0] * weight.shape[1] * positions * math.prod(output.shape[2:]) * source.element_size())


def _is_for_onednn(source: torch.Tensor, weight: torch.Tensor) -> bool:
    is_wide = weight.shape[-1] > 3 and weight.shape[-2] > 3
    return source.shape[0] > 1 or is_wide or math.prod(source.shape[:4]) > _MOST_ELEMENTS

"""Weights as 8-bit integers: one scale for each output, ``weight ~ scale x integer`` with integers in [-127, 127]."""

from __future__ import annotations

import torch

SMALL_ROWS = 16
"""Up to this number of rows a product reads integers (bandwidth counts); above, weights are widened first (arithmetic counts)."""


def quantized(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 ``[out, in]`` and fp32 scales ``[out]`` of a weight ``[out, in]``, symmetric, rounded to nearest."""
    scale = weight.float().abs().amax(dim=1).clamp(min=1e-12) / 127
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale


class Int8Linear(torch.nn.Module):
    """A linear layer whose weights are int8 and whose activations stay in their own dtype."""

    scale: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, *, is_fused: bool) -> None:
        super().__init__()
        integers, scale = quantized(weight)
        self.weight = torch.nn.Parameter(integers, requires_grad=False)
        self.register_buffer("scale", scale.to(weight.dtype))
        self.bias = None if bias is None else torch.nn.Parameter(bias, requires_grad=False)
        self._is_fused = is_fused

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])
        if self._is_fused and rows.shape[0] <= SMALL_ROWS:
            product = torch._weight_int8pack_mm(rows.contiguous(), self.weight, self.scale)
        else:
            # One scale for each output, so that it can be applied after the product.
            product = torch.nn.functional.linear(rows, self.weight.to(rows.dtype)) * self.scale
        product = product if self.bias is None else product + self.bias
        return product.view(*inputs.shape[:-1], -1)


class DynamicInt8Linear(torch.nn.Module):
    """A linear layer computed in integers: each row of the inputs gets its own scale when it comes (W8A8, dynamic)."""

    scale: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, *, least_rows: int = 1) -> None:
        super().__init__()
        integers, scale = quantized(weight)
        self.weight = torch.nn.Parameter(integers, requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else torch.nn.Parameter(bias, requires_grad=False)
        self._least_rows = least_rows

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        # A U-Net hands over images turned round, whose rows are strided.
        rows = inputs.reshape(-1, inputs.shape[-1]).contiguous()
        num_rows = rows.shape[0]
        row_scale = rows.abs().amax(dim=1, keepdim=True).float().clamp_(min=1e-12).div_(127)
        integers = (rows / row_scale).round_().to(torch.int8)
        if num_rows < self._least_rows:
            # Rows of zeros up to the least that the kernel takes; the product's are cut off again.
            integers = torch.nn.functional.pad(integers, (0, 0, 0, self._least_rows - num_rows))
        # int32 [rows, out], then the scale of its row and that of its column.
        product = torch._int_mm(integers, self.weight.t())[:num_rows].float().mul_(row_scale).mul_(self.scale)
        product = product if self.bias is None else product.add_(self.bias)
        return product.to(inputs.dtype).view(*inputs.shape[:-1], -1)

"""Weights as 4-bit integers in groups along the inputs, packed as torch's kernels want them."""

from __future__ import annotations

import torch

GROUP = 128
_INNER_TILES = 8
"""Layout of the CUDA kernel; the CPU's has one of its own."""
_OUT_MULTIPLE = 64
_IN_MULTIPLE = 128


def make_layer(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Module | None:
    """The layer of a weight ``[out, in]``, or ``None`` where its inputs do not divide into groups.

    Outputs that are no multiple of the kernel's tile (a vocabulary of 50,257) are padded with zeros, which are cut off again.
    """
    return None if weight.shape[1] % _IN_MULTIPLE else Int4Linear(weight, bias)


def quantized(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """int32 ``[out, in]`` in [0, 15], and scales with zeros ``[in / GROUP, out, 2]``, of a weight ``[out, in]``."""
    # [out, in / GROUP, GROUP]
    groups = weight.float().view(weight.shape[0], -1, GROUP)
    low, high = groups.amin(dim=2), groups.amax(dim=2)
    # Four bits have 16 levels, 15 steps apart.
    scale = ((high - low) / 15).clamp(min=1e-9)
    integers = ((groups - low[..., None]) / scale[..., None]).round().clamp(0, 15).to(torch.int32).flatten(1)
    # The kernel takes 8 off each integer before it scales, so that its zero is the value of integer 8.
    return integers, torch.stack([scale, low + scale * 8], dim=-1).transpose(0, 1).contiguous()


class Int4Linear(torch.nn.Module):
    """A linear layer with packed int4 weights and bf16 activations."""

    scales: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self._out_features, in_features = weight.shape
        missing = -self._out_features % _OUT_MULTIPLE
        integers, scales = quantized(torch.nn.functional.pad(weight, (0, 0, 0, missing)))
        self._is_on_host = weight.device.type == "cpu"
        self.packed = torch.nn.Parameter(self._packed(integers), requires_grad=False)
        # Two of the weights share a byte: how many there are cannot be counted from the packed tensor.
        self.packed.num_weights = self._out_features * in_features  # type: ignore[attr-defined]
        self.register_buffer("scales", scales.to(weight.dtype))
        self.bias = None if bias is None else torch.nn.Parameter(bias, requires_grad=False)

    @property
    def weight(self) -> torch.Tensor:
        """The scales: what a model's code reads of a weight is the dtype that inputs must have (T5 casts its own to it)."""
        return self.scales

    def _packed(self, integers: torch.Tensor) -> torch.Tensor:
        if self._is_on_host:
            return torch._convert_weight_to_int4pack_for_cpu(integers, 1)
        # On an accelerator two columns share a byte, the even one in its upper half; the CPU's converter takes plain integers.
        pairs = (integers[:, ::2] << 4 | integers[:, 1::2]).to(torch.uint8)
        return torch._convert_weight_to_int4pack(pairs, _INNER_TILES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1]).contiguous()
        multiply = torch._weight_int4pack_mm_for_cpu if self._is_on_host else torch._weight_int4pack_mm
        product = multiply(rows, self.packed, GROUP, self.scales)[:, : self._out_features]
        product = product if self.bias is None else product + self.bias
        return product.reshape(*inputs.shape[:-1], self._out_features)

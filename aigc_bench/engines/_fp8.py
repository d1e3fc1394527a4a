"""Linear layers in fp8: ``torch._scaled_mm`` over e4m3 rows with their scales."""

from __future__ import annotations

import torch

# The only e4m3 that MI300 multiplies has another exponent bias and no negative zero; everything else takes that of OCP.
_FNUZ_ARCHITECTURE = "gfx94"
# torch._scaled_mm refuses other sides.
_MULTIPLE = 16


def make_layer(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Module | None:
    """The layer of a weight ``[out, in]``, or ``None`` where a side is no multiple of 16."""
    return None if weight.shape[0] % _MULTIPLE or weight.shape[1] % _MULTIPLE else Fp8Linear(weight, bias)


def quantized(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """e4m3 values and fp32 scales ``[rows, 1]``: the largest of each row becomes the largest number of the format."""
    e4m3 = format_of(_architecture(rows.device))
    # 448 (240 of fnuz). The format has no infinity: a row's largest value is scaled to this, so that nothing is cut off. The floor
    # keeps a row of zeros from dividing by zero.
    scale = rows.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / torch.finfo(e4m3).max
    return (rows.float() / scale).to(e4m3), scale


def format_of(architecture: str | None) -> torch.dtype:
    """The e4m3 that an AMD architecture multiplies; ``None`` is any other device."""
    is_fnuz = architecture is not None and architecture.startswith(_FNUZ_ARCHITECTURE)
    return torch.float8_e4m3fnuz if is_fnuz else torch.float8_e4m3fn


def _architecture(device: torch.device) -> str | None:
    # A build's constant, so that a compiled graph keeps no question to the driver elsewhere.
    if torch.version.hip is None or device.type != "cuda":
        return None
    name: str = torch.cuda.get_device_properties(device).gcnArchName
    return name


class Fp8Linear(torch.nn.Module):
    """A linear layer with fp8 weights whose inputs become fp8 as they come; outputs are bf16."""

    scale: torch.Tensor
    weight: torch.Tensor
    """Empty: what a model's code reads of a weight is the dtype that inputs must have (T5 casts its own to it), and fp8 is none."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        values, scale = quantized(weight)
        self.values = torch.nn.Parameter(values, requires_grad=False)
        self.register_buffer("weight", torch.empty(0, dtype=weight.dtype, device=weight.device), persistent=False)
        # [1, out]: one for each column of the product.
        self.register_buffer("scale", scale.t().contiguous())
        self.bias = None if bias is None else torch.nn.Parameter(bias, requires_grad=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        # [..., in] to [rows, in] and [rows, 1].
        # A U-Net hands over images turned round, whose rows are strided; the kernel takes whole rows.
        rows, row_scale = quantized(inputs.reshape(-1, inputs.shape[-1]).contiguous())
        # [rows, in] x [in, out]: the kernel wants the second operand column by column, and with a scale a row gives bf16 only.
        product = torch._scaled_mm(rows, self.values.t(), row_scale, self.scale, out_dtype=torch.bfloat16)
        product = product if self.bias is None else product + self.bias
        return product.to(inputs.dtype).view(*inputs.shape[:-1], -1)

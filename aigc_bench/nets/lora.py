"""LoRA (Hu et al. 2021, arXiv 2106.09685): fine-tuning of two thin matrices beside each frozen one.

A linear layer ``W`` of shape ``(out, in)`` becomes ``W x + (alpha / rank) B A x`` with ``A`` ``(rank, in)`` drawn at random and
``B`` ``(out, rank)`` zero at first (section 4.1), so that training starts from the model as it was. The backward pass needs no
gradient of ``W``: a third of the matrix products is saved, and nearly all of the optimizer's state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn


class LoraLinear(nn.Module):
    """A frozen linear layer and its adapter of ``rank``; ``alpha`` equals the rank, so that the adapter's scale is 1."""

    def __init__(self, base: nn.Linear, *, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.empty(rank, base.in_features, device=base.weight.device, dtype=torch.float32))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device, dtype=torch.float32))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        frozen: torch.Tensor = self.base(inputs)
        adapted = nn.functional.linear(nn.functional.linear(inputs, self.down), self.up)
        return frozen + adapted


def add_adapters(model: nn.Module, *, rank: int, targets: Sequence[str], dtype: torch.dtype) -> nn.Module:
    """Freeze the model and put an adapter beside every linear layer whose dotted name ends in one of ``targets``; returns it.

    What is frozen multiplies in ``dtype``: linear layers and convolutions are kept in it, norms and all else as they are.
    """
    model.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            module.to(dtype)
    ends = tuple("." + target for target in targets)
    chosen = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and ("." + name).endswith(ends)]
    assert chosen, f"no linear layer ends in one of {', '.join(targets)}"
    for name in chosen:
        parent, _, own = name.rpartition(".")
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear), "chosen as such"
        setattr(model.get_submodule(parent), own, LoraLinear(layer, rank=rank))
    return model

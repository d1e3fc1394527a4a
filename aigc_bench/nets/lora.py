"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): a frozen matrix ``W`` becomes ``W + (alpha / rank) B A``.

``A`` is random and ``B`` zero, so that training starts from the frozen model. Only adapters get gradients and optimizer state; the
backward pass is spared the gradients of ``W``, a third of its matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

_ATTENTION = ("attn", "attention")


class Adapted(nn.Module):
    """A frozen linear layer and its adapter of ``rank``; ``alpha`` is twice the rank, as is usual."""

    def __init__(self, frozen: Any, *, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        # transformers' Conv1D (GPT-2) is a linear layer that keeps its matrix turned round.
        inputs, outputs = getattr(frozen, "in_features", None) or frozen.nx, getattr(frozen, "out_features", None) or frozen.nf
        place: dict[str, Any] = {"dtype": torch.float32, "device": frozen.weight.device}
        self.down, self.up = nn.Parameter(torch.empty(rank, inputs, **place)), nn.Parameter(torch.empty(outputs, rank, **place))
        # As the authors' code draws A; with B zero the adapter adds nothing at first.
        nn.init.kaiming_uniform_(self.down, a=5**0.5)
        nn.init.zeros_(self.up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[..., inputs]`` to ``[..., outputs]`` in the frozen layer's dtype; the adapter itself computes in fp32."""
        adapted = nn.functional.linear(nn.functional.linear(x.to(self.down.dtype), self.down), self.up)
        result: torch.Tensor = self.frozen(x)
        # alpha / rank = 2.
        return result + (2.0 * adapted).to(result.dtype)


def adapt(model: nn.Module, *, rank: int, dtype: torch.dtype, targets: Sequence[str] = ()) -> int:
    """Freeze the model in ``dtype`` and give linear layers an adapter; returns how many there are.

    Layers whose dotted name ends in one of ``targets``; without any, all of its attention's.
    """
    model.requires_grad_(False).to(dtype)
    ends = tuple(f".{target}" for target in targets)
    linear = [(name, module) for name, module in model.named_modules() if is_linear(module)]
    chosen = [(name, module) for name, module in linear if (f".{name}".endswith(ends) if ends else is_attention(name))]
    for name, module in chosen:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, Adapted(module, rank=rank))
    assert chosen, "the model has linear layers where adapters are wanted"
    return len(chosen)


def is_linear(module: nn.Module) -> bool:
    """Whether it multiplies by one matrix: ``nn.Linear`` or transformers' ``Conv1D``."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def is_attention(name: str) -> bool:
    """Whether a module's dotted name lies in an attention block."""
    return any(part in name for part in _ATTENTION)

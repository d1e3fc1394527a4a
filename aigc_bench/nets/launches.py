"""Chains of operators too small to compute anything: what is left of their time is the cost of launching them."""

from __future__ import annotations

import torch
from torch import nn


class AddChain(nn.Module):
    """``num_launches`` additions, one after another, each into memory of its own as in a model."""

    def __init__(self, *, num_launches: int) -> None:
        super().__init__()
        self.num_launches = num_launches

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` of any shape plus ``num_launches``."""
        for _ in range(self.num_launches):
            x = x + 1.0
        return x


class LinearChain(nn.Module):
    """``num_launches`` linear layers of ``width`` without bias: ``(batch, width)`` to ``(batch, width)``."""

    def __init__(self, *, num_launches: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(num_launches))
        for parameter in self.parameters():
            # Variance is kept from layer to layer: values neither overflow nor become denormal, which CPUs compute slowly.
            nn.init.normal_(parameter, std=width**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

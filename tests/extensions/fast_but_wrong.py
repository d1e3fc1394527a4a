"""A third party's engine with a broken kernel: it answers at once, and what it answers has the right shape and nothing else."""

from __future__ import annotations

from typing import Any

import torch

from aigc_bench.core.records import Case
from aigc_bench.engines.base import Engine, is_counting


class Stale(torch.nn.Module):
    """Computes once, then returns that first output for whatever comes."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self._first: Any = None

    def forward(self, *args: Any, **keys: Any) -> Any:
        if self._first is None or is_counting():
            self._first = torch.utils._pytree.tree_map_only(torch.Tensor, torch.zeros_like, self.module(*args, **keys))
        return self._first


class FastButWrong(Engine):
    """Forward passes of inference that are no forward passes; training with the gradients' sign turned."""

    title = "A broken kernel"

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        if case.mode == "infer":
            return Stale(module)
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.register_hook(torch.neg)
        return module


engine = FastButWrong()

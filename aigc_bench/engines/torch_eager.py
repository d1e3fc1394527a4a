"""torch as it comes: every operator is launched when Python reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.engines.base import Engine

if TYPE_CHECKING:
    import torch


class TorchEager(Engine):
    """The built module itself."""

    title: ClassVar[str] = message("PyTorch eager")

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module unchanged."""
        return module


engine = TorchEager()

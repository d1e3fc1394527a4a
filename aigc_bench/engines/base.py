"""What an engine is: it takes a built module and returns the one that is executed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from aigc_bench.core.records import Case

if TYPE_CHECKING:
    import torch


class Engine(ABC):
    """One way to execute a model. Files are named with underscores, the engine with hyphens (``torch-compile``)."""

    title: ClassVar[str]

    def unsupported(self, case: Case) -> str | None:
        """Why the engine cannot run this case here, or ``None``."""
        return None

    @abstractmethod
    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module as the engine executes it; compiling may be left to the first call, which is part of the warm-up."""

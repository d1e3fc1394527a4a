"""What an engine is: it takes a built module and returns the one that is executed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar

from aigc_bench.core.records import Case

if TYPE_CHECKING:
    import torch

_is_counting: ContextVar[bool] = ContextVar("is_counting", default=False)


class CannotExecute(Exception):
    """Raised at the first call, where only the module or its inputs show that the engine cannot run them: ``unsupported``."""


class Engine(ABC):
    """One way to execute a model. Files are named with underscores, the engine with hyphens (``torch-compile``)."""

    title: ClassVar[str]
    added_error: ClassVar[float] = 0.0
    """Relative error of a module's output that the engine's number format may add to the precision's own."""

    def unsupported(self, case: Case) -> str | None:
        """Why the engine cannot run this case here, or ``None``."""
        return None

    @abstractmethod
    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module as the engine executes it; compiling may be left to the first call, which is part of the warm-up."""

    def begin_step(self) -> None:
        """Called before each step, outside every stage; engines that keep nothing from step to step do nothing."""

    def report(self) -> Mapping[str, int | str]:
        """What the engine did so far in this process that a reader of the numbers must know, by name."""
        return {}

    def idle_reason(self, modules: Sequence[torch.nn.Module]) -> str | None:
        """Why the engine found nothing to do in the prepared modules of a case, which is then not measured under its name."""
        return None


@contextmanager
def counting() -> Iterator[None]:
    """Within, engines that leave torch run the original module instead, so that a FLOP counter sees its operators."""
    token = _is_counting.set(True)
    try:
        yield
    finally:
        _is_counting.reset(token)


def is_counting() -> bool:
    """Whether operators are being counted, not timed."""
    return _is_counting.get()

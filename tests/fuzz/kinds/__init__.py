"""The kinds of file that are fuzzed: examples to start from, how they are changed, and what reads them as a command would."""

from __future__ import annotations

import functools
import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.outcome import Files

ROOT = Path(__file__).resolve().parents[3]

_MODULES = ("demand", "profile", "run", "catalogue", "table", "trace", "model", "data")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``make`` draws an input, ``read`` does with it all that the command does, short of the expensive part.

    ``commands`` are the whole commands that an accepted input can be given to, ``{}`` its folder.
    """

    name: str
    title: str
    make: Callable[[random.Random], Files]
    read: Callable[[Path], None]
    prepare: Callable[[], None] = lambda: None
    commands: tuple[tuple[str, ...], ...] = field(default=())

    def input(self, number: int, *, seed: int = 0) -> Files:
        """The ``number``-th input; the same for ever."""
        return self.make(random.Random(f"{self.name}/{seed}/{number}"))


@functools.cache
def all_kinds() -> dict[str, Kind]:
    """Every kind by its name."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in _MODULES]
    return {kind.name: kind for module in modules for kind in module.KINDS}

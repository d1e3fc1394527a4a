"""A third party's workload that fails in every way a model can: by its preset."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads.base import Preset, Program, Setup, Workload

if TYPE_CHECKING:
    import torch


def _raise(step: int) -> None:
    raise ValueError("the model does not like this shape <b>at all</b>")


def _exhaust(step: int) -> None:
    import torch

    torch.empty(1 << 50, dtype=torch.uint8)


def _hang(step: int) -> None:
    time.sleep(3600)


def _die(step: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(step: int) -> None:
    marker = Path(os.environ["AIGC_BENCH_TEST_MARKER"])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _balloon(step: int) -> None:
    held = bytearray(256 << 20)
    held[:: 4 << 10] = b"x" * len(held[:: 4 << 10])


def _checked(action: Callable[[int], None]) -> Callable[[torch.nn.Module], None]:
    """Misbehave only while the results are checked, whose hooks the module then carries."""

    def act(module: torch.nn.Module) -> None:
        if module._forward_pre_hooks:
            action(0)

    return act


ACTIONS = {"raise": _raise, "exhaust": _exhaust, "hang": _hang, "die": _die, "die-once": _die_once, "balloon": _balloon}


BY_RANK = {"rank-1-dies": _die, "rank-1-exhausts": _exhaust, "rank-1-hangs": _hang}
IN_CHECK = {"die-in-check": _die, "hang-in-check": _hang}


class Misbehaving(Workload):
    """Does what its preset says: at the first step, or when its results are checked."""

    title = "Misbehaviour"
    item = "item"
    presets: ClassVar[Mapping[str, Preset]] = {
        name: Preset(title=name, source="this file", config={}) for name in (*ACTIONS, *IN_CHECK, *BY_RANK)
    }

    def stages(self, case: Case) -> tuple[Stage, ...]:
        return (Stage(name="act", items=1),)

    def build(self, case: Case, setup: Setup) -> Program:
        from torch import distributed

        if case.preset in IN_CHECK:
            return self._checked(setup, _checked(IN_CHECK[case.preset]))

        if case.preset in BY_RANK and distributed.get_rank() == 1:
            BY_RANK[case.preset](0)

        def act(repeat: int) -> None:
            ACTIONS.get(case.preset, lambda repeat: None)(repeat)
            time.sleep(0.01)

        return Program(begin=lambda step: None, stages={"act": act}, modules=())

    def _checked(self, setup: Setup, act: Callable[[torch.nn.Module], None]) -> Program:
        import torch

        class Line(torch.nn.Linear):
            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                act(self)
                return super().forward(inputs)

        line = setup.prepare(setup.build(lambda: Line(4, 4)))
        inputs = torch.ones(1, 4)
        return Program(begin=lambda step: None, stages={"act": lambda repeat: line(inputs)}, modules=(line,))


workload = Misbehaving()

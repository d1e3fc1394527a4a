"""A third party's workload that fails in every way a model can: by its preset."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads.base import Preset, Program, Setup, Workload


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


ACTIONS = {"raise": _raise, "exhaust": _exhaust, "hang": _hang, "die": _die, "die-once": _die_once, "balloon": _balloon}


class Misbehaving(Workload):
    """Does what its preset says at the first step."""

    title = "Misbehaviour"
    item = "item"
    presets: ClassVar[Mapping[str, Preset]] = {name: Preset(title=name, source="this file", config={}) for name in ACTIONS}

    def stages(self, case: Case) -> tuple[Stage, ...]:
        return (Stage(name="act", items=1),)

    def build(self, case: Case, setup: Setup) -> Program:
        def act(repeat: int) -> None:
            ACTIONS[case.preset](repeat)
            time.sleep(0.01)

        return Program(begin=lambda step: None, stages={"act": act}, modules=())


workload = Misbehaving()

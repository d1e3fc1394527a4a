"""Nothing, on purpose: a process that holds the device and rests, while the sensors read what that costs.

Its power and utilisation are those of a machine that is ready and waits for a request. That is more than the machine's
power before the run (metric ``power_idle``): an accelerator with an open context keeps its clocks and memory up.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import bypasses_engine, check_values, first_reason, ignores_precision
from aigc_bench.workloads.base import Preset, Program, Setup, Workload

_PRESETS = {
    "ready": Preset(
        title=message("A context held open, nothing computed"),
        source=message("the idle state between two requests, not the machine switched on and unused"),
        config={"rest_s": 0.05},
    ),
}


class ProbeIdle(Workload):
    """Throughput counts rests of 50 ms: 20 per second on a machine whose timers are on time."""

    title: ClassVar[str] = message("Probe: idle")
    item: ClassVar[str] = "rest"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``rest``, ``batch_size`` times."""
        return (Stage(name="rest", repeats=case.batch_size, items=1),)

    def unsupported(self, case: Case) -> str | None:
        """Nothing is prepared and nothing computed."""
        return super().unsupported(case) or first_reason(case, (bypasses_engine, ignores_precision))

    def build(self, case: Case, setup: Setup) -> Program:
        """A tensor on the device opens its context; the rest waits for an event that never comes."""
        self.validate(case)
        held = setup.normal(1024)
        never = threading.Event()
        rest_s: float = self.preset(case).config["rest_s"]

        def rest(repeat: int) -> None:
            if held.device.type != "meta":
                never.wait(rest_s)

        return Program(begin=lambda step: None, stages={"rest": rest}, modules=(), check=lambda: check_values(held))


workload = ProbeIdle()

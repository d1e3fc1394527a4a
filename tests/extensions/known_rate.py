"""A third party's workload whose rate is known: it sleeps. 50 items per 100 ms step are 500 items/s.

It sleeps to moments of an absolute schedule, so that a busy machine delays a step but not the rate.
"""

import time
from collections.abc import Mapping
from typing import ClassVar

from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads.base import Preset, Program, Settings, Setup, Workload


class Sleeping(Settings):
    """How long a step sleeps (for each sample of the batch, or whatever the batch), and how many items it finishes."""

    step_s: float = 0.1
    items: int = 50
    repeats: int = 2
    is_per_item: bool = False


class KnownRate(Workload):
    """Sleeps ``step_s`` per step, in ``repeats`` equal parts."""

    title = "A known rate"
    item = "item"
    settings = Sleeping
    presets: ClassVar[Mapping[str, Preset]] = {"sleep": Preset(title="sleeps", source="this file", config={})}

    def stages(self, case: Case) -> tuple[Stage, ...]:
        options = self.options(case)
        return (
            Stage(name="nap", repeats=options.repeats),
            Stage(name="finish", items=options.items),
        )

    def build(self, case: Case, setup: Setup) -> Program:
        options = self.options(case)
        due = [0.0]
        step_s = options.step_s * (case.batch_size if options.is_per_item else 1)

        def begin(step: int) -> None:
            now = time.perf_counter()
            due[0] = now if now - due[0] > 0.1 * step_s else due[0]  # a pause before the window is not caught up within it

        def nap(repeat: int) -> None:
            sleep_until(due[0] + step_s * (repeat + 1) / options.repeats)

        def finish(repeat: int) -> None:
            due[0] += step_s

        return Program(begin=begin, stages={"nap": nap, "finish": finish}, modules=())


def sleep_until(moment: float) -> None:
    """Sleep to a moment of ``time.perf_counter``; the last half millisecond is waited for busily, so that it is exact."""
    time.sleep(max(0.0, moment - time.perf_counter() - 5e-4))
    while time.perf_counter() < moment:
        pass


workload = KnownRate()

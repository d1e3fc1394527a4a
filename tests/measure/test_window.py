"""The timed loop, on a device that is simulated: kernels take time after they were launched, as on an accelerator."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from aigc_bench.accelerators.base import Absence, Backend
from aigc_bench.accelerators.cpu import CpuBackend
from aigc_bench.core.records import Case, Stage, Warmup
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.stopping import LEVELS
from aigc_bench.measure.window import MAX_STEPS_AHEAD, measure, plan_window, warm_up
from aigc_bench.workloads.base import Program

RULE = replace(LEVELS["quick"], warmup_min_s=0.02, warmup_cap_s=0.2, window_min_s=0.1, window_cap_s=0.4)


@dataclass
class DelayedDevice(Backend):
    """A stream in which every launched kernel runs after the one before it; the host does not wait."""

    busy_until: float = 0.0
    launched: list[float] = field(default_factory=list)
    ahead: int = 0

    is_forkable = False
    title = "delayed"

    def launch(self, duration_s: float) -> None:
        now = time.perf_counter()
        self.busy_until = max(self.busy_until, now) + duration_s
        self.launched.append(self.busy_until)
        self.ahead = max(self.ahead, sum(end > now for end in self.launched[-100:]))

    def absence(self) -> Absence | None:
        return None

    def num_devices(self) -> int:
        return 1

    def unsupported(self, case: Case) -> str | None:
        return None

    def select(self, case: Case, index: int = 0) -> Any:
        return None

    def device_ids(self, case: Case) -> tuple[str, ...]:
        return ("delayed",)

    def synchronize(self) -> None:
        time.sleep(max(0.0, self.busy_until - time.perf_counter()))

    def event(self) -> float:
        return max(self.busy_until, time.perf_counter())

    def wait(self, event: float) -> None:
        time.sleep(max(0.0, event - time.perf_counter()))

    def is_reached(self, event: float) -> bool:
        return event <= time.perf_counter()

    def elapsed_s(self, start: float, end: float) -> float:
        return end - start

    def reset_peak_memory(self) -> None: ...

    def peak_memory(self) -> tuple[int | None, int | None]:
        return None, None

    def is_out_of_memory(self, error: BaseException) -> bool:
        return False


def kernels(device: DelayedDevice, *, duration_s: float) -> Program:
    return Program(begin=lambda step: None, stages={"kernel": lambda repeat: device.launch(duration_s)}, modules=())


WARM = Warmup(num_steps=0, duration_s=0.0, converged=True, step_duration_s=(0.01,))
STAGES = (Stage(name="kernel", repeats=2, items=5),)


@pytest.mark.parametrize("scenario", ["offline", "single_stream"])
def test_work_that_is_only_launched_is_waited_for(scenario: Any) -> None:
    device = DelayedDevice()
    measured = measure(
        kernels(device, duration_s=0.005), STAGES, device, plan=plan_window(WARM, rule=RULE, scenario=scenario), clock=Clock.start()
    )
    per_step = measured.window.wall_s / measured.window.num_steps
    assert per_step >= 0.0099
    assert min(measured.steps.duration_s) >= 0.0099


def test_the_host_runs_ahead_of_the_device_but_not_without_bound() -> None:
    device = DelayedDevice()
    measure(
        kernels(device, duration_s=0.004),
        STAGES,
        device,
        plan=plan_window(WARM, rule=RULE, scenario="offline"),
        clock=Clock.start(),
    )
    assert 2 * MAX_STEPS_AHEAD <= device.ahead <= 2 * (MAX_STEPS_AHEAD + 2)


def test_a_device_that_waits_for_the_host_within_a_step_is_seen() -> None:
    device = DelayedDevice()
    slow_host = Program(
        begin=lambda step: None,
        stages={"kernel": lambda repeat: (time.sleep(0.003), device.launch(0.001))},  # type: ignore[dict-item]
        modules=(),
    )
    stages = (Stage(name="kernel", repeats=6, items=1),)
    plan = plan_window(WARM, rule=RULE, scenario="offline")
    starved = measure(slow_host, stages, device, plan=plan, clock=Clock.start()).window.starved_fraction
    busy = DelayedDevice()
    fed = measure(kernels(busy, duration_s=0.004), stages, busy, plan=plan, clock=Clock.start()).window.starved_fraction
    assert starved is not None and fed is not None
    assert fed < starved / 2 and starved > 0.9


def test_a_single_stream_step_starts_when_the_one_before_is_done() -> None:
    device = DelayedDevice()
    measure(
        kernels(device, duration_s=0.004),
        STAGES,
        device,
        plan=plan_window(WARM, rule=RULE, scenario="single_stream"),
        clock=Clock.start(),
    )
    assert device.ahead <= 2


def test_long_steps_are_waited_for_one_by_one_so_that_a_cap_is_kept() -> None:
    device = DelayedDevice()
    long = WARM.model_copy(update={"step_duration_s": (0.3,)})
    measured = measure(
        kernels(device, duration_s=0.15), STAGES, device, plan=plan_window(long, rule=RULE, scenario="offline"), clock=Clock.start()
    )
    assert measured.window.num_steps == 3
    assert device.ahead <= 2


def test_every_repeat_of_every_stage_has_one_sample_and_they_tile_the_step() -> None:
    calls: list[tuple[str, int]] = []
    stages = (Stage(name="prefill"), Stage(name="decode", repeats=3, items=1))
    program = Program(
        begin=lambda step: calls.append(("begin", step)),
        stages={
            name: lambda repeat, name=name: (calls.append((name, repeat)), time.sleep(0.004)) for name in ("prefill", "decode")
        },  # type: ignore[dict-item,misc]
        modules=(),
    )
    measured = measure(
        program,
        stages,
        CpuBackend(),
        plan=plan_window(WARM.model_copy(update={"num_steps": 7}), rule=RULE, scenario="offline"),
        clock=Clock.start(),
    )
    assert calls[:6] == [("begin", 7), ("prefill", 0), ("decode", 0), ("decode", 1), ("decode", 2), ("begin", 8)]
    num = measured.window.num_steps
    samples = measured.samples
    assert samples.step == tuple(step for step in range(num) for _ in range(4))
    assert samples.stage == (0, 1, 1, 1) * num
    assert samples.repeat == (0, 0, 1, 2) * num
    for step in range(num):
        own = slice(4 * step, 4 * step + 4)
        assert sum(samples.duration_s[own]) == pytest.approx(measured.steps.duration_s[step], abs=1e-9)


def test_the_window_lies_where_the_clock_says() -> None:
    clock = Clock.start()
    before = clock.now_s()
    program = Program(begin=lambda step: None, stages={"kernel": lambda repeat: time.sleep(0.01)}, modules=())
    measured = measure(program, STAGES, CpuBackend(), plan=plan_window(WARM, rule=RULE, scenario="offline"), clock=clock)
    window = measured.window
    assert before <= window.start_s < window.end_s <= clock.now_s()
    assert window.end_s - window.start_s == pytest.approx(window.wall_s, abs=1e-6)
    assert sum(measured.steps.duration_s) <= window.wall_s


def test_warm_up_runs_whole_steps_at_the_measured_shape() -> None:
    seen: list[int] = []
    program = Program(begin=seen.append, stages={"kernel": lambda repeat: time.sleep(0.005)}, modules=())
    warmup = warm_up(program, STAGES, CpuBackend(), rule=replace(RULE, warmup_cap_s=60.0))
    assert seen == list(range(warmup.num_steps))
    assert len(warmup.step_duration_s) == warmup.num_steps >= RULE.warmup_min_steps
    assert warmup.duration_s >= sum(warmup.step_duration_s) - 1e-6

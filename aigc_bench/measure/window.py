"""The only place that reads the clock around a workload: warm-up, then one window synchronised at both ends.

Two clocks. The host's runs from the synchronise before the window to the one after it: throughput divides by it. The device's
marks every stage repeat with events that cost no synchronisation; what it does not cover of the wall time is the launch gap.
The host may run ahead of an accelerator by ``MAX_STEPS_AHEAD`` steps, so that the queue is never empty and never unbounded.
"""

from __future__ import annotations

import gc
import math
import resource
import statistics
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aigc_bench.accelerators.base import Backend
from aigc_bench.core.records import HostUse, Samples, Scenario, Stage, Steps, Warmup, Window
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.ranks import ALONE, Ranks
from aigc_bench.measure.stopping import StoppingRule, StopReason, has_settled, should_stop, warmed_up
from aigc_bench.measure.threads import run_queue_wait_s
from aigc_bench.workloads.base import Program

MAX_STEPS_AHEAD = 4
LONG_STEP_S = 0.1
"""Steps longer than this are waited for one by one: the gap that leaves is below a thousandth, and the stop rule sees each."""


@dataclass(frozen=True, kw_only=True)
class MeasuredWindow:
    """The result of a window."""

    window: Window
    steps: Steps
    samples: Samples
    host: HostUse


def run_step(program: Program, stages: Sequence[Stage], backend: Backend, *, step: int) -> list[Any]:
    """Run one step and return its markers: one after ``begin``, then one after every stage repeat."""
    return _launch(program, stages, backend, step=step)[0]


def _launch(program: Program, stages: Sequence[Stage], backend: Backend, *, step: int) -> tuple[list[Any], list[bool]]:
    """The markers of one step, and for each repeat but the first whether the device stood at its start when it was launched.

    That marker is queried after the repeat has been queued: if the device has passed it by then, the host was not ahead.
    """
    program.begin(step)
    event, is_reached = backend.event, backend.is_reached
    marks = [event()]
    starved: list[bool] = []
    for stage in stages:
        run = program.stages[stage.name]
        for repeat in range(stage.repeats):
            run(repeat)
            marks.append(event())
            # The first repeat waits for `begin`, which is the host's own work.
            if len(marks) > 2 and (reached := is_reached(marks[-2])) is not None:
                starved.append(reached)
    return marks, starved


def warm_up(program: Program, stages: Sequence[Stage], backend: Backend, *, rule: StoppingRule, ranks: Ranks = ALONE) -> Warmup:
    """Run whole steps at the measured shape until the step time is steady or the cap is reached."""
    durations: list[float] = []
    start_ns = time.perf_counter_ns()
    while True:
        before_ns = time.perf_counter_ns()
        run_step(program, stages, backend, step=len(durations))
        backend.synchronize()
        now_ns = time.perf_counter_ns()
        durations.append((now_ns - before_ns) / 1e9)
        elapsed_s = (now_ns - start_ns) / 1e9
        # Rank 0 decides: a rank that went on alone would wait for gradients for ever.
        if ranks.agree(warmed_up(durations, elapsed_s=elapsed_s, rule=rule)):
            converged = has_settled(durations, rule=rule)
            return Warmup(num_steps=len(durations), duration_s=elapsed_s, converged=converged, step_duration_s=tuple(durations))


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """How a window is run: when it stops, how far the host may run ahead, and the index of its first step."""

    rule: StoppingRule
    steps_ahead: int
    first_step: int


def plan_window(warmup: Warmup, *, rule: StoppingRule, scenario: Scenario, ranks: Ranks = ALONE) -> WindowPlan:
    """Plan from what the warm-up showed.

    In ``single_stream`` a step starts when the one before it is done, as one waiting client would start it; long steps are
    waited for as well. Several ranks cannot each stop when they please: they agree on a number of steps that fills half the cap.
    """
    step_s = statistics.median(warmup.step_duration_s)
    ahead = 0 if scenario == "single_stream" or step_s > LONG_STEP_S else MAX_STEPS_AHEAD
    if ranks.size > 1:
        target_s = max(rule.window_min_s, rule.window_cap_s / 2)
        # Half the cap leaves room for steps that become slower.
        num_steps = ranks.agree(max(rule.window_min_steps, math.ceil(target_s / step_s)))
        ahead = ranks.agree(ahead)
        rule = replace(rule, window_min_steps=num_steps, window_cap_steps=num_steps, window_cap_s=math.inf)
    return WindowPlan(rule=rule, steps_ahead=ahead, first_step=warmup.num_steps)


def measure(program: Program, stages: Sequence[Stage], backend: Backend, *, plan: WindowPlan, clock: Clock) -> MeasuredWindow:
    """Measure one window."""
    gc.collect()
    # A collection takes milliseconds, at a moment that differs from trial to trial.
    gc.disable()
    try:
        backend.synchronize()
        # Before the clock is read: this walks the threads, the window does not.
        waited_s = run_queue_wait_s()
        before = resource.getrusage(resource.RUSAGE_SELF)
        start_ns = time.perf_counter_ns()
        marks, starved, reason = _run_window(program, stages, backend, plan=plan, start_ns=start_ns)
        backend.synchronize()
        end_ns = time.perf_counter_ns()
        after = resource.getrusage(resource.RUSAGE_SELF)
        waited_until_s = run_queue_wait_s()
    finally:
        gc.enable()
    window = Window(
        start_s=clock.at(start_ns),
        end_s=clock.at(end_ns),
        wall_s=(end_ns - start_ns) / 1e9,
        num_steps=len(marks) - 1,
        starved_fraction=sum(starved) / len(starved) if starved else None,
        stop_reason=reason,
    )
    return MeasuredWindow(
        window=window,
        steps=_steps(marks, backend),
        samples=_samples(marks, stages, backend),
        host=_host_use(before, after, waited_s=(waited_s, waited_until_s)),
    )


def _run_window(
    program: Program, stages: Sequence[Stage], backend: Backend, *, plan: WindowPlan, start_ns: int
) -> tuple[list[list[Any]], list[bool], StopReason]:
    """The marks of every step, preceded by the mark of the window's start; where the device waited; why the window ended."""
    origin = backend.event()
    marks: list[list[Any]] = [[origin]]
    pending: deque[list[Any]] = deque()
    durations: list[float] = []
    starved: list[bool] = []
    while True:
        step_marks, waits = _launch(program, stages, backend, step=plan.first_step + len(marks) - 1)
        marks.append(step_marks)
        starved += waits
        pending.append(step_marks)
        # Waits for the oldest step only, so that the device always has queued work.
        while len(pending) > plan.steps_ahead:
            done = pending.popleft()
            backend.wait(done[-1])
            durations.append(backend.elapsed_s(done[0], done[-1]))
        reason = should_stop(durations, elapsed_s=(time.perf_counter_ns() - start_ns) / 1e9, rule=plan.rule)
        if reason is not None:
            return marks, starved, reason


def _host_use(
    before: resource.struct_rusage, after: resource.struct_rusage, *, waited_s: tuple[float | None, float | None]
) -> HostUse:
    first_s, last_s = waited_s
    return HostUse(
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        voluntary_switches=after.ru_nvcsw - before.ru_nvcsw,
        involuntary_switches=after.ru_nivcsw - before.ru_nivcsw,
        major_faults=after.ru_majflt - before.ru_majflt,
        minor_faults=after.ru_minflt - before.ru_minflt,
        run_queue_wait_s=None if first_s is None or last_s is None else max(0.0, last_s - first_s),
    )


def _steps(marks: Sequence[Sequence[Any]], backend: Backend) -> Steps:
    origin = marks[0][0]
    return Steps(
        start_s=tuple(backend.elapsed_s(origin, step[0]) for step in marks[1:]),
        duration_s=tuple(backend.elapsed_s(step[0], step[-1]) for step in marks[1:]),
    )


def _samples(marks: Sequence[Sequence[Any]], stages: Sequence[Stage], backend: Backend) -> Samples:
    origin = marks[0][0]
    order = [(number, repeat) for number, stage in enumerate(stages) for repeat in range(stage.repeats)]
    columns: dict[str, list[Any]] = {"step": [], "stage": [], "repeat": [], "start_s": [], "duration_s": []}
    for index, step in enumerate(marks[1:]):
        # Long spans have few digits (events give milliseconds in fp32): within the step the short one keeps repeats apart.
        begin_s = backend.elapsed_s(origin, step[0])
        for (number, repeat), before, after in zip(order, step[:-1], step[1:], strict=True):
            columns["step"].append(index)
            columns["stage"].append(number)
            columns["repeat"].append(repeat)
            columns["start_s"].append(begin_s + backend.elapsed_s(step[0], before))
            columns["duration_s"].append(backend.elapsed_s(before, after))
    return Samples(**{name: tuple(values) for name, values in columns.items()})

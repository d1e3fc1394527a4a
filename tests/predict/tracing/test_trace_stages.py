"""Repeated stages: the few repeats that are run stand for all of them, also where the work grows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from aigc_bench.core.records import Stage
from aigc_bench.predict.tracing.optrace import StageTrace
from aigc_bench.predict.tracing.recorder import Recorder
from aigc_bench.predict.tracing.stage_tracer import StageTracer
from aigc_bench.workloads.base import Program

WIDTH = 16


def growing_cache(state: dict[str, torch.Tensor]) -> Callable[[int], None]:
    """Each repeat appends a row and multiplies by all rows so far: work that depends on what earlier repeats left."""

    def run(repeat: int) -> None:
        state["rows"] = torch.cat([state["rows"], torch.empty(1, WIDTH, device="meta")])
        state["scores"] = torch.mm(state["query"], state["rows"].t())

    return run


def growing_by_index(state: dict[str, torch.Tensor]) -> Callable[[int], None]:
    """Work that depends on the repeat's index only."""

    def run(repeat: int) -> None:
        state["scores"] = torch.mm(state["query"], torch.empty(WIDTH, 3 + 2 * repeat, device="meta"))

    return run


def with_a_different_start(state: dict[str, torch.Tensor]) -> Callable[[int], None]:
    """A sampler whose first step does more."""

    def run(repeat: int) -> None:
        state["scores"] = torch.mm(state["query"], state["query"].t())
        if repeat == 0:
            state["scores"] = state["scores"] + 1

    return run


def with_a_twelfth_that_differs(state: dict[str, torch.Tensor]) -> Callable[[int], None]:
    """A sampler whose last step does more."""

    def run(repeat: int) -> None:
        state["scores"] = torch.mm(state["query"], state["query"].t())
        if repeat == 11:
            state["scores"] = state["scores"] + 1

    return run


def by_squares(state: dict[str, torch.Tensor]) -> Callable[[int], None]:
    """Neither constant nor a straight line: nothing stands for it but all of it."""

    def run(repeat: int) -> None:
        state["scores"] = torch.mm(state["query"], torch.empty(WIDTH, 1 + repeat**2, device="meta"))

    return run


MAKERS = (growing_cache, growing_by_index, with_a_different_start, by_squares)


def program_of(make: Callable[[dict[str, torch.Tensor]], Callable[[int], None]]) -> Program:
    state = {"query": torch.empty(4, WIDTH, device="meta"), "rows": torch.empty(0, WIDTH, device="meta")}

    def begin(step: int) -> None:
        state["rows"] = torch.empty(5, WIDTH, device="meta")

    return Program(begin=begin, stages={"work": make(state)}, modules=())


def traced(make: Callable[[dict[str, torch.Tensor]], Callable[[int], None]], *, repeats: int) -> StageTrace:
    recorder = Recorder()
    with recorder, torch.no_grad():
        (stage,) = StageTracer(program_of(make), stages=(Stage(name="work", repeats=repeats),), recorder=recorder).trace()
    return stage


def unrolled(make: Callable[[dict[str, torch.Tensor]], Callable[[int], None]], *, repeats: int) -> tuple[int, int]:
    """FLOPs and bytes of every repeat, each run and written down."""
    recorder, program = Recorder(), program_of(make)
    flops = moved = 0
    with recorder, torch.no_grad():
        program.begin(0)
        recorder.is_recording = True
        for repeat in range(repeats):
            program.stages["work"](repeat)
            operators = recorder.take()
            flops += sum(op.count * op.flops for op in operators)
            moved += sum(op.count * op.moved_bytes for op in operators)
    return flops, moved


@pytest.mark.parametrize("repeats", [1, 2, 3, 4, 5, 6, 12, 40])
@pytest.mark.parametrize("make", MAKERS)
def test_points_sum_to_the_unrolled_stage(make: Callable[..., Callable[[int], None]], repeats: int) -> None:
    stage = traced(make, repeats=repeats)
    assert (stage.flops, stage.total(lambda op: op.moved_bytes)) == unrolled(make, repeats=repeats)
    assert sum(point.weight for point in stage.points) == repeats


@pytest.mark.parametrize("make", MAKERS[:3])
def test_a_long_stage_is_determined_by_few_points(make: Callable[..., Callable[[int], None]]) -> None:
    assert len(traced(make, repeats=12).points) <= 3


def test_a_last_repeat_that_differs_is_a_point_of_its_own() -> None:
    stage = traced(with_a_twelfth_that_differs, repeats=12)
    assert stage.total(lambda op: op.moved_bytes) == unrolled(with_a_twelfth_that_differs, repeats=12)[1]
    assert stage.points[-1].weight == 1


def test_a_cache_that_grows_is_largest_at_the_end() -> None:
    stage = traced(growing_cache, repeats=40)
    rows = 5 + 40
    assert stage.peak_bytes >= rows * WIDTH * 4
    assert max(point.repeat for point in stage.points) == 39

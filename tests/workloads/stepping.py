"""Runs steps of a built program and counts its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aigc_bench.core.records import Case
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Program, Workload


def run_step(program: Program, workload: Workload, case: Case, *, step: int = 0) -> None:
    program.begin(step)
    for stage in workload.stages(case):
        for repeat in range(stage.repeats):
            program.stages[stage.name](repeat)


def count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def losses(program: Program, workload: Workload, case: Case, *, rounds: int) -> list[Mapping[str, Any]]:
    """What the check says of the first batch, in the first step and after each round over all batches."""
    said = []
    for step in range(rounds * NUM_INPUT_BATCHES + 1):
        run_step(program, workload, case, step=step)
        if step % NUM_INPUT_BATCHES == 0:
            said.append(dict(program.check()))
    return said

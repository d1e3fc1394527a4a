"""Runs steps of a built program, collects its losses and counts its parameters."""

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


def run_steps(program: Program, workload: Workload, case: Case, *, steps: int = 1) -> Mapping[str, Any]:
    """The program's check after whole steps."""
    for step in range(steps):
        run_step(program, workload, case, step=step)
    return program.check()


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


def repeated_losses(program: Program, workload: Workload, case: Case, *, steps: int) -> list[float]:
    """The loss of each of ``steps`` training steps on the first batch."""
    return [float(run_steps(program, workload, case)["loss"]) for _ in range(steps)]

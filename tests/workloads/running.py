"""Runs a built program for the families' own tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aigc_bench.core.records import Case
from aigc_bench.workloads.base import Program, Workload


def run_steps(workload: Workload, program: Program, case: Case, *, steps: int = 1) -> Mapping[str, Any]:
    """The program's check after whole steps."""
    for step in range(steps):
        program.begin(step)
        for stage in workload.stages(case):
            for repeat in range(stage.repeats):
                program.stages[stage.name](repeat)
    return program.check()


def losses(workload: Workload, program: Program, case: Case, *, steps: int) -> list[float]:
    """The loss of each of ``steps`` training steps on the same batch."""
    return [float(run_steps(workload, program, case)["loss"]) for _ in range(steps)]

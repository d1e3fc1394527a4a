"""The launch probe: as many operators as it counts, run through the case's engine."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from aigc_bench.core.records import Case
from aigc_bench.workloads.probe_launch import workload


class Counter(TorchDispatchMode):
    """Counts the operators that are dispatched, and how many values the largest result has."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in (torch.ops.aten.add, torch.ops.aten.mm, torch.ops.aten.linear):
            self.count += 1
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize("preset", ["add", "linear"])
def test_it_launches_as_many_tiny_operators_as_it_counts(preset, make_setup):
    case = Case(workload="probe_launch", preset=preset, mode="infer")
    program = workload.build(case, make_setup(case, device="meta"))
    with Counter() as counter:
        program.begin(0)
        program.stages["launch"](0)
    assert counter.count == workload.stages(case)[0].items
    assert counter.largest <= 16


@pytest.mark.parametrize("preset", ["add", "linear"])
def test_the_engine_prepares_the_chain(preset, make_setup):
    case = Case(workload="probe_launch", preset=preset, mode="infer")
    prepared = []
    setup = replace(make_setup(case), prepare=lambda module: prepared.append(module) or module)
    program = workload.build(case, setup)
    assert prepared == list(program.modules)
    assert workload.unsupported(Case(workload="probe_launch", preset=preset, mode="infer", engine="torch-compile")) is None


def test_the_longest_chain_neither_dies_out_nor_overflows(make_setup):
    case = Case(workload="probe_launch", preset="linear", mode="infer")
    program = workload.build(case, make_setup(case))
    program.stages["launch"](0)
    assert 1e-12 < program.check()["mean_square"] < 1e12

"""The probes of operators and layers: each stage runs the operator it names, as often as it counts, and the tracer sees it."""

from __future__ import annotations

import pytest

from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.trace import trace
from aigc_bench.workloads.probe_layers import workload as layers
from aigc_bench.workloads.probe_operators import workload as operators

KINDS = {
    "elementwise": {"elementwise"},
    "rows": {"norm", "reduction", "copy", "gather"},
    "convolution": {"conv"},
    "attention": {"attention"},
    "products": {"gemm"},
}


@pytest.mark.parametrize("preset", list(operators.presets))
def test_every_stage_is_one_operator_of_its_class_called_as_often_as_it_counts(preset: str) -> None:
    case = Case(workload="probe_operators", preset=preset, mode="infer")
    for stage in trace(case).stages:
        ((operator,),) = (point.operators for point in stage.points)
        assert operator.count == stage.items
        assert operator.kind in KINDS[preset]


@pytest.mark.parametrize("preset", list(layers.presets))
def test_every_block_runs_forward_and_backward_and_the_last_stage_updates_them_all(preset: str) -> None:
    case = Case(workload="probe_layers", preset=preset, mode="train")
    traced = trace(case)
    *blocks, update = traced.stages
    for stage in blocks:
        assert {operator.phase for point in stage.points for operator in point.operators} == {"forward", "backward"}
    ((adam,),) = (point.operators for point in update.points)
    assert adam.inputs[0][1] == traced.num_params


def test_weights_go_round_so_that_none_is_met_in_a_cache(make_setup) -> None:
    case = Case(workload="probe_operators", preset="products", mode="infer")
    assert trace(case).inputs_bytes > 5 * 48 * 2**20 * 0.9
    assert operators.unsupported(case.model_copy(update={"engine": "torch-compile"})) is not None

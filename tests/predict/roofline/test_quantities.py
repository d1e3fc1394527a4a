"""Stages as sums of terms: what a CPU pays besides its operators, and how operators are distinguished."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Case
from aigc_bench.predict.fitting.posterior import Quantity
from aigc_bench.predict.fitting.random_effects import operator_groups
from aigc_bench.predict.roofline.quantities import FAULT_S_PER_BYTE, WAKE_S, stage_quantity
from aigc_bench.predict.tracing.optrace import Operator, Point, StageTrace

H100 = load_catalogue(with_user_files=False).accelerator("h100_sxm_80gb")
MODEL = Case(workload="vae", preset="conv-64", mode="infer")


def operator(**changes: object) -> Operator:
    plain = {
        "name": "add", "kind": "elementwise", "phase": "forward", "dtype": "fp32", "inputs": ((8, 8),), "outputs": ((8, 8),),
        "flops": 0, "params_read_bytes": 0, "cache_read_bytes": 0, "other_read_bytes": 256, "written_bytes": 256,
    }  # fmt: skip
    return Operator.model_validate({**plain, **changes})


def quantity(*operators: Operator, case: Case = MODEL) -> Quantity:
    stage = StageTrace(name="forward", repeats=1, items=1, points=(Point(repeat=0, weight=1.0, peak_bytes=0, operators=operators),))
    return stage_quantity(stage, H100, case=case, machine="m")


def seconds(found: Quantity, level: str) -> float:
    terms = [term for part in found.parts for alternative in part for term in alternative]
    return sum(term.amount for term in terms if any(group.startswith(f"{level}=") for group in term.groups))


def test_a_result_that_malloc_maps_anew_is_faulted_in_and_a_smaller_one_is_not() -> None:
    large, small = (seconds(quantity(operator(outputs=((rows, 1024, 1024),))), "machine_pages") for rows in (8, 7))
    assert large == pytest.approx(32 * 2**20 * FAULT_S_PER_BYTE)
    assert small == 0


def test_a_team_is_woken_for_what_is_shared_and_never_where_there_is_one_thread() -> None:
    product = operator(kind="gemm", name="addmm", flops=1024, inputs=((8,), (8, 8), (8, 8)))
    tiny, wide = operator(), operator(outputs=((64, 1024),))
    assert seconds(quantity(product), "machine_team") == seconds(quantity(wide), "machine_team") > 0
    assert seconds(quantity(tiny), "machine_team") == 0
    assert seconds(quantity(product, case=MODEL.model_copy(update={"threads": 1})), "machine_team") == 0


def test_an_engine_that_keeps_layouts_wakes_the_team_once_for_a_convolution_and_torch_four_times() -> None:
    own = operator(
        kind="conv", name="convolution", flops=1024, inputs=((2, 32, 16, 16), (32, 32, 3, 3)), outputs=((2, 32, 16, 16),)
    )
    torch, runtime = (
        seconds(quantity(own, case=MODEL.model_copy(update={"engine": engine})), "machine_team")
        for engine in ("torch-eager", "onnxruntime")
    )
    assert torch == pytest.approx(4 * runtime) and runtime == WAKE_S


def test_a_models_own_code_costs_time_and_a_probe_has_none() -> None:
    probe = Case(workload="probe_launch", preset="add", mode="infer")
    assert seconds(quantity(operator()), "python") > 0
    assert seconds(quantity(operator(), case=probe), "python") == 0
    assert not any(group.startswith("family") for group in quantity(operator(), case=probe).groups)


def test_on_an_accelerator_host_and_device_are_alternatives_and_nothing_of_a_cpu_counts() -> None:
    found = quantity(operator(outputs=((16, 1024, 1024),)), case=MODEL.model_copy(update={"backend": "cuda", "precision": "bf16"}))
    assert [len(part) for part in found.parts] == [2]
    assert seconds(found, "machine_pages") == seconds(found, "machine_team") == 0


def test_a_fused_optimizer_costs_a_cpu_one_call_for_each_tensor() -> None:
    def cost(num_tensors: int) -> float:
        own = operator(kind="optimizer", name="_fused_adamw_", phase="optimizer", inputs=((num_tensors, 10**6),))
        return seconds(quantity(own), "dispatch")

    assert cost(300) == pytest.approx(300 * cost(1))


@pytest.mark.parametrize(
    ("name", "inputs", "is_transposed"),
    [
        ("convolution", ((4, 64, 8, 8), (128, 64, 4, 4)), False),
        ("convolution", ((4, 64, 8, 8), (64, 128, 4, 4)), True),
        ("convolution", ((4, 64, 8, 8), (64, 64, 4, 4)), False),
        ("convolution_backward", ((4, 64, 16, 16), (4, 64, 8, 8), (64, 64, 4, 4)), True),
        ("convolution_backward", ((4, 128, 4, 4), (4, 64, 8, 8), (128, 64, 4, 4)), False),
        ("convolution_backward", ((4, 128, 16, 16), (4, 64, 8, 8), (64, 128, 4, 4)), True),
    ],
)
def test_a_transposed_convolution_is_known_by_its_weight(
    name: str, inputs: tuple[tuple[int, ...], ...], is_transposed: bool
) -> None:
    groups = operator_groups(operator(kind="conv", name=name, inputs=inputs, flops=10**6), machine="m", backend="cpu")
    assert (f"kind_name=cpu|conv|{name}_transposed" in groups) == is_transposed

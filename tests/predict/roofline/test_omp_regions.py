"""Parallel regions of torch's operators: what was counted, and what must hold of any count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.predict.roofline.omp_regions import GRAIN_SIZE, num_teams
from aigc_bench.predict.tracing.optrace import Operator, Shape

SIDES = st.integers(min_value=2, max_value=512)


def operator(name: str, kind: str, *inputs: Shape, outputs: tuple[Shape, ...] = ()) -> Operator:
    return Operator.model_validate(
        {
            "name": name, "kind": kind, "phase": "backward" if "backward" in name else "forward", "dtype": "fp32",
            "inputs": inputs, "outputs": outputs, "flops": 0, "params_read_bytes": 0, "cache_read_bytes": 0,
            "other_read_bytes": 4, "written_bytes": 4,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("own", "counted"),
    [
        (operator("addmm", "gemm", (128,), (64, 128), (128, 128), outputs=((64, 128),)), 1),
        (operator("addmm", "gemm", (512,), (128, 256), (256, 512), outputs=((128, 512),)), 2),
        (operator("mm", "gemm", (2, 64), (64, 64), outputs=((2, 64),)), 2),
        (operator("mm", "gemm", (1, 512), (512, 512), outputs=((1, 512),)), 0),
        (operator("mm", "gemm", (64, 1), (1, 64), outputs=((64, 64),)), 0),
        (operator("bmm", "gemm", (12, 32, 64), (12, 64, 32), outputs=((12, 32, 32),)), 1),
        (operator("bmm", "gemm", (2, 1, 16), (2, 16, 16), outputs=((2, 1, 16),)), 0),
        (operator("_softmax", "reduction", (12, 32), outputs=((12, 32),)), 1),
        (operator("_softmax", "reduction", (1, 32_000), outputs=((1, 32_000),)), 0),
        (operator("native_layer_norm", "norm", (1, 128), (128,), (128,), outputs=((1, 128),)), 0),
        (operator("native_layer_norm", "norm", (2, 128), (128,), (128,), outputs=((2, 128),)), 1),
        (operator("native_layer_norm_backward", "norm", (4, 64, 128), (4, 64, 128), outputs=((4, 64, 128),)), 2),
        (operator("gelu", "elementwise", (1024,), outputs=((1024,),)), 1),
        (operator("silu", "elementwise", (32_768,), outputs=((32_768,),)), 0),
        (operator("silu", "elementwise", (32_769,), outputs=((32_769,),)), 1),
        (operator("_native_batch_norm_legit", "norm", (2, 32, 8, 8), outputs=((2, 32, 8, 8),)), 3),
        (operator("convolution", "conv", (2, 32, 16, 16), (32, 32, 3, 3), outputs=((2, 32, 16, 16),)), 4),
        (operator("convolution", "conv", (1, 16, 8, 8), (16, 16, 3, 3), outputs=((1, 16, 8, 8),)), 2),
        (operator("convolution", "conv", (1, 32, 50), (32, 32, 3), outputs=((1, 32, 50),)), 2),
        (operator("convolution_backward", "conv", (1, 16, 8, 8), (1, 16, 8, 8), (16, 16, 3, 3)), 5),
        (operator("convolution_backward", "conv", (2, 128, 4, 4), (2, 128, 4, 4), (128, 128, 3, 3)), 9),
        (operator("attention", "attention", (1, 12, 1, 64), (1, 12, 64, 64), outputs=((1, 12, 1, 64),)), 1),
        (operator("_fused_adamw_", "optimizer", (20, 20_480)), 20),
    ],
    ids=lambda value: f"{value.name}{value.inputs}" if isinstance(value, Operator) else str(value),
)
def test_an_operator_wakes_the_team_as_often_as_was_counted(own: Operator, counted: int) -> None:
    assert num_teams(own) == counted


def test_a_transposed_convolution_reorders_once_more() -> None:
    own = operator("convolution", "conv", (8, 64, 16, 16), (64, 32, 3, 3), outputs=((8, 32, 32, 32),))
    assert num_teams(own, is_transposed=True) == num_teams(own) + 1


@given(rows=SIDES, columns=SIDES)
def test_a_larger_operator_never_wakes_a_team_less_often(rows: int, columns: int) -> None:
    def woken(factor: int) -> int:
        return num_teams(operator("add", "elementwise", (factor * rows, columns), outputs=((factor * rows, columns),)))

    assert woken(1) <= woken(2) <= 1
    assert woken(1) == int(rows * columns > GRAIN_SIZE)


@given(m=SIDES, k=SIDES, n=SIDES)
def test_a_product_of_matrices_is_shared_and_one_with_a_vector_never(m: int, k: int, n: int) -> None:
    assert num_teams(operator("mm", "gemm", (m, k), (k, n), outputs=((m, n),))) > 0
    assert num_teams(operator("mm", "gemm", (1, k), (k, n), outputs=((1, n),))) == 0
    assert num_teams(operator("mm", "gemm", (m, k), (k, 1), outputs=((m, 1),))) == 0

"""The roofline of traced operators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.records import Case
from aigc_bench.predict.engines import engine_costs
from aigc_bench.predict.fitting.posterior import Posterior
from aigc_bench.predict.fitting.random_effects import spreads
from aigc_bench.predict.roofline.quantities import WAKE_S, stage_quantity
from aigc_bench.predict.roofline.roofline import efficiencies, ideal_s, operator_s, peak_of
from aigc_bench.predict.tracing.optrace import Operator, Point, StageTrace
from aigc_bench.predict.tracing.trace_cache import trace_case

H100 = load_catalogue(with_user_files=False).accelerator("h100_sxm_80gb")
EAGER, COMPILED = engine_costs("torch-eager"), engine_costs("torch-compile")


def operator(*, kind: str = "gemm", flops: int = 10**9, read: int = 10**6, written: int = 10**6, count: int = 1) -> Operator:
    return Operator.model_validate(
        {
            "name": "aten.mm", "kind": kind, "phase": "forward", "dtype": "bfloat16", "inputs": ((1, 1),), "outputs": ((1, 1),),
            "flops": flops, "params_read_bytes": 0, "cache_read_bytes": 0, "other_read_bytes": read, "written_bytes": written,
            "count": count,
        }
    )  # fmt: skip


def stage(*operators: Operator, weight: float = 1.0) -> StageTrace:
    point = Point(repeat=0, weight=weight, peak_bytes=0, operators=operators)
    return StageTrace(name="forward", repeats=1, items=1, points=(point,))


def stage_s(own: StageTrace, spec: AcceleratorSpec, *, backend: str = "cuda") -> float:
    """Before any own run."""
    case = Case(workload="vae", preset="conv-64", mode="infer", precision="bf16", backend=backend)
    return Posterior(spreads=spreads()).estimate(stage_quantity(own, spec, case=case, machine=spec.id)).value


def test_a_large_gemm_takes_its_flops_over_the_share_of_the_peak() -> None:
    share = efficiencies()["datasheet", "gemm"].compute
    expected = 10**15 / (share * 989.4e12) + EAGER.launch_s
    assert operator_s(operator(flops=10**15), H100, costs=EAGER, precision="bf16") == pytest.approx(expected)


def test_an_elementwise_operator_takes_its_bytes_over_the_share_of_the_bandwidth() -> None:
    share = efficiencies()["datasheet", "elementwise"].memory
    found = operator_s(operator(kind="elementwise", flops=0, read=10**10, written=0), H100, costs=EAGER, precision="bf16")
    assert found == pytest.approx(10**10 / (share * H100.memory_bandwidth_bytes_per_s) + EAGER.launch_s)


@given(
    flops=st.integers(0, 10**15),
    size=st.integers(1, 10**11),
    kind=st.sampled_from(["gemm", "attention", "conv", "elementwise", "norm"]),
)
def test_no_operator_beats_the_roofline(flops: int, size: int, kind: str) -> None:
    own = operator(kind=kind, flops=flops, read=size)
    took = operator_s(own, H100, costs=EAGER, precision="bf16")
    assert took >= max(flops / 989.4e12, size / H100.memory_bandwidth_bytes_per_s)


@given(more=st.floats(1, 10), flops=st.integers(1, 10**14), size=st.integers(1, 10**10))
def test_more_bandwidth_or_flops_never_takes_longer(more: float, flops: int, size: int) -> None:
    better = H100.model_copy(
        update={
            "peak_flops": {dtype: peak * more for dtype, peak in H100.peak_flops.items()},
            "memory_bandwidth_bytes_per_s": H100.memory_bandwidth_bytes_per_s * more,
        }
    )
    own = stage(operator(flops=flops, read=size))
    assert stage_s(own, better) <= stage_s(own, H100)


def test_many_small_operators_wait_for_the_host() -> None:
    own = stage(operator(flops=1000, read=100, written=100, count=1000))
    assert stage_s(own, H100) == pytest.approx(1000 * (EAGER.dispatch_s + EAGER.python_s))


def test_where_host_and_device_are_one_their_times_add() -> None:
    costs = engine_costs("torch-eager", backend="cpu")
    product = operator(count=10).model_copy(update={"name": "addmm", "inputs": ((8,), (8, 8), (8, 8)), "outputs": ((8, 8),)})
    own = stage(product)
    device = operator_s(operator(), H100, costs=costs, precision="bf16") - costs.launch_s
    each = device + costs.dispatch_s + costs.python_s + WAKE_S
    assert stage_s(own, H100, backend="cpu") == pytest.approx(10 * each, rel=1e-6)


def test_a_compiler_moves_fewer_bytes_of_what_it_can_fuse_and_all_of_a_product() -> None:
    for kind, is_fused in (("elementwise", True), ("gemm", False)):
        own = operator(kind=kind, flops=0, read=10**10)
        eager, compiled = (operator_s(own, H100, costs=costs, precision="bf16") for costs in (EAGER, COMPILED))
        assert (compiled < 0.5 * eager) == is_fused


def test_the_weights_of_the_points_are_their_repeats() -> None:
    one, many = (stage_s(stage(operator(), weight=weight), H100) for weight in (1.0, 30.0))
    assert many == pytest.approx(30 * one)


def test_the_ideal_is_the_arithmetic_alone() -> None:
    assert ideal_s(stage(operator(flops=10**15)), H100, precision="bf16") == pytest.approx(10**15 / 989.4e12)


def test_single_precision_uses_tensor_cores_only_on_request() -> None:
    assert peak_of("float32", H100, precision="tf32") == pytest.approx(494.7e12)
    assert peak_of("float32", H100, precision="fp32") == pytest.approx(66.9e12)


@pytest.mark.parametrize(("traced", "spelt"), [("bf16", "bfloat16"), ("fp16", "float16"), ("fp32", "float32"), ("fp64", "float64")])
def test_a_dtype_runs_at_its_peak_whether_the_tracer_or_torch_names_it(traced: str, spelt: str) -> None:
    assert peak_of(traced, H100, precision="bf16") == peak_of(spelt, H100, precision="bf16")
    assert peak_of("fp32", H100, precision="tf32") == peak_of("float32", H100, precision="tf32")


def test_a_traced_half_precision_product_runs_on_tensor_cores() -> None:
    trace = trace_case(Case(workload="bert", preset="base", mode="infer", precision="bf16", backend="cuda"))
    peaks = {peak_of(op.dtype, H100, precision="bf16") for _, _, op in trace.operators() if op.kind == "gemm"}
    assert peaks == {H100.peak("bf16")}


def test_a_dtype_without_a_peak_is_refused_in_one_line() -> None:
    lacking = H100.model_copy(update={"peak_flops": {"bf16": 1e12}})
    with pytest.raises(UsageError, match="no dense peak of fp32"):
        peak_of("float32", lacking, precision="fp32")


def test_an_unknown_engine_is_reported_with_those_that_are() -> None:
    with pytest.raises(UnknownNameError, match="torch-eager"):
        engine_costs("torch-eagle")


def test_operators_as_the_tracer_names_them_run_at_the_peak_of_their_own_dtype() -> None:
    """Traced bf16 was once timed at the fp32 peak, sixteen times too slow on tensor cores: the two used different names."""
    for precision, peak in (("bf16", 989.4e12), ("fp16", 989.4e12), ("fp32", 66.9e12), ("tf32", 494.7e12)):
        case = Case(workload="gpt", preset="tiny", mode="infer", precision=precision, backend="cuda")
        traced = [op for _, _, op in trace_case(case).operators() if op.kind == "gemm" and op.flops]
        assert traced
        assert [peak_of(op.dtype, H100, precision=precision) for op in traced] == pytest.approx([peak] * len(traced))

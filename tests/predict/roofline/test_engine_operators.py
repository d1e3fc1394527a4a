"""What engines do to a trace: quantised weights, their bytes and arithmetic, graphs, and refusals in one line."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case, MetricRow
from aigc_bench.predict.engines import SERVED, engine_costs
from aigc_bench.predict.model import predict_case
from aigc_bench.predict.roofline.engine_operators import executed, executed_trace
from aigc_bench.predict.tracing.trace_cache import trace_case

CATALOGUE = load_catalogue(with_user_files=False)
ACCELERATED = (
    "torch-eager",
    "torch-compile",
    "torch-compile-graphs",
    "torch-int8",
    "torch-int8-dynamic",
    "torch-int4",
    "torch-fp8",
)


def case_of(workload: str = "bert", preset: str = "base", **changes: object) -> Case:
    fields = {"workload": workload, "preset": preset, "mode": "infer", "precision": "bf16", "backend": "cuda"}
    return Case.model_validate(fields | changes)


def predicted(case: Case, accelerator: str) -> Mapping[str, MetricRow]:
    return {row.metric: row for row in predict_case(case, CATALOGUE.accelerator(accelerator), catalogue=CATALOGUE)}


def value(case: Case, accelerator: str, metric: str) -> float:
    found = predicted(case, accelerator)[metric].value
    assert found is not None
    return found


def weights_read(case: Case) -> int:
    return sum(op.count * op.params_read_bytes for _, _, op in executed_trace(case).operators() if op.kind == "gemm")


def test_every_engine_that_measures_is_predicted_or_has_a_reason() -> None:
    for name in registry.names("engines"):
        backend = "cpu" if name in ("onnxruntime", "openvino") else "cuda"
        assert name not in SERVED
        costs = engine_costs(name, backend=backend)
        assert costs.status == "assumed"
        assert costs.source


@pytest.mark.parametrize(("engine", "share"), [("torch-int8", 1 / 2), ("torch-fp8", 1 / 2), ("torch-int4", 4.25 / 16)])
def test_quantised_weights_are_read_in_their_own_width(engine: str, share: float) -> None:
    plain, quantised = weights_read(case_of()), weights_read(case_of(engine=engine))
    assert quantised == pytest.approx(share * plain, rel=0.02)


@pytest.mark.parametrize("engine", ["torch-int8", "torch-int4", "torch-fp8", "torch-int8-dynamic"])
def test_a_quantised_model_holds_what_its_layers_hold(engine: str) -> None:
    before = trace_case(case_of())
    linear = engine_costs(engine).linear
    assert linear is not None
    saved = sum(
        own.count * own.out_features * own.in_features * (2 - linear.weight_bits / 8)
        for own in before.linear_layers
        if linear.takes(out_features=own.out_features, in_features=own.in_features)
    )
    after = executed(before, engine=engine)
    assert before.params_bytes - after.params_bytes == pytest.approx(saved, abs=100)
    assert before.peak_bytes - after.peak_bytes == pytest.approx(saved, abs=100)
    assert after.num_params == before.num_params


def test_a_tied_head_that_is_quantised_leaves_the_embedding_where_it_was() -> None:
    tied = [own for own in trace_case(case_of("gpt", "tiny")).linear_layers if own.num_tied]
    assert [(own.count, own.num_tied) for own in tied] == [(1, 1)]
    whole = trace_case(case_of("gpt", "tiny"))
    linear = sum(own.out_features * own.in_features * (own.count - own.num_tied) for own in whole.linear_layers)
    head = tied[0].out_features * tied[0].in_features
    assert executed(whole, engine="torch-int8").params_bytes == whole.params_bytes - linear + head


def test_only_products_of_an_engine_with_units_of_its_own_leave_bf16() -> None:
    for engine, expected in (("torch-int8-dynamic", "int8"), ("torch-fp8", "fp8"), ("torch-int8", "bf16")):
        trace = executed_trace(case_of(engine=engine))
        assert {op.dtype for _, _, op in trace.operators() if op.kind == "gemm" and op.params_read_bytes > 10**5} == {expected}
        assert "bf16" in {op.dtype for _, _, op in trace.operators() if op.kind == "attention"}


def test_few_rows_are_padded_where_the_kernel_asks_for_more() -> None:
    case = case_of("gpt", "gpt2-124m", engine="torch-int8-dynamic")
    plain, padded = (
        sum(op.count * op.flops for op in trace.stage("decode").points[0].operators if op.kind == "gemm")
        for trace in (trace_case(case), executed_trace(case))
    )
    assert plain < padded <= 32 * plain


def test_on_a_cpu_many_rows_widen_the_weights_first() -> None:
    case = case_of(preset="tiny", backend="cpu", engine="torch-int8")
    names = {op.name for _, _, op in executed_trace(case).operators()}
    assert "widen" in names
    assert "widen" not in {op.name for _, _, op in executed_trace(case.model_copy(update={"backend": "cuda"})).operators()}


def test_graphs_make_a_launch_bound_model_faster_and_leave_its_memory() -> None:
    eager, compiled, graphs = (predicted(case_of("gpt", "gpt2-124m", engine=engine), "h100_sxm_80gb") for engine in ACCELERATED[:3])
    assert graphs["tpot"].value < 0.7 * compiled["tpot"].value < 0.7 * eager["tpot"].value  # type: ignore[operator]
    assert graphs["memory_allocated_peak"].value == eager["memory_allocated_peak"].value


@pytest.mark.parametrize(
    ("changes", "accelerator", "said"),
    [
        ({"engine": "torch-int8", "mode": "train"}, "h100_sxm_80gb", "inference only"),
        ({"engine": "torch-int4", "precision": "fp16"}, "h100_sxm_80gb", "it runs bf16, not fp16"),
        ({"engine": "torch-fp8"}, "a100_sxm_80gb", "no fp8 units"),
        ({"engine": "onnxruntime"}, "h100_sxm_80gb", "not run on an accelerator"),
        ({"engine": "torch-compile-graphs", "backend": "cpu"}, "h100_sxm_80gb", "not run on a CPU"),
        ({"workload": "gpt", "preset": "tiny", "engine": "openvino", "backend": "cpu"}, "h100_sxm_80gb", "keeps a cache"),
        ({"workload": "vae", "preset": "nvae-tiny", "engine": "torch-int4"}, "h100_sxm_80gb", "no linear layer"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_in_one_line(changes: dict[str, object], accelerator: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        predicted(case_of(**changes), accelerator)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("accelerator", "case", "metric", "published"),
    [
        ("a100_sxm_80gb", case_of("gpt", "llama-2-7b", engine="torch-compile-graphs"), "throughput", 104.9),
        ("a100_sxm_80gb", case_of("gpt", "llama-3.1-8b", engine="torch-compile-graphs"), "throughput", 93.89),
        ("a100_sxm_80gb", case_of("gpt", "llama-2-7b", engine="torch-int8"), "throughput", 155.6),
        ("h100_sxm_80gb", case_of("diffusion_transformer", "flux.1-dev"), "step_time", 11.64),
        ("h100_sxm_80gb", case_of("diffusion_transformer", "flux.1-dev"), "power_mean", 682.9),
        ("a100_sxm_80gb", case_of("latent_diffusion", "sdxl", precision="fp16"), "denoising_step_time", 1 / 9.9),
        ("rtx_4090", case_of("latent_diffusion", "sd-1.5", precision="fp16"), "denoising_step_time", 0.0243),
    ],
)
def test_single_devices_come_out_as_published(accelerator: str, case: Case, metric: str, published: float) -> None:
    """gpt-fast's README, ML.ENERGY v3, diffusers' documentation. Efficiencies were chosen knowing them: a check, not a score."""
    assert value(case, accelerator, metric) == pytest.approx(published, rel=0.25)

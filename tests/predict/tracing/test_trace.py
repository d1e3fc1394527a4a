"""Traces against what really runs: FLOPs of torch's own counter, parameters of the built model, bytes by hand."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from aigc_bench.core import registry
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.records import Case
from aigc_bench.measure.trial import make_setup
from aigc_bench.nets.flop_formulas import missing_formulas
from aigc_bench.predict.tracing.optrace import Operator, OpTrace
from aigc_bench.predict.tracing.trace import trace
from aigc_bench.workloads._own import resolve
from tests.own_models import write_pipeline

SMALLEST: Mapping[str, tuple[str, dict[str, Any]]] = {
    "gpt": ("tiny", {"prompt_len": 8, "max_new_tokens": 4, "seq_len": 16}),
    "bert": ("tiny", {"seq_len": 16}),
    "transformer": ("tiny", {"src_len": 8, "tgt_len": 8, "max_new_tokens": 4}),
    "dcgan": ("tiny", {}),
    "vae": ("mlp-784-400-20", {}),
    "latent_diffusion": ("tiny", {"resolution": 64, "num_inference_steps": 3}),
    "seq2seq": ("tiny", {"src_len": 8, "tgt_len": 8, "max_new_tokens": 4}),
    "speech_recognition": ("tiny", {"max_new_tokens": 4}),
    "text_to_speech": ("tiny", {"audio_s": 0.2}),
    "music": ("tiny", {"audio_s": 0.1}),
    "speech_enhancement": ("tiny", {"audio_s": 0.1}),
    "multimodal": ("tiny", {"max_new_tokens": 4}),
}
OTHER_STRUCTURES = (
    ("text_to_speech", "tacotron2-tiny"),
    ("speech_enhancement", "demucs-tiny"),
    ("multimodal", "qwen2.5-vl-tiny"),
)
"""Presets of a family whose networks are not those of its smallest one."""


def small(workload: str, mode: Any, **fields: Any) -> Case:
    preset, settings = SMALLEST[workload]
    settings = {**settings, **fields.pop("settings", {})}
    return Case(**{"workload": workload, "preset": preset, "mode": mode, "batch_size": 2, "settings": settings, **fields})


@cache
def _traced(case: str) -> OpTrace:
    return trace(Case.model_validate_json(case))


def traced_once(case: Case) -> OpTrace:
    """The trace of a case that several tests look at."""
    return _traced(case.model_dump_json())


def built(case: Case) -> tuple[Any, Any]:
    workload = registry.load("workloads", case.workload)
    engine = registry.load("engines", "torch-eager")
    return workload, workload.build(case, make_setup(case, device=torch.device("cpu"), engine=engine))


@contextlib.contextmanager
def mode_of(case: Case) -> Iterator[None]:
    with torch.inference_mode() if case.mode == "infer" else contextlib.nullcontext():
        yield


def total(traced: OpTrace, kind: str) -> list[Operator]:
    return [operator for _, _, operator in traced.operators() if operator.kind == kind]


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize(("workload", "preset"), [*((name, preset) for name, (preset, _) in SMALLEST.items()), *OTHER_STRUCTURES])
def test_flops_and_parameters_equal_those_of_the_real_run(workload: str, preset: str, mode: str) -> None:
    case = small(workload, mode, preset=preset)
    family, program = built(case)
    traced = traced_once(case)
    with mode_of(case):
        program.begin(0)
        for stage in family.stages(case):
            counter = FlopCounterMode(display=False, custom_mapping=missing_formulas())
            with counter:
                for repeat in range(stage.repeats):
                    program.stages[stage.name](repeat)
            assert traced.stage(stage.name).flops == counter.get_total_flops(), stage.name
    parameters = {id(p): p for module in program.modules for p in module.parameters()}.values()
    assert traced.num_params == sum(p.numel() for p in parameters)
    assert traced.params_bytes == sum(p.numel() * p.element_size() for p in parameters)


@pytest.mark.parametrize("workload", ["gpt", "bert", "transformer", "latent_diffusion"])
def test_attention_is_one_operator_on_an_accelerator_forwards_and_backwards(workload: str) -> None:
    traced = trace(small(workload, "train", backend="cuda", precision="bf16"))
    names = {(operator.name, operator.phase) for operator in total(traced, "attention")}
    assert names == {("attention", "forward"), ("attention_backward", "backward")}
    assert not any(operator.name in ("_softmax", "_safe_softmax") for operator in total(traced, "reduction"))


def test_the_cpu_takes_attention_with_dropout_apart_and_the_trace_does_so_too() -> None:
    assert total(trace(small("bert", "train")), "attention") == []
    assert total(trace(small("bert", "infer")), "attention") != []


def test_eager_attention_is_traced_as_its_parts() -> None:
    traced = trace(small("gpt", "infer", attention="eager", backend="cuda"))
    assert total(traced, "attention") == []
    assert any(operator.name == "bmm" for operator in total(traced, "gemm"))


def test_a_stage_of_equal_repeats_is_one_point() -> None:
    decode = trace(small("gpt", "infer", settings={"max_new_tokens": 20})).stage("decode")
    assert [point.weight for point in decode.points] == [19.0]


def test_a_linear_layer_moves_its_matrix_input_output_and_bias() -> None:
    case = small("vae", "infer", batch_size=3)
    (encoder,) = {op for op in total(trace(case), "gemm") if op.outputs == ((3, 400),) and op.inputs[1][-1] == 784}
    assert encoder.params_read_bytes == 4 * (784 * 400 + 400)
    assert encoder.other_read_bytes == 4 * 3 * 784
    assert encoder.written_bytes == 4 * 3 * 400
    assert encoder.flops == 2 * 3 * 784 * 400


def test_an_embedding_reads_the_rows_that_are_looked_up() -> None:
    case = small("bert", "infer", batch_size=1)
    words = [op for op in total(trace(case), "gather") if op.inputs[0] == (30522, 128)]
    assert [op.params_read_bytes for op in words] == [16 * 128 * 4]


def test_decoding_reads_every_matrix_and_the_whole_cache() -> None:
    traced = trace(small("gpt", "infer", batch_size=1))
    (point,) = traced.stage("decode").points
    config = registry.load("workloads", "gpt").presets["tiny"].config
    layers, width, length = config["n_layer"], config["n_embd"], 8 + 4
    assert traced.kv_cache_bytes == 2 * layers * width * length * 4
    attention = [op for op in point.operators if op.kind == "attention"]
    assert sum(op.count * op.cache_read_bytes for op in attention) == traced.kv_cache_bytes
    read = sum(op.count * op.params_read_bytes for op in point.operators)
    embeddings = (config["vocab_size"] + config["n_positions"]) * width * 4
    assert traced.params_bytes - embeddings < read < traced.params_bytes + 2 * width * 4


def test_gradients_and_adam_cost_what_their_definition_says() -> None:
    traced = trace(small("gpt", "train"))
    assert traced.gradient_bytes == traced.params_bytes
    assert 2 * traced.params_bytes <= traced.optimizer_bytes < 2.01 * traced.params_bytes
    (adam,) = (op for _, _, op in traced.operators() if op.kind == "optimizer")
    assert adam.phase == "optimizer"
    assert adam.params_read_bytes == traced.params_bytes
    assert adam.written_bytes == pytest.approx(3 * traced.params_bytes, rel=0.001)


@pytest.mark.parametrize("workload", ["gpt", "bert", "dcgan", "transformer"])
def test_mixed_precision_computes_in_the_dtypes_that_autocast_does(workload: str) -> None:
    case = small(workload, "train", precision="bf16")
    family, program = built(case)
    counted = _RealProducts()
    program.begin(0)
    with counted:
        for stage in family.stages(case):
            for repeat in range(stage.repeats):
                program.stages[stage.name](repeat)
    traced = trace(case)
    products = [op for _, _, op in traced.operators() if op.kind in ("gemm", "conv")]
    found: dict[str, int] = {}
    for operator in products:
        found[operator.dtype] = found.get(operator.dtype, 0) + operator.count
    assert found == counted.by_dtype


class _RealProducts(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts matrix products and convolutions of a real run by the dtype of their result."""

    def __init__(self) -> None:
        super().__init__()
        self.by_dtype: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        if name in ("mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward"):
            first = next(part for part in (result if isinstance(result, tuple) else (result,)) if part is not None)
            dtype = {torch.bfloat16: "bf16", torch.float32: "fp32"}[first.dtype]
            self.by_dtype[dtype] = self.by_dtype.get(dtype, 0) + 1
        return result


def test_gradient_checkpointing_trades_memory_for_work() -> None:
    settings = {"seq_len": 256}
    plain = trace(small("gpt", "train", batch_size=8, settings=settings, precision="bf16", backend="cuda"))
    saving = trace(
        small("gpt", "train", batch_size=8, settings=settings, precision="bf16", backend="cuda", gradient_checkpointing=True)
    )
    assert saving.peak_bytes < plain.peak_bytes
    assert saving.flops > plain.flops
    assert saving.stage("forward").flops == plain.stage("forward").flops


def test_half_precision_under_a_scaler_reads_the_gradients_once_more() -> None:
    traced = trace(small("dcgan", "train", precision="fp16", backend="cuda"))
    assert any("non_finite_check" in op.name for _, _, op in traced.operators())


@pytest.mark.parametrize("workload", list(SMALLEST))
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_larger_batch_never_needs_less(workload: str, mode: str) -> None:
    two, five = (traced_once(small(workload, mode, batch_size=size)) for size in (2, 5))
    assert five.peak_bytes >= two.peak_bytes
    assert five.flops >= two.flops
    assert five.moved_bytes >= two.moved_bytes
    assert five.params_bytes == two.params_bytes


def test_seventy_billion_parameters_are_traced_without_holding_them() -> None:
    before = _resident_bytes()
    traced = trace(Case(workload="gpt", preset="llama-3.1-70b", mode="infer", precision="bf16", backend="cuda"))
    assert traced.num_params == 70_553_706_496
    assert traced.params_bytes == 2 * traced.num_params
    assert _resident_bytes() - before < 1e9


def test_a_mixture_reads_the_experts_it_is_expected_to_reach() -> None:
    case = Case(workload="gpt", preset="mixtral-8x7b", mode="infer", precision="bf16", backend="cuda", batch_size=1)
    traced = trace(case.model_copy(update={"settings": {"prompt_len": 512, "max_new_tokens": 4}}))
    read = {
        stage.name: sum(op.count * op.params_read_bytes for op in stage.points[0].operators if "grouped" in op.name)
        for stage in traced.stages
    }
    experts = 32 * 8 * 3 * 4096 * 14336 * 2
    assert read["prefill"] == pytest.approx(experts, rel=1e-6)
    assert read["decode"] == pytest.approx(experts / 4, rel=1e-6)


@pytest.mark.parametrize(("preset", "active"), [("qwen3-30b-a3b", 3.0e9), ("gpt-oss-20b", 3.6e9)])
def test_a_token_of_a_mixture_costs_two_flops_for_each_active_parameter(preset: str, active: float) -> None:
    """Published active parameters without the embedding table, which is looked up and not multiplied."""
    settings = {"prompt_len": 4, "max_new_tokens": 3}
    case = Case(workload="gpt", preset=preset, mode="infer", precision="bf16", backend="cuda", settings=settings)
    decode = trace(case).stage("decode")
    assert decode.flops / decode.repeats / 2 == pytest.approx(active, rel=0.02)


def test_adapters_alone_have_gradients_and_optimizer_state() -> None:
    whole, adapted = (trace(small("gpt", "train", settings={"lora_rank": rank})) for rank in (0, 4))
    width, layers = 256, 4
    adapters = layers * 4 * ((width + 3 * width) + (width + width))
    assert adapted.num_params == whole.num_params + adapters
    assert adapted.gradient_bytes == 4 * adapters
    assert 2 * adapted.gradient_bytes <= adapted.optimizer_bytes < 2.01 * adapted.gradient_bytes
    assert adapted.peak_bytes < whole.peak_bytes
    # The gradients of the frozen matrices themselves are a third of a step's work.
    assert 0.6 < adapted.flops / whole.flops < 0.9


def test_a_users_model_whose_sizes_do_not_fit_is_reported_as_theirs(tmp_path: Path) -> None:
    found = resolve(write_pipeline(tmp_path, "FluxPipeline", transformer={"pooled_projection_dim": 32}))
    case = Case(workload=found.workload, preset=found.preset, model=found.model, mode="infer", settings={"resolution": 64})
    with pytest.raises(UsageError, match="does not run as it is written") as caught:
        trace(case)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_preset_is_named_with_its_nearest() -> None:
    with pytest.raises(UnknownNameError, match="gpt2-124m"):
        trace(Case(workload="gpt", preset="gpt2-125m", mode="infer"))


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

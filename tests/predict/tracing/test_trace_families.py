"""Traces of the vision, video and recommendation families against what really runs, and at their published sizes."""

import pytest
from torch.utils.flop_counter import FlopCounterMode

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.nets.flop_formulas import missing_formulas
from aigc_bench.predict.tracing.trace import trace
from tests.workloads.conftest import build_setup

SMALL = {
    "vision/tiny": {"resolution": 64},
    "vision/resnet-tiny": {"resolution": 64},
    "image_enhancement/tiny": {"resolution": 32},
    "image_enhancement/inpainting-tiny": {},
    "diffusion_transformer/tiny": {"num_inference_steps": 2},
    "diffusion_transformer/flux-tiny": {"num_inference_steps": 2},
    "diffusion_transformer/dit-tiny": {"num_inference_steps": 2},
    "diffusion_transformer/pixart-tiny": {"num_inference_steps": 2},
    "video_diffusion/tiny": {"num_inference_steps": 2},
    "video_diffusion/cogvideox-tiny": {"num_inference_steps": 2},
    "video_diffusion/hunyuan-video-tiny": {"num_inference_steps": 2},
    "stylegan/tiny": {},
    "recommendation/tiny": {"max_rows": 1000},
    "vae/nvae-tiny": {},
}


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("name", list(SMALL))
def test_flops_and_parameters_equal_those_of_the_real_run(name, mode):
    family, _, preset = name.partition("/")
    case = Case(workload=family, preset=preset, mode=mode, batch_size=2, settings=SMALL[name])
    workload = registry.load("workloads", family)
    program = workload.build(case, build_setup(case))
    traced = trace(case)
    program.begin(0)
    for stage in workload.stages(case):
        with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
            for repeat in range(stage.repeats):
                program.stages[stage.name](repeat)
        assert traced.stage(stage.name).flops == counter.get_total_flops(), stage.name
    parameters = {id(p): p for module in program.modules for p in module.parameters()}.values()
    assert traced.params_bytes == sum(p.numel() * p.element_size() for p in parameters)


@pytest.mark.parametrize(
    ("name", "tflops"),
    # one image or video in full: FLOPs of a step of the transformer by its closed form times the steps and guidance branches
    [
        ("diffusion_transformer/flux.1-dev", 3720.0),
        ("diffusion_transformer/sd3.5-large", 1740.0),
        ("video_diffusion/wan2.1-1.3b", 28300.0),
    ],
)
def test_steps_of_published_sizes_are_not_unrolled(name, tflops):
    family, _, preset = name.partition("/")
    traced = trace(Case(workload=family, preset=preset, mode="infer", precision="bf16", backend="cuda"))
    denoise = traced.stage("denoise")
    assert len(denoise.points) == 1
    assert denoise.points[0].weight == denoise.repeats
    assert denoise.flops == pytest.approx(1e12 * tflops, rel=0.01)


def test_convolutions_over_frames_are_convolutions():
    traced = trace(Case(workload="video_diffusion", preset="tiny", mode="infer"))
    decode = traced.stage("vae_decode")
    shares = {
        kind: sum(op.count * op.flops for p in decode.points for op in p.operators if op.kind == kind) for kind in ("conv", "gemm")
    }
    assert shares["conv"] > 0.9 * decode.flops
    assert any(len(shape) == 5 for p in decode.points for op in p.operators if op.kind == "conv" for shape in op.inputs)


@pytest.mark.parametrize("backend", ["cuda", "cpu"])
def test_a_learned_position_bias_gets_its_gradient_on_every_kind_of_device(backend: str) -> None:
    """T5 adds a bias to its attention scores; tracing its training for an accelerator once failed for want of a gradient."""
    case = Case(workload="seq2seq", preset="tiny", mode="train", precision="bf16", backend=backend)
    traced = trace(case)
    biases = [op for _, _, op in traced.operators() if op.phase == "backward" and op.name.startswith("embedding_dense_backward")]
    assert traced.gradient_bytes == 4 * traced.num_params
    assert any(shape[-1] <= 32 for op in biases for shape in op.outputs), "the bias's table of buckets has a gradient"


def test_a_recurrent_layer_is_traced_in_mixed_precision() -> None:
    """An LSTM refuses bf16 inputs to fp32 weights unless a device autocasts, which none does while tracing."""
    case = Case(
        workload="speech_enhancement",
        preset="demucs-tiny",
        mode="train",
        precision="bf16",
        backend="cuda",
        settings={"audio_s": 0.1},
    )
    traced = trace(case)
    plain = trace(case.model_copy(update={"precision": "fp32"}))
    assert traced.flops == plain.flops
    assert {op.dtype for _, _, op in traced.operators() if op.kind == "gemm" and op.flops} == {"bf16"}


def test_a_bag_of_embeddings_reads_the_rows_looked_up_and_not_the_table() -> None:
    """A click model of 24 GB of tables once read all of them for each click."""
    case = Case(workload="recommendation", preset="dlrm-criteo-1tb", mode="infer", precision="bf16", backend="cuda", batch_size=4)
    bags = [op for _, _, op in trace(case).operators() if op.name.startswith("_embedding_bag")]
    assert bags
    for bag in bags:
        row_bytes = bag.outputs[0][1] * (4 if bag.dtype == "fp32" else 2)
        assert bag.params_read_bytes <= bag.inputs[1][0] * row_bytes
        assert bag.kind == "gather"


def test_sparse_gradients_are_scaled_by_the_rows_that_they_have() -> None:
    """Training in fp16 unscales a sparse gradient's values; asked for the whole, tracing ended with torch's error."""
    case = Case(
        workload="recommendation",
        preset="tiny",
        mode="train",
        precision="fp16",
        backend="cuda",
        batch_size=4,
        settings={"max_rows": 1000},
    )
    (checked,) = [op for _, _, op in trace(case).operators() if "non_finite_check" in op.name]
    assert len(checked.inputs) > 2

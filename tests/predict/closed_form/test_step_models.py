"""The figures of published models of steps: those that we can build are the traces'."""

from __future__ import annotations

import pytest

from aigc_bench.predict.closed_form.step_models import StepModel, step_models
from aigc_bench.predict.tracing.keys import FOLDER
from aigc_bench.predict.tracing.shipped_traces import read_traces

TRACED = [model for model in step_models() if model.preset]
# One of every workload; the others are written by the same script.
ONE_OF_EACH = {model.preset.split(".")[0]: model for model in TRACED}


@pytest.mark.parametrize("model", ONE_OF_EACH.values(), ids=list(ONE_OF_EACH))
def test_a_model_that_we_can_build_has_the_flops_of_its_trace(model: StepModel) -> None:
    name, _, wanted = model.preset.partition(":")
    trace = read_traces(FOLDER / f"{name}.json.gz")[0]
    stages = {stage.name: stage for stage in trace.stages if not wanted or stage.name in wanted.split("+")}
    repeated = [stage for stage in stages.values() if stage.repeats > 1]
    once = sum(stage.flops for stage in stages.values() if stage.repeats == 1)
    if "denoise" in stages:
        step = stages["denoise"].flops / stages["denoise"].repeats
        assert model.branches * (model.flops + model.attention_flops) == pytest.approx(step, rel=1e-3)
        assert model.once_flops == pytest.approx(once, rel=1e-3)
        return
    assert model.flops + model.attention_flops == pytest.approx(once, rel=1e-3)
    assert model.decoder_flops == pytest.approx(sum(stage.flops / stage.repeats for stage in repeated), rel=1e-3)


def test_every_model_has_work_and_a_source() -> None:
    for model in step_models():
        assert model.flops > 0 and model.product_bytes > 0 and model.kernels > 0, model.name
        assert model.source, model.name
        assert model.preset or "traced" not in model.source.split(";")[0] or "a third of" in model.source, model.name


def test_families_of_generated_media_are_built_not_typed() -> None:
    for family, least in (("diffusion-image", 9), ("video", 6), ("seq2seq-transformer", 6), ("bert", 2)):
        built = [model for model in TRACED if model.family == family]
        assert len(built) >= least, family
    assert {model.family for model in TRACED} >= {"audio-asr", "audio-tts", "audio-tts-gan", "vision-cnn"}

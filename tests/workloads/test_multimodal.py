import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads.multimodal import workload
from tests.workloads.stepping import repeated_losses, run_steps

TINY = ("tiny", "qwen2.5-vl-tiny")


def seen(mode, preset="tiny", **fields):
    return Case(workload="multimodal", preset=preset, mode=mode, **fields)


@pytest.mark.parametrize(
    ("preset", "tokens"), [("llava-1.5-7b", 576), ("qwen2.5-vl-7b", 576), ("tiny", 16), ("qwen2.5-vl-tiny", 4)]
)
def test_image_tokens_are_patches_and_qwen_merges_four(preset, tokens):
    case = seen("infer", preset, batch_size=2)
    assert workload.input_items(case) == 2 * (tokens + workload.options(case).prompt_len)


@pytest.mark.parametrize("preset", TINY)
def test_another_image_gives_other_words(preset, make_setup):
    case = seen("infer", preset, batch_size=2)
    program = workload.build(case, make_setup(case))
    program.begin(0)
    program.stages["vision_encode"](0)
    program.stages["prefill"](0)
    first = program.check()["logits_std"]
    program.begin(1)
    program.stages["prefill"](0)  # the text of the next step after the image of this one
    second = program.check()["logits_std"]
    program.begin(1)
    program.stages["vision_encode"](0)
    program.stages["prefill"](0)
    assert len({first, second, program.check()["logits_std"]}) == 3


@pytest.mark.parametrize("preset", TINY)
def test_tuning_leaves_the_tower_alone_and_learns_a_text_it_sees_again(preset, make_setup):
    case = seen("train", preset, batch_size=2)
    program = workload.build(case, make_setup(case))
    (model,) = program.modules
    frozen = {name.split(".")[1] for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen <= {"vision_tower", "visual"}
    assert any(parameter.requires_grad for name, parameter in model.named_parameters() if "projector" in name or "merger" in name)
    text = repeated_losses(program, workload, case, steps=6)
    assert text[-1] < text[0]


def test_one_new_token_is_the_prefills_own(make_setup):
    case = seen("infer", settings={"max_new_tokens": 1})
    program = workload.build(case, make_setup(case))
    assert list(program.stages) == ["vision_encode", "prefill"]
    assert run_steps(program, workload, case)["finite"]


def test_sizes_that_a_tower_does_not_take_are_refused_with_one_that_it_does():
    with pytest.raises(UsageError, match="must be 336"):
        workload.validate(seen("infer", "llava-1.5-7b", settings={"resolution": 448}))
    with pytest.raises(UsageError, match="multiple of 28") as caught:
        workload.validate(seen("infer", "qwen2-vl-7b", settings={"resolution": 500}))
    assert "504" in str(caught.value.hint)
    with pytest.raises(UsageError, match="positions"):
        workload.validate(seen("infer", "llava-1.5-7b", settings={"prompt_len": 4000}))

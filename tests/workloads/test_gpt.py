import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads._hugging_face import position_limit
from aigc_bench.workloads.gpt import workload
from tests.workloads.stepping import run_steps

LENGTHS = {"prompt_len": 8, "max_new_tokens": 5, "seq_len": 16}


def gpt(mode, preset="tiny", **fields):
    return Case(workload="gpt", preset=preset, mode=mode, **{"settings": LENGTHS, **fields})


@given(batch=st.integers(1, 64), prompt=st.integers(2, 500), new=st.integers(1, 500))
def test_a_step_finishes_as_many_tokens_as_it_generates(batch, prompt, new):
    case = gpt("infer", batch_size=batch, settings={"prompt_len": prompt, "max_new_tokens": new})
    work = workload.work(case)
    assert work.items_per_step == batch * new
    assert work.input_items == batch * prompt


def test_training_counts_the_tokens_of_the_batch_when_the_weights_have_moved():
    stages = workload.stages(gpt("train", batch_size=4))
    assert [(stage.name, stage.items) for stage in stages] == [("forward", 0), ("backward", 0), ("optimizer", 4 * 16)]


def test_one_new_token_is_the_prefills_own(make_setup):
    case = gpt("infer", settings={**LENGTHS, "max_new_tokens": 1})
    program = workload.build(case, make_setup(case))
    assert list(program.stages) == ["prefill"]
    assert run_steps(program, workload, case, steps=2)["finite"]


def test_lengths_beyond_the_models_positions_are_refused_in_one_line():
    with pytest.raises(UsageError, match=r"gpt/gpt2-124m: prompt_len \+ max_new_tokens = 1100 exceeds the model's 1024 positions"):
        workload.validate(gpt("infer", "gpt2-124m", settings={"prompt_len": 1000, "max_new_tokens": 100}))
    with pytest.raises(UsageError, match="seq_len = 1025"):
        workload.validate(gpt("train", "gpt2-124m", settings={"seq_len": 1025}))
    workload.validate(gpt("train", "gpt2-124m", settings={"seq_len": 1024, "prompt_len": 5000}))


@pytest.mark.parametrize("preset", workload.presets)
def test_a_presets_own_lengths_fit_its_model(preset):
    for mode in ("train", "infer"):
        workload.validate(gpt(mode, preset, settings={}))
    assert position_limit(workload.presets[preset].config) >= 1024


def test_training_learns_a_batch_it_sees_again(make_setup):
    case = gpt("train", batch_size=2)
    program = workload.build(case, make_setup(case))
    before = run_steps(program, workload, case, steps=1)["loss"]
    for _ in range(5):
        after = run_steps(program, workload, case, steps=1)["loss"]
    assert after < before


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_gradient_checkpointing_gives_the_same_loss_and_computes_more(make_setup, attention):
    from torch.utils.flop_counter import FlopCounterMode

    losses, flops = [], []
    for checkpointing in (False, True):
        case = gpt("train", gradient_checkpointing=checkpointing, attention=attention)
        program = workload.build(case, make_setup(case))
        program.modules[0].eval()
        for module in program.modules[0].modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        program.modules[0].train()
        with FlopCounterMode(display=False) as counter:
            losses.append(run_steps(program, workload, case, steps=2)["loss"])
        flops.append(counter.get_total_flops())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert flops[1] > flops[0] * 1.1


def test_mixed_precision_keeps_weights_in_fp32(make_setup):
    case = gpt("train", precision="bf16")
    program = workload.build(case, make_setup(case))
    assert run_steps(program, workload, case, steps=2)["finite"]
    assert {parameter.dtype for parameter in program.modules[0].parameters()} == {torch.float32}


def test_inference_holds_weights_in_the_requested_precision(make_setup):
    case = gpt("infer", precision="bf16")
    program = workload.build(case, make_setup(case))
    assert run_steps(program, workload, case, steps=2)["finite"]
    assert {parameter.dtype for parameter in program.modules[0].parameters()} == {torch.bfloat16}


def test_inference_runs_under_inference_mode(make_setup):
    case = gpt("infer", batch_size=2)
    expected = run_steps(workload.build(case, make_setup(case)), workload, case, steps=2)
    program = workload.build(case, make_setup(case))
    with torch.inference_mode():
        assert run_steps(program, workload, case, steps=2) == expected


def test_prompts_differ_between_steps_and_come_back_after_eight(make_setup):
    case = gpt("infer", batch_size=2)
    program = workload.build(case, make_setup(case))
    sums = []
    for step in range(9):
        program.begin(step)
        program.stages["prefill"](0)
        sums.append(program.check()["logits_std"])
    assert len(set(sums[:8])) == 8
    assert sums[8] == pytest.approx(sums[0], rel=1e-5)


def test_a_mixture_of_experts_is_traced_without_weights(make_setup):
    case = gpt("infer", "mixtral-8x7b", precision="bf16")
    program = workload.build(case, make_setup(case, device="meta"))
    program.begin(0)
    program.stages["prefill"](0)
    program.stages["decode"](0)


def test_a_mixture_of_experts_is_not_trained_in_another_precision_than_requested():
    assert "would train in fp32" in str(workload.unsupported(gpt("train", "mixtral-8x7b", precision="bf16")))
    assert workload.unsupported(gpt("train", "mixtral-8x7b", precision="fp32")) is None
    assert workload.unsupported(gpt("infer", "mixtral-8x7b", precision="bf16")) is None

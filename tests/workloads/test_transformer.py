import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads.transformer import workload
from tests.workloads.stepping import run_steps

LENGTHS = {"src_len": 9, "tgt_len": 7, "max_new_tokens": 5}


def transformer(mode, **fields):
    return Case(workload="transformer", preset="tiny", mode=mode, **{"settings": LENGTHS, **fields})


@given(batch=st.integers(1, 64), new=st.integers(1, 500))
def test_every_decode_finishes_a_token_of_each_sentence(batch, new):
    case = transformer("infer", batch_size=batch, settings={"max_new_tokens": new})
    assert workload.work(case).items_per_step == batch * new


def test_training_counts_target_tokens():
    work = workload.work(transformer("train", batch_size=3))
    assert work.items_per_step == 3 * 7
    assert work.input_items == 3 * 9


def test_tokens_are_the_greedy_choice_of_the_full_decoder(make_setup):
    case = transformer("infer", batch_size=3)
    program = workload.build(case, make_setup(case))
    run_steps(program, workload, case, steps=1)
    translation = program.begin.__self__
    model, source = program.modules[0], translation._sources[0]
    tokens = torch.zeros(3, 1, dtype=torch.int64)
    with torch.no_grad():
        for _ in range(5):
            tokens = torch.cat((tokens, model(source, tokens)[:, -1:].argmax(-1)), dim=1)
    assert torch.equal(translation.generated.T, tokens[:, 1:])


def test_training_learns_a_batch_it_sees_again(make_setup):
    case = transformer("train", batch_size=2)
    program = workload.build(case, make_setup(case))
    losses = [run_steps(program, workload, case, steps=1)["loss"] for _ in range(15)]
    assert losses[-1] < losses[0]


def test_inference_in_bf16_runs_under_inference_mode(make_setup):
    case = transformer("infer", precision="bf16")
    program = workload.build(case, make_setup(case))
    with torch.inference_mode():
        assert run_steps(program, workload, case, steps=2)["finite"]
    assert {parameter.dtype for parameter in program.modules[0].parameters()} == {torch.bfloat16}


def test_inference_leaves_torchs_fused_operator_switched_on(make_setup):
    before = torch.backends.mha.get_fastpath_enabled()
    case = transformer("infer")
    run_steps(workload.build(case, make_setup(case)), workload, case, steps=2)
    assert torch.backends.mha.get_fastpath_enabled() == before


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_no_stage_reads_a_value_back_to_the_host(make_setup, mode):
    case = transformer(mode)
    program = workload.build(case, make_setup(case, device="meta"))
    program.begin(0)
    for stage in workload.stages(case):
        program.stages[stage.name](0)


def test_what_it_does_not_offer_is_said(make_setup):
    assert "attention" in str(workload.unsupported(transformer("infer", attention="eager")))
    assert "checkpointing" in str(workload.unsupported(transformer("train", gradient_checkpointing=True)))
    with pytest.raises(UsageError, match="unknown setting 'seq_len'"):
        workload.validate(transformer("train", settings={"seq_len": 5}))

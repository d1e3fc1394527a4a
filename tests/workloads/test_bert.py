import pytest
import torch

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads.bert import masked_batch, workload
from tests.workloads.stepping import run_steps


def bert(mode, **fields):
    return Case(workload="bert", preset="tiny", mode=mode, **{"settings": {"seq_len": 40}, **fields})


def test_fifteen_percent_of_each_sequence_are_to_be_predicted(make_setup):
    tokens, labels = masked_batch(make_setup(bert("train")), batch_size=50, seq_len=200)
    assert tokens.shape == labels.shape == (50, 200)
    assert ((labels != -100).sum(dim=1) == 30).all()


def test_of_the_hidden_tokens_eighty_percent_are_masked_and_ten_are_kept(make_setup):
    tokens, labels = masked_batch(make_setup(bert("train")), batch_size=100, seq_len=400)
    chosen = labels != -100
    masked = (tokens[chosen] == 103).float().mean().item()
    kept = (tokens[chosen] == labels[chosen]).float().mean().item()
    assert masked == pytest.approx(0.8, abs=0.02)
    assert kept == pytest.approx(0.1, abs=0.02)


def test_a_token_that_is_not_chosen_has_no_label_and_labels_are_ids(make_setup):
    tokens, labels = masked_batch(make_setup(bert("train")), batch_size=10, seq_len=100)
    assert tokens.min() >= 0
    assert tokens.max() < 30522
    assert labels[labels != -100].min() >= 0


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_a_step_finishes_the_batchs_sequences(mode):
    assert workload.work(bert(mode, batch_size=7)).items_per_step == 7


def test_encoding_equals_the_librarys_with_an_explicit_mask(make_setup):
    case = bert("infer", batch_size=3)
    program = workload.build(case, make_setup(case))
    run_steps(program, workload, case, steps=1)
    model = program.modules[0]
    again = make_setup(case)
    torch.manual_seed(0)
    tokens = again.tokens(3, 40, vocab_size=30522)
    with torch.no_grad():
        plain = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).pooler_output
    assert program.check()["pooled_mean"] == pytest.approx(float(plain.mean()), abs=1e-6)


def test_eager_and_sdpa_attention_agree(make_setup):
    means = []
    for attention in ("eager", "sdpa"):
        case = bert("infer", batch_size=2, attention=attention)
        means.append(run_steps(workload.build(case, make_setup(case)), workload, case, steps=2)["pooled_mean"])
    assert means[0] == pytest.approx(means[1], abs=1e-6)


def test_training_learns_a_batch_it_sees_again(make_setup):
    case = bert("train", batch_size=2)
    program = workload.build(case, make_setup(case))
    losses = [run_steps(program, workload, case, steps=1)["loss"] for _ in range(12)]
    assert losses[-1] < losses[0]


def test_gradient_checkpointing_trains(make_setup):
    case = bert("train", gradient_checkpointing=True)
    assert run_steps(workload.build(case, make_setup(case)), workload, case, steps=2)["finite"]


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_no_stage_reads_a_value_back_to_the_host(make_setup, mode):
    case = bert(mode)
    program = workload.build(case, make_setup(case, device="meta"))
    program.begin(0)
    for stage in workload.stages(case):
        program.stages[stage.name](0)


def test_a_length_beyond_the_positions_is_refused():
    with pytest.raises(UsageError, match="seq_len = 513"):
        workload.validate(bert("infer", settings={"seq_len": 513}))

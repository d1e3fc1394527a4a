import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets.encoder_decoder import EncoderDecoderGeneration, random_seq2seq
from aigc_bench.workloads.seq2seq import targets_of, workload
from tests.workloads.stepping import repeated_losses

SMALL = {"vocab_size": 89, "d_model": 32, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": None}
CONFIGS = {
    "t5": {**SMALL, "model_type": "t5", "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "initializer_factor": 3.0},
    "bart": {
        **SMALL, "model_type": "bart", "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64, "init_std": 0.3,
        "bos_token_id": 0, "forced_eos_token_id": None,
    },
}  # fmt: skip
BATCH, SOURCE, NEW = 3, 11, 9


def generation_of(model, *, batch_size=BATCH):
    return EncoderDecoderGeneration(
        encoder=model.get_encoder(),
        model=model,
        heads=(4, 8),
        num_layers=2,
        prompt=torch.zeros(batch_size, 1, dtype=torch.int64),
        source_len=SOURCE,
        max_new_tokens=NEW,
        dtype=torch.float32,
    )


def generated(generation, source):
    generation.begin(input_ids=source)
    generation.encode(0)
    for repeat in range(NEW):
        generation.decode(repeat)
    return generation.generated.T.clone()


@pytest.mark.parametrize("attention", ["auto", "eager"])
@pytest.mark.parametrize("name", CONFIGS)
def test_tokens_equal_those_of_decoding_without_a_cache(name, attention):
    torch.manual_seed(2)
    model = random_seq2seq(CONFIGS[name], attention=attention).eval()
    first, second = torch.randint(3, 89, (2, BATCH, SOURCE))
    generation = generation_of(model)
    generated(generation, first)
    ours = generated(generation, second)
    tokens = torch.zeros(BATCH, 1, dtype=torch.int64)
    for _ in range(NEW):
        with torch.no_grad():
            logits = model(input_ids=second, decoder_input_ids=tokens, use_cache=False).logits
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(ours, tokens[:, 1:])
    assert ours.unique().numel() > 1, "texts are distinguished"


@given(batch=st.integers(1, 64), source=st.integers(2, 500), new=st.integers(1, 500))
def test_a_step_finishes_as_many_tokens_as_it_generates(batch, source, new):
    settings = {"src_len": source, "max_new_tokens": new}
    work = workload.work(Case(workload="seq2seq", preset="tiny", mode="infer", batch_size=batch, settings=settings))
    assert work.items_per_step == batch * new
    assert work.input_items == batch * source


def test_training_learns_to_copy_a_batch_it_sees_again(make_setup):
    case = Case(workload="seq2seq", preset="tiny", mode="train", batch_size=2)
    seen = repeated_losses(workload.build(case, make_setup(case)), workload, case, steps=8)
    assert seen[-1] < seen[0]


@pytest.mark.parametrize("length", [3, 5, 12])
def test_the_target_is_the_source_cut_or_repeated(length):
    source = torch.arange(10).view(2, 5)
    target = targets_of(source, length=length)
    assert target.shape == (2, length)
    assert all(target[0, index] == index % 5 for index in range(length))


def test_only_learnt_positions_limit_the_length():
    settings = {"src_len": 2000}
    workload.validate(Case(workload="seq2seq", preset="t5-small", mode="infer", settings=settings))
    with pytest.raises(UsageError, match="2000 tokens exceed the model's 1024 positions"):
        workload.validate(Case(workload="seq2seq", preset="bart-base", mode="infer", settings=settings))

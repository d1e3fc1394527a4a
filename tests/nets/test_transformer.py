import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from aigc_bench.nets.flop_formulas import missing_formulas
from aigc_bench.nets.transformer import (
    Decoding,
    Encoding,
    Transformer,
    _attend,
    _project,
    label_smoothed_loss,
    open_attention,
    sinusoidal_positions,
)


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    made = Transformer(vocab_size=50, d_model=16, num_heads=4, num_layers=3, dim_feedforward=32, dropout=0.1, max_len=12)
    # Biases and norms are constant at first; random ones would show a parameter that is left out.
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def attention_by_definition(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """softmax(Q K^T / sqrt(d_k)) V, one head of one sentence at a time."""
    out = torch.empty_like(query)
    for sentence in range(query.shape[0]):
        for head in range(query.shape[1]):
            scores = query[sentence, head] @ key[sentence, head].T / math.sqrt(query.shape[-1])
            weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
            out[sentence, head] = weights @ value[sentence, head]
    return out


def test_multi_head_attention_is_softmax_of_scaled_products_times_values(model: Transformer) -> None:
    attention = model.core.decoder.layers[0].self_attn
    hidden = torch.randn(2, 7, 16)
    query, key, value = _project(attention, hidden, parts=slice(0, 3))
    expected = attention.out_proj(attention_by_definition(query, key, value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(_attend(attention, query, key, value), expected)
    torch.testing.assert_close(attention(hidden, hidden, hidden, need_weights=False)[0], expected)


@torch.no_grad()
def test_cached_decoding_equals_the_full_decoder(model: Transformer) -> None:
    source, target = torch.randint(50, (3, 9)), torch.randint(50, (3, 12))
    cache = model.new_cache(batch_size=3, source_len=9, max_len=12)
    full = model(source, target)
    Encoding(model, cache=cache)(source)
    decode = Decoding(model, cache=cache)
    steps = [decode(target[:, index : index + 1], torch.tensor([index])) for index in range(12)]
    torch.testing.assert_close(torch.stack(steps, dim=1), full, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_second_sentence_does_not_see_the_cache_of_the_first(model: Transformer) -> None:
    source, first, second = torch.randint(50, (2, 9)), torch.randint(50, (2, 12)), torch.randint(50, (2, 5))
    cache = model.new_cache(batch_size=2, source_len=9, max_len=12)
    Encoding(model, cache=cache)(source)
    decode = Decoding(model, cache=cache)
    for index in range(12):
        decode(first[:, index : index + 1], torch.tensor([index]))
    again = [decode(second[:, index : index + 1], torch.tensor([index])) for index in range(5)]
    torch.testing.assert_close(torch.stack(again, dim=1), model(source, second), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_target_token_does_not_see_its_future(model: Transformer) -> None:
    source, target = torch.randint(50, (2, 9)), torch.randint(50, (2, 12))
    changed = target.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 50
    torch.testing.assert_close(model(source, target)[:, :6], model(source, changed)[:, :6])


@torch.no_grad()
def test_encoding_is_the_same_with_and_without_torchs_fused_operator(model: Transformer) -> None:
    source = torch.randint(50, (2, 9))
    fused = model.encode(source)
    with open_attention():
        opened = model.encode(source)
    torch.testing.assert_close(opened, fused, rtol=1e-4, atol=1e-4)


def test_the_fused_operator_is_back_after_an_error() -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(ValueError, match="inside"), open_attention():
        assert not torch.backends.mha.get_fastpath_enabled()
        raise ValueError("inside")
    assert torch.backends.mha.get_fastpath_enabled() == before


@torch.no_grad()
def test_flops_of_encoding_are_those_of_its_matrix_products(model: Transformer) -> None:
    batch, length, width, inner = 2, 9, 16, 32
    with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter, open_attention():
        model.encode(torch.randint(50, (batch, length)))
    weights = 4 * width * width + 2 * width * inner
    products = 2 * length * width
    assert counter.get_total_flops() == 3 * 2 * batch * length * (weights + products)


@given(
    smoothing=st.floats(0.0, 1.0),
    vocab_size=st.integers(2, 40),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_label_smoothing_has_its_closed_form(smoothing: float, vocab_size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 5, vocab_size, generator=generator, dtype=torch.float64)
    target = torch.randint(vocab_size, (2, 5), generator=generator)
    wanted = (1 - smoothing) * F.one_hot(target, vocab_size) + smoothing / vocab_size
    closed = -(wanted * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(label_smoothed_loss(logits, target, smoothing=smoothing), closed)


def test_positions_are_sines_and_cosines_of_geometric_wavelengths() -> None:
    table = sinusoidal_positions(20, 8)
    for position in (0, 1, 19):
        for pair in range(4):
            angle = position / 10000 ** (2 * pair / 8)
            assert table[position, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_source_target_and_output_share_one_embedding(model: Transformer) -> None:
    tables = [parameter for parameter in model.parameters() if parameter.shape == (50, 16)]
    assert len(tables) == 1


@torch.no_grad()
def test_embeddings_are_scaled_by_the_root_of_the_width(model: Transformer) -> None:
    tokens = torch.randint(50, (1, 4))
    expected = model.embedding.weight[tokens] * 4.0 + sinusoidal_positions(4, 16)
    torch.testing.assert_close(model._embed(tokens), expected)

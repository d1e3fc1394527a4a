import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from aigc_bench.nets.flop_formulas import attention_backward_flops, attention_flops, grouped_mm_flops, missing_formulas


def counted_attention(*, backward: bool) -> int:
    query = torch.randn(2, 4, 16, 8, requires_grad=backward)
    key, value = torch.randn(2, 4, 24, 8, requires_grad=backward), torch.randn(2, 4, 24, 8, requires_grad=backward)
    with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
        out = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        if backward:
            out.sum().backward()
    return int(counter.get_total_flops())


def test_attention_on_a_cpu_counts_as_its_two_matrix_products() -> None:
    fused = counted_attention(backward=False)
    with sdpa_kernel(SDPBackend.MATH):
        plain = counted_attention(backward=False)
    assert fused == plain == 2 * (2 * 2 * 4 * 16 * 24 * 8)


def test_the_backward_of_attention_adds_five_products_to_the_two_of_the_forward() -> None:
    assert counted_attention(backward=True) == 7 * (2 * 2 * 4 * 16 * 24 * 8)


def test_a_grouped_product_counts_every_row_once_in_both_directions() -> None:
    rows = torch.randn(12, 16, dtype=torch.bfloat16, requires_grad=True)
    experts = torch.randn(3, 16, 32, dtype=torch.bfloat16, requires_grad=True)
    ends = torch.tensor([4, 4, 12], dtype=torch.int32)
    with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
        out = torch.nn.functional.grouped_mm(rows, experts, offs=ends)
        forward = counter.get_total_flops()
        out.float().sum().backward()
    assert forward == 2 * 12 * 16 * 32
    assert counter.get_total_flops() == 3 * forward


def test_where_torch_counts_attention_it_counts_the_same() -> None:
    aten = torch.ops.aten
    replaced = set(missing_formulas()) & set(flop_registry)
    assert aten._scaled_dot_product_flash_attention in replaced
    shape = (2, 4, 16, 8)
    with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as ours, FlopCounterMode(display=False) as theirs:
        tensors = [torch.empty(shape, device="meta") for _ in range(3)]
        aten._scaled_dot_product_flash_attention(*tensors)
    assert ours.get_total_flops() == theirs.get_total_flops() == 4 * 2 * 4 * 16 * 16 * 8


@pytest.mark.parametrize(("left", "right"), [((12, 16), (3, 16, 32)), ((16, 12), (12, 32))])
def test_grouped_products_of_forward_and_gradient_cost_the_same(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert grouped_mm_flops(left, right, None, out_shape=()) == 2 * 12 * 16 * 32


def test_grouped_queries_count_as_if_every_query_head_had_its_own_keys() -> None:
    query, shared, own = (2, 8, 16, 4), (2, 2, 16, 4), (2, 8, 16, 4)
    assert attention_flops(query, shared, shared) == attention_flops(query, own, own) == 2 * (2 * 2 * 8 * 16 * 16 * 4)
    assert attention_backward_flops(query, query, shared, shared) == attention_backward_flops(query, query, own, own)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_the_gradients_of_a_convolution_cost_two_forward_passes_whatever_its_groups(groups: int, transposed: bool) -> None:
    kind = torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d
    layer = kind(8, 16, 3, stride=2, groups=groups)
    images = torch.randn(2, 8, 9, 9, requires_grad=True)
    with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
        out = layer(images)
        forward = counter.get_total_flops()
        out.sum().backward()
    assert counter.get_total_flops() == 3 * forward
    if groups == 1:
        with FlopCounterMode(display=False) as theirs:
            layer(images).sum().backward()
        assert theirs.get_total_flops() == 3 * forward


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_recurrent_kernel_counts_as_the_products_it_replaces(layers: int, bidirectional: bool) -> None:
    lstm = torch.nn.LSTM(6, 8, layers, bidirectional=bidirectional)
    sequence = torch.randn(5, 3, 6, requires_grad=True)

    def counted() -> tuple[int, int]:
        with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
            out = lstm(sequence)[0]
            forward = counter.get_total_flops()
            out.sum().backward()
        return forward, counter.get_total_flops() - forward

    fused = counted()
    with torch.backends.mkldnn.flags(enabled=False):
        assert counted() == fused
    assert fused[0] == 2 * 5 * 3 * sum(weight.numel() for weight in lstm.parameters() if weight.dim() == 2)

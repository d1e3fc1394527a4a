import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets.lora import Adapted, adapt
from aigc_bench.predict.tracing.trace import trace
from aigc_bench.workloads.latent_diffusion import workload
from tests.workloads.stepping import losses


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.other, self.norm = nn.Linear(6, 8), nn.Linear(8, 4), nn.LayerNorm(8)

    def forward(self, inputs):
        return self.other(self.norm(self.to_q(inputs)))


def test_an_adapter_changes_nothing_at_first():
    torch.manual_seed(0)
    block, inputs = Block(), torch.randn(3, 6)
    before = block(inputs)
    assert adapt(block, rank=2, targets=("to_q",), dtype=torch.float32) == 1
    torch.testing.assert_close(block(inputs), before)


def test_an_adapter_is_two_thin_matrices():
    torch.manual_seed(0)
    layer = Adapted(nn.Linear(6, 8), rank=2)
    nn.init.normal_(layer.up)
    inputs = torch.randn(3, 6)
    torch.testing.assert_close(layer(inputs), layer.frozen(inputs) + 2.0 * inputs @ (layer.up @ layer.down).T)


def test_only_adapters_learn_and_what_is_frozen_is_held_in_its_dtype():
    block = Block()
    adapt(block, rank=2, targets=("to_q",), dtype=torch.bfloat16)
    learning = {name: parameter for name, parameter in block.named_parameters() if parameter.requires_grad}
    assert {name: parameter.numel() for name, parameter in learning.items()} == {"to_q.down": 12, "to_q.up": 16}
    assert {parameter.dtype for parameter in learning.values()} == {torch.float32}
    assert block.other.weight.dtype == block.to_q.frozen.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stable_diffusion_learns_through_its_adapters(precision, make_setup):
    settings = {"lora_rank": 4, "resolution": 64}
    chosen = Case(workload="latent_diffusion", preset="tiny", mode="train", precision=precision, settings=settings)
    said = losses(workload.build(chosen, make_setup(chosen)), workload, chosen, rounds=2)
    assert said[-1]["loss"] < said[0]["loss"]


def test_adapters_save_states_and_gradients_of_the_weights():
    def traced(rank):
        settings = {"lora_rank": rank, "resolution": 64}
        return trace(Case(workload="latent_diffusion", preset="tiny", mode="train", settings=settings))

    full, adapted = traced(0), traced(4)
    assert adapted.optimizer_bytes < 0.02 * full.optimizer_bytes
    assert adapted.gradient_bytes < 0.02 * full.gradient_bytes
    assert adapted.stage("backward").flops < 0.7 * full.stage("backward").flops
    assert full.stage("forward").flops < adapted.stage("forward").flops < 1.05 * full.stage("forward").flops


def test_adapters_are_a_setting_of_training():
    with pytest.raises(UsageError, match="lora_rank is a setting of training"):
        workload.validate(Case(workload="latent_diffusion", preset="tiny", mode="infer", settings={"lora_rank": 4}))


class _LargestFp32(TorchDispatchMode):
    """The elements of the largest fp32 tensor that any operator makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.dtype is torch.float32:
                self.numel = max(self.numel, tensor.numel())
        return result


@pytest.mark.parametrize(
    ("name", "preset"), [("gpt", "llama-3.2-1b"), ("latent_diffusion", "sd-1.5")], ids=["language", "diffusion"]
)
def test_a_frozen_model_never_exists_in_fp32(make_setup, name, preset):
    case = Case(
        workload=name, preset=preset, mode="train", precision="bf16", backend="cpu", settings={"lora_rank": 8}, batch_size=1
    )
    with _LargestFp32() as largest:
        registry.load("workloads", name).build(case, make_setup(case, device="meta"))
    # The widest adapter, and inputs; an embedding has tens of millions of weights.
    assert largest.numel < 1_000_000

"""What training costs a layer: forward and backward of the common blocks, and the optimizer's update, each by itself.

Gradients are products and convolutions of other layouts than the forward's, and autograd calls and allocates more; the optimizer
streams every parameter with its moments. A stage is the forward and the backward of one block, the last one AdamW's update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import check_values
from aigc_bench.workloads._training import OPTIMIZER_IMPORTS, adamw
from aigc_bench.workloads.base import Preset, Program, Setup, Workload


class Block(NamedTuple):
    """A layer of ``width`` on inputs of ``shape``, ``copies`` of them one after another."""

    layer: str
    width: int
    shape: tuple[int, ...]
    copies: int


_SMALL = {
    "mlp": Block("mlp", 128, (4, 64, 128), 2),
    "attention": Block("attention", 128, (4, 64, 128), 2),
    "conv": Block("conv", 32, (2, 32, 16, 16), 4),
    "down": Block("down", 64, (4, 64, 16, 16), 2),
    "up": Block("up", 64, (4, 64, 8, 8), 2),
}
_LARGE = {
    "mlp": Block("mlp", 768, (1, 32, 768), 2),
    "attention": Block("attention", 512, (1, 32, 512), 2),
    "conv": Block("conv", 64, (4, 64, 32, 32), 1),
    "down": Block("down", 128, (8, 128, 32, 32), 1),
    "up": Block("up", 128, (8, 128, 8, 8), 1),
}


def _preset(title: str, blocks: Mapping[str, Block]) -> Preset:
    return Preset(title=title, source=message("blocks of the families here, in PyTorch's eager mode"), config={"blocks": blocks})


class ProbeLayers(Workload):
    """Throughput counts blocks that were trained; the times of the stages are what it is for."""

    title: ClassVar[str] = message("Probe: layers in training")
    item: ClassVar[str] = "block"
    modes: ClassVar[tuple[Mode, ...]] = ("train",)
    presets: ClassVar[Mapping[str, Preset]] = {
        "small": _preset(message("Blocks that a cache holds"), _SMALL),
        "large": _preset(message("Blocks of published sizes"), _LARGE),
    }

    def imports(self, case: Case) -> tuple[str, ...]:
        """The layers, and what the optimizer needs."""
        return ("aigc_bench.nets.operators", *OPTIMIZER_IMPORTS)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One per block, ``batch_size`` times, and the update."""
        blocks: Mapping[str, Block] = self.preset(case).config["blocks"]
        own = [Stage(name=name, repeats=case.batch_size, items=block.copies) for name, block in blocks.items()]
        return (*own, Stage(name="update"))

    def build(self, case: Case, setup: Setup) -> Program:
        """Each block with an input of its own; its loss is the mean square of its output."""
        import torch

        from aigc_bench.nets.operators import layer

        self.validate(case)
        blocks: Mapping[str, Block] = self.preset(case).config["blocks"]
        modules = []
        state: dict[str, Any] = {}

        def stage(block: Block) -> Callable[[int], None]:
            module = setup.build(lambda: torch.nn.Sequential(*(layer(block.layer, block.width) for _ in range(block.copies))))
            modules.append(module)
            forward, values = setup.prepare(module), setup.normal(*block.shape)

            def run(repeat: int) -> None:
                with setup.autocast():
                    output = forward(values)
                    state["loss"] = output.float().square().mean()
                # Gradients of the repeats add up until the update clears them.
                setup.backward(state["loss"])

            return run

        stages = {name: stage(block) for name, block in blocks.items()}
        optimizer = adamw(torch.nn.ModuleList(modules), setup=setup)
        stages["update"] = lambda repeat: setup.update(optimizer)
        return Program(
            begin=lambda step: None, stages=stages, modules=tuple(modules), check=lambda: check_values(state["loss"].detach())
        )


workload = ProbeLayers()

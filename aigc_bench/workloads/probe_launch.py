"""What it costs to launch an operator: chains of operators that are too small to compute anything.

Throughput is operators per second of wall time, the host running ahead as in any other case; one over it is the launch cost.
On a CPU that is torch's dispatch and allocation, on an accelerator the larger of the host's launch and the device's shortest
kernel. The chain is a module that the case's engine prepares: an engine that fuses or replays launches (``torch-compile``)
shows here how much of the cost it removes: operators are counted as eager torch launches them, under any engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads._probing import check_values
from aigc_bench.workloads.base import Preset, Program, Setup, Workload

if TYPE_CHECKING:
    import torch

_PRESETS = {
    "add": Preset(
        title=message("512 additions of one value"),
        source=message("an element-wise operator in PyTorch's eager mode"),
        config={"num_launches": 512, "width": 1},
    ),
    "linear": Preset(
        title=message("256 linear layers of 16 x 16"),
        source=message("torch.nn.Linear in PyTorch's eager mode"),
        config={"num_launches": 256, "width": 16},
        num_params=65_536,
    ),
}


class ProbeLaunch(Workload):
    """Throughput counts operators that were launched."""

    title: ClassVar[str] = message("Probe: launch cost")
    item: ClassVar[str] = "operator"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def imports(self, case: Case) -> tuple[str, ...]:
        """The chains."""
        return ("aigc_bench.nets.launches",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``launch``: the chain, ``batch_size`` times."""
        return (Stage(name="launch", repeats=case.batch_size, items=self.preset(case).config["num_launches"]),)

    def build(self, case: Case, setup: Setup) -> Program:
        """The chain and its input ``(1, width)``."""
        import torch

        self.validate(case)
        config = self.preset(case).config
        module = setup.build(lambda: _chain(case.preset, config=config))
        chain = setup.prepare(module)
        values = setup.normal(1, config["width"])
        state: dict[str, torch.Tensor] = {}

        def launch(repeat: int) -> None:
            with torch.inference_mode():
                state["output"] = chain(values)

        return Program(
            begin=lambda step: None, stages={"launch": launch}, modules=(module,), check=lambda: check_values(state["output"])
        )


workload = ProbeLaunch()


def _chain(preset: str, *, config: Mapping[str, Any]) -> torch.nn.Module:
    from aigc_bench.nets.launches import AddChain, LinearChain

    if preset == "add":
        return AddChain(num_launches=config["num_launches"])
    return LinearChain(num_launches=config["num_launches"], width=config["width"])

"""``torch.compile`` with CUDA graphs (mode ``reduce-overhead``): a whole forward pass is replayed by one launch.

It is what makes decoding of small batches fast: with a static key-value cache every step has the same addresses and shapes, so
that hundreds of launches a token become one. Capture and the recording runs are part of the warm-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.engines.base import Engine
from aigc_bench.engines.torch_compile import engine as compiler

if TYPE_CHECKING:
    import torch


class TorchCompileGraphs(Engine):
    """Inductor's code, captured as CUDA graphs."""

    title: ClassVar[str] = message("PyTorch compile with CUDA graphs")

    def unsupported(self, case: Case) -> str | None:
        """As ``torch-compile``, and only where there are graphs."""
        if case.backend == "cpu":
            return message("torch-compile-graphs replays CUDA graphs, which a CPU does not have; use torch-compile")
        return compiler.unsupported(case)

    def __init__(self) -> None:
        self._num_prepared = 0

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module, compiled at its first call; outputs that outlive the next replay are copied, which overwrites them."""
        import torch

        compiled: Any = torch.compile(module, dynamic=False, mode="reduce-overhead")
        self._num_prepared += 1

        def keep(_: Any, __: Any, output: Any) -> Any:
            # Of a single module in training the backward pass of the same step uses the outputs up; those of two adversaries
            # are needed while the other is replayed.
            if case.mode == "train" and self._num_prepared == 1:
                return output
            return torch.utils._pytree.tree_map_only(torch.Tensor, torch.Tensor.clone, output)

        compiled.register_forward_hook(keep)
        return compiled  # type: ignore[no-any-return]

    def begin_step(self) -> None:
        """Declare the last step's outputs dead, so that their memory pool may be replayed into.

        At the beginning of a step and not of a call: within one, a module's outputs are the next one's inputs.
        """
        import torch

        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    def report(self) -> Mapping[str, int | str]:
        """As ``torch-compile``."""
        return compiler.report()


engine = TorchCompileGraphs()

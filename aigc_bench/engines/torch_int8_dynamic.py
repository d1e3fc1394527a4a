"""Dynamic int8 (W8A8): weights are int8, activations become int8 row by row as they come, products are summed in int32.

Integer units do two to four times the operations of bf16 ones (VNNI on CPUs, integer tensor cores on accelerators).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.engines._linears import nothing_quantized, only_inference, quantize_linears
from aigc_bench.engines.base import Engine

if TYPE_CHECKING:
    import torch

_CUDA_ROWS = 32
"""torch's integer product on CUDA takes more than 16 rows and sides that are multiples of 8."""


class TorchInt8Dynamic(Engine):
    """Linear layers computed in int8, everything else in the case's precision."""

    title: ClassVar[str] = message("PyTorch, int8 weights and activations (dynamic)")
    added_error: ClassVar[float] = 0.1

    def unsupported(self, case: Case) -> str | None:
        """Training."""
        return only_inference(case, engine="torch-int8-dynamic")

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module with its linear layers replaced."""
        from aigc_bench.engines._int8 import DynamicInt8Linear

        is_on_host = case.backend == "cpu"

        def make(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Module | None:
            suits = is_on_host or (weight.shape[0] % 8 == 0 and weight.shape[1] % 8 == 0)
            return DynamicInt8Linear(weight, bias, least_rows=1 if is_on_host else _CUDA_ROWS) if suits else None

        return quantize_linears(module, make)

    def idle_reason(self, modules: Sequence[torch.nn.Module]) -> str | None:
        """No linear layer of a suitable shape."""
        return nothing_quantized(modules, engine="torch-int8-dynamic")


engine = TorchInt8Dynamic()

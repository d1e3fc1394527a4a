"""Weight-only int8: half the bytes of bf16 to read for each token, activations stay in bf16.

On a CPU torch's own kernel reads the integers; on an accelerator the layer is compiled, so that widening the weights is part of
the product and costs no pass over memory of its own.
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


class TorchInt8(Engine):
    """Linear layers with int8 weights, one scale for each output."""

    title: ClassVar[str] = message("PyTorch, int8 weights")
    added_error: ClassVar[float] = 0.05

    def unsupported(self, case: Case) -> str | None:
        """Training, a precision without a kernel, or no compiler for an accelerator."""
        from aigc_bench.engines.torch_compile import engine as compiler

        if case.mode == "infer" and case.precision not in ("bf16", "fp16"):
            return message(
                "torch-int8 keeps activations in bf16 or fp16, not {precision}; torch-int8-dynamic takes fp32",
                precision=case.precision,
            )
        return only_inference(case, engine="torch-int8") or (None if case.backend == "cpu" else compiler.unsupported(case))

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module with its linear layers replaced, compiled where there is an accelerator."""
        from aigc_bench.engines._int8 import Int8Linear
        from aigc_bench.engines.torch_compile import engine as compiler

        is_on_host = case.backend == "cpu"
        made = quantize_linears(module, lambda weight, bias: Int8Linear(weight, bias, is_fused=is_on_host))
        # Uncompiled, the widened weights would be written to memory and read again: more bytes than bf16 itself.
        return made if is_on_host else compiler.prepare(made, case=case)

    def idle_reason(self, modules: Sequence[torch.nn.Module]) -> str | None:
        """No linear layer of a suitable shape."""
        return nothing_quantized(modules, engine="torch-int8")


engine = TorchInt8()

"""Weight-only int4 in groups of 128: a quarter of bf16's bytes. torch's own kernels (tinygemm), which widen inside the product.

A group of weights along the inputs shares a scale and a zero: ``weight ~ zero + scale x (integer - 8)``, integers in [0, 15].
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


class TorchInt4(Engine):
    """Linear layers with int4 weights; layers of other shapes than the kernel takes stay as they are."""

    title: ClassVar[str] = message("PyTorch, int4 weights")
    added_error: ClassVar[float] = 0.4

    def unsupported(self, case: Case) -> str | None:
        """Training, another precision than bf16, or a device before compute capability 8.0."""
        if case.mode == "infer" and case.precision != "bf16":
            return message("torch-int4 keeps activations in bf16, not {precision}", precision=case.precision)
        return only_inference(case, engine="torch-int4") or _device_reason(case)

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module with its linear layers replaced."""
        from aigc_bench.engines._int4 import make_layer

        return quantize_linears(module, make_layer)

    def idle_reason(self, modules: Sequence[torch.nn.Module]) -> str | None:
        """No linear layer of a suitable shape."""
        return nothing_quantized(modules, engine="torch-int4")


engine = TorchInt4()


def _device_reason(case: Case) -> str | None:
    import torch

    if case.backend == "cpu" or not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return (
        None
        if major >= 8
        else message("torch-int4 needs compute capability 8.0 or later; this device has {major}.{minor}", major=major, minor=minor)
    )

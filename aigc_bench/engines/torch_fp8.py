"""fp8 (e4m3) weights and activations, one scale for each row, products summed in fp32 (Micikevicius et al. 2022, arXiv 2209.05433).

Where the device has fp8 units: compute capability 8.9 (Ada) and later, MI300 (gfx94), MI350 (gfx95) and RDNA 4 (gfx120).
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

ROCM_WITH_FP8 = ("gfx94", "gfx95", "gfx120")
"""How the names of AMD architectures with fp8 products begin; gfx90a (MI200) and gfx11 (RDNA 3) have none."""


class TorchFp8(Engine):
    """Linear layers in fp8, everything else in bf16."""

    title: ClassVar[str] = message("PyTorch, fp8 weights and activations")
    added_error: ClassVar[float] = 0.12

    def unsupported(self, case: Case) -> str | None:
        """Training, another precision than bf16, a device without fp8 units."""
        if case.backend == "cpu":
            return message("torch-fp8 needs a device with fp8 units; CPUs would emulate them")
        if case.mode == "infer" and case.precision != "bf16":
            return message("torch-fp8 gives bf16, not {precision}", precision=case.precision)
        return only_inference(case, engine="torch-fp8") or _device_reason()

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module with its linear layers replaced, where both sides are multiples of 16 as the kernel requires."""
        from aigc_bench.engines._fp8 import make_layer

        return quantize_linears(module, make_layer)

    def idle_reason(self, modules: Sequence[torch.nn.Module]) -> str | None:
        """No linear layer of a suitable shape."""
        return nothing_quantized(modules, engine="torch-fp8")


engine = TorchFp8()


def rocm_reason(architecture: str, *, device_name: str) -> str | None:
    """Why an AMD device cannot multiply in fp8, or ``None``; those that can are those of torch's own tests for ROCm."""
    if architecture.startswith(ROCM_WITH_FP8):
        return None
    return message(
        "torch-fp8 needs MI300, MI350, RDNA 4 or later ({known}); {device_name} is {architecture}",
        known=", ".join(ROCM_WITH_FP8),
        device_name=device_name,
        # gfx90a:sramecc+:xnack- is the name with the device's switches.
        architecture=architecture.partition(":")[0],
    )


def _device_reason() -> str | None:
    import torch

    if not torch.cuda.is_available():
        return None
    if torch.version.hip is not None:
        return rocm_reason(torch.cuda.get_device_properties().gcnArchName, device_name=torch.cuda.get_device_name())
    major, minor = torch.cuda.get_device_capability()
    needs = message(
        "torch-fp8 needs compute capability 8.9 or later; {device_name} has {major}.{minor}",
        device_name=torch.cuda.get_device_name(),
        major=major,
        minor=minor,
    )
    return None if (major, minor) >= (8, 9) else needs

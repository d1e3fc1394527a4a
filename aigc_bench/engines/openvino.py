"""OpenVINO on the CPU: the module is converted at its first call; bf16 where the case requests it and the processor has it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.records import Case
from aigc_bench.engines.base import Engine

if TYPE_CHECKING:
    import torch

_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVino(Engine):
    """fp32 and bf16; modules that keep no state between calls."""

    title: ClassVar[str] = "OpenVINO (CPU)"
    added_error: ClassVar[float] = 0.05

    def unsupported(self, case: Case) -> str | None:
        """Why the case does not run in OpenVINO here."""
        from aigc_bench.engines._exported import refusal

        return refusal(case, package="openvino", engine="openvino", precisions=tuple(_HINTS))

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module, converted at its first call."""
        from aigc_bench.engines._exported import ExportedModule

        export = partial(_compiled, hint=_HINTS[case.precision])
        return ExportedModule(module, engine="openvino", export=export, in_fp32=case.precision != "fp32")


engine = OpenVino()


def _compiled(flat: torch.nn.Module, inputs: tuple[torch.Tensor, ...], *, hint: str) -> Any:
    """A runner over one inference request."""
    import openvino
    import torch

    exported = torch.export.export(flat, inputs, strict=False)
    model = openvino.convert_model(exported)
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # One request with all threads; by default OpenVINO would split the cores into streams for several requests.
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    num_outputs = len(model.outputs)

    def run(tensors: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        made = request.infer([tensor.numpy() for tensor in tensors], share_inputs=True, share_outputs=True)
        # Shared outputs are the request's own buffers, which the next request overwrites.
        return [torch.from_numpy(made[number].copy()) for number in range(num_outputs)]

    return run

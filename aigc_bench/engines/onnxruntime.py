"""ONNX Runtime on the CPU: the module is exported to ONNX at its first call and runs in a session with as many threads as torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.engines.base import Engine

if TYPE_CHECKING:
    import torch

# What torch's exporter writes without a conversion afterwards.
_OPSET = 18


class OnnxRuntime(Engine):
    """fp32; modules that keep no state between calls (an encoder, a UNet, not a decoder with its cache)."""

    title: ClassVar[str] = "ONNX Runtime (CPU)"

    def unsupported(self, case: Case) -> str | None:
        """Why the case does not run in ONNX Runtime here."""
        import importlib.util

        from aigc_bench.engines._exported import refusal

        reason = refusal(case, package="onnxruntime", engine="onnxruntime", precisions=("fp32",))
        if reason is None and importlib.util.find_spec("onnxscript") is None:
            return message("onnxruntime needs the package onnxscript to export; install aigc-bench[onnxruntime]")
        return reason

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module, exported at its first call."""
        from aigc_bench.engines._exported import ExportedModule

        return ExportedModule(module, engine="onnxruntime", export=_session, in_fp32=False)


engine = OnnxRuntime()


def _session(flat: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
    """A runner over a session; inputs and outputs are not copied."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    # Errors only: warnings about the graph are no result.
    options.log_severity_level = 3
    # As everywhere here: threads that wait do not spin, because that costs the neighbour.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        # A protobuf file ends at 2 GiB: weights go into a file of their own. The session has read both when the folder goes.
        torch.onnx.export(flat, inputs, str(file), dynamo=True, opset_version=_OPSET, verbose=False, external_data=True)
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    # The exporter drops inputs that the graph does not use: names say which remain.
    wanted = {value.name for value in session.get_inputs()}
    names = [f"tensors_{number}" for number in range(len(inputs))]
    if not wanted <= set(names):
        names = [value.name for value in session.get_inputs()]

    def run(tensors: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True) if name in wanted}
        return [torch.from_numpy(array) for array in session.run(None, given)]

    return run

"""Engines outside torch: the same numbers as the module, nested outputs, refusals in words."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.records import Case, Stage
from aigc_bench.engines._exported import ExportedModule
from aigc_bench.engines.base import CannotExecute, counting
from aigc_bench.measure.flops import count_flops
from aigc_bench.workloads.base import Program

CASE = Case(workload="bert", preset="tiny", mode="infer")


class Pair(NamedTuple):
    scores: torch.Tensor
    nothing: None


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 4)

    def forward(self, inputs: torch.Tensor, *, scale: float) -> Pair:
        return Pair(torch.relu(self.layer(inputs)) * scale, None)


@pytest.mark.parametrize(("engine", "precision"), [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")])
def test_a_runtime_computes_what_torch_does_and_keeps_the_outputs_structure(engine: str, precision: str) -> None:
    pytest.importorskip(engine)
    case = CASE.model_copy(update={"engine": engine, "precision": precision})
    offered = registry.load("engines", engine)
    assert offered.unsupported(case) is None
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    torch.manual_seed(0)
    module = Net().to(dtype).eval()
    executed = offered.prepare(module, case=case)
    with torch.inference_mode():
        for _ in range(2):
            inputs = torch.randn(3, 8, dtype=dtype)
            made = executed(inputs, scale=2.0)
            wanted = module(inputs, scale=2.0)
            assert isinstance(made, Pair) and made.nothing is None and made.scores.dtype == dtype
            tolerance = 1e-5 if precision == "fp32" else 0.05
            torch.testing.assert_close(made.scores, wanted.scores, rtol=tolerance, atol=tolerance)
    assert {id(p) for p in executed.parameters()} == {id(p) for p in module.parameters()}


def test_operators_are_counted_on_the_original() -> None:
    module = Net()
    executed = ExportedModule(module, engine="x", export=lambda flat, inputs: lambda tensors: [torch.zeros(3, 4)], in_fp32=False)
    inputs = torch.randn(3, 8)
    program = Program(begin=lambda step: None, stages={"run": lambda repeat: executed(inputs, scale=1.0)}, modules=(module,))
    with torch.inference_mode():
        assert count_flops(program, (Stage(name="run"),)) == {"run": 2 * 3 * 8 * 4}
        with counting():
            torch.testing.assert_close(executed(inputs, scale=1.0).scores, module(inputs, scale=1.0).scores)


def test_a_module_with_state_or_one_that_fails_to_export_is_unsupported_in_words() -> None:
    def fail(flat: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        raise RuntimeError("no such operator\nand a long tail")

    class Cache:
        pass

    executed = ExportedModule(torch.nn.Identity(), engine="onnxruntime", export=fail, in_fp32=False)
    with pytest.raises(CannotExecute, match="keeps no state between calls, and the model is given a Cache"):
        executed(Cache())
    with pytest.raises(CannotExecute, match=r"cannot export Identity: RuntimeError: no such operator$"):
        executed(torch.ones(1))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_runtimes_say_what_they_do_not_do(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = registry.load("engines", engine)
    if importlib.util.find_spec(engine) is not None:
        assert "inference only" in offered.unsupported(CASE.model_copy(update={"mode": "train"}))
        assert "CPUs" in offered.unsupported(CASE.model_copy(update={"backend": "cuda"}))
        assert "not fp16" in offered.unsupported(CASE.model_copy(update={"precision": "fp16"}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert f"install aigc-bench[{engine}]" in offered.unsupported(CASE)

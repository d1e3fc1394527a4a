import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.engines.torch_compile import compiler_reason, triton_compiler_reason
from aigc_bench.engines.torch_compile import engine as torch_compile
from aigc_bench.engines.torch_compile_graphs import TorchCompileGraphs
from aigc_bench.engines.torch_eager import engine as torch_eager

CASE = Case(workload="vae", preset="mlp-784-400-20", mode="infer", engine="torch-compile")
needs_compiler = pytest.mark.skipif(torch_compile.unsupported(CASE) is not None, reason="torch.compile does not work here")


def test_both_engines_are_registered_by_their_file_names():
    assert {"torch-eager", "torch-compile"} <= set(registry.names("engines"))
    assert registry.load("engines", "torch-compile") is torch_compile


def test_eager_executes_the_module_itself():
    module = torch.nn.Linear(4, 4)
    assert torch_eager.prepare(module, case=CASE) is module
    assert torch_eager.unsupported(CASE) is None


def test_without_a_compiler_the_reason_names_it():
    reason = compiler_reason({"PATH": "/nonexistent"})
    assert "no g++ on the PATH" in reason
    assert "no clang++-99" in compiler_reason({**os.environ, "CXX": "clang++-99"})


def test_without_pythons_header_the_reason_names_it(tmp_path: Path):
    (tmp_path / "g++").write_text("#!/bin/sh\n")
    (tmp_path / "g++").chmod(0o755)
    assert "Python.h" in compiler_reason({"PATH": str(tmp_path)}, include=tmp_path)
    (tmp_path / "Python.h").touch()
    assert compiler_reason({"PATH": str(tmp_path)}, include=tmp_path) is None


def test_triton_needs_a_c_compiler_and_pythons_header(tmp_path):
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "clang"
    environ = {"PATH": str(tmp_path / "bin")}
    assert "no gcc or clang on the PATH" in (triton_compiler_reason(environ, include=tmp_path) or "")
    compiler.write_text("")
    compiler.chmod(0o755)
    assert "Python.h" in (triton_compiler_reason(environ, include=tmp_path) or "")
    (tmp_path / "Python.h").touch()
    assert triton_compiler_reason(environ, include=tmp_path) is None
    assert "no icx" in (triton_compiler_reason({**environ, "CC": "icx"}, include=tmp_path) or "")


@pytest.mark.skipif(importlib.util.find_spec("triton") is not None, reason="triton is installed")
def test_an_accelerator_without_triton_is_refused():
    assert "triton" in torch_compile.unsupported(CASE.model_copy(update={"backend": "cuda"}))


@needs_compiler
def test_the_compiled_module_computes_the_same():
    module = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU())
    inputs = torch.randn(3, 8)
    with torch.inference_mode():
        torch.testing.assert_close(torch_compile.prepare(module, case=CASE)(inputs), module(inputs))


def test_graph_breaks_and_recompilations_are_counted():
    """In a process of its own: torch's counters are those of the whole process."""
    code = (
        "import json, torch\n"
        "from aigc_bench.engines.torch_compile import compile_report\n"
        "def split(x):\n"
        "    y = x * 2\n"
        "    print('broken')\n"
        "    return y + 1\n"
        "whole = torch.compile(lambda x: x + 1, dynamic=False, backend='eager')\n"
        "whole(torch.ones(3))\n"
        "before = compile_report()\n"
        "whole(torch.ones(4))\n"
        "torch.compile(split, dynamic=False, backend='eager')(torch.ones(3))\n"
        "print(json.dumps([before, compile_report()]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout.splitlines()[-1])
    assert (before["graph_breaks"], before["recompilations"], before["cuda_graphs_skipped"]) == (0, 0, 0)
    assert (after["graph_breaks"], after["recompilations"]) == (1, 1)
    assert "print" in after["graph_break_reason"]


def test_outputs_of_adversaries_are_copied_in_training_and_those_of_a_single_model_are_not(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    case = CASE.model_copy(update={"mode": "train"})
    inputs = torch.ones(2, 3)
    for num_models, is_copied in ((1, False), (2, True)):
        engine, output = TorchCompileGraphs(), torch.zeros(2)
        models = [engine.prepare(Constant(output), case=case) for _ in range(num_models)]
        assert all((model(inputs) is not output) is is_copied for model in models)
    served = TorchCompileGraphs().prepare(Constant(output), case=CASE)
    assert served(inputs) is not output


class Constant(torch.nn.Module):
    """Returns the tensor it was made with."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, inputs):
        return self.output

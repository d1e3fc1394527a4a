import importlib.util
import os
from pathlib import Path

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.engines.torch_compile import compiler_reason, triton_compiler_reason
from aigc_bench.engines.torch_compile import engine as torch_compile
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

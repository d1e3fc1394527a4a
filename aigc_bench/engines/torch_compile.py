"""``torch.compile`` with Inductor: graphs are captured at the first call, which the warm-up pays for and reports apart."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Case
from aigc_bench.engines.base import Engine

if TYPE_CHECKING:
    import torch


class TorchCompile(Engine):
    """Default mode, static shapes: a case has one shape, so nothing is gained by code for others."""

    title: ClassVar[str] = message("PyTorch compile (Inductor)")

    def unsupported(self, case: Case) -> str | None:
        """Why Inductor cannot make code here: this Python, no C++ compiler (CPU), no Triton (accelerator)."""
        reason = python_reason()
        if reason is not None:
            return reason
        if case.backend == "cpu":
            return compiler_reason(os.environ)
        if importlib.util.find_spec("triton") is None:
            return message(
                "torch.compile needs the package triton to make kernels for {backend}; it is not installed", backend=case.backend
            )
        return triton_compiler_reason(os.environ) or _device_reason(case)

    def prepare(self, module: torch.nn.Module, *, case: Case) -> torch.nn.Module:
        """The module, compiled at its first call."""
        import torch

        return cast(torch.nn.Module, torch.compile(module, dynamic=False))

    def report(self) -> Mapping[str, int | str]:
        """How often the compiler split the model, compiled a part again, or gave up CUDA graphs, and why it split it first."""
        return compile_report()


engine = TorchCompile()


def compile_report() -> dict[str, int | str]:
    """Graph breaks, recompilations and CUDA graphs that were skipped so far in this process, as torch counts them."""
    from torch._dynamo.utils import counters, get_compilation_metrics

    breaks = counters["graph_break"]
    # A compilation is numbered "frame/attempt"; every attempt after the first of a frame is a recompilation.
    attempts = (str(one.compile_id).rpartition("/")[2].partition("_")[0] for one in get_compilation_metrics())
    found: dict[str, int | str] = {
        "graph_breaks": sum(breaks.values()),
        "recompilations": sum(attempt.isdigit() and int(attempt) > 0 for attempt in attempts),
        "cuda_graphs_skipped": counters["inductor"]["cudagraph_skips"],
    }
    if breaks:
        # torch's headline and the explanation below it.
        found["graph_break_reason"] = " ".join(next(iter(breaks)).split("\n", 2)[:2])[:200]
    return found


def python_reason() -> str | None:
    """Why this torch does not compile under this Python, in torch's own words, or ``None``."""
    import torch

    try:
        # Without a model it refuses a Python that is too new, and with this backend it imports no compiler (3 s).
        torch.compile(backend="eager")
    except RuntimeError as problem:
        return str(problem).splitlines()[0]
    return None


def compiler_reason(environ: Mapping[str, str], *, include: Path | None = None) -> str | None:
    """Why Inductor cannot build C++ here: it needs ``$CXX`` (or g++) on the path and Python's header; ``None`` if it can."""
    compiler = compiler_name(environ)
    if shutil.which(compiler, path=environ.get("PATH")) is None:
        return message(
            "torch.compile needs a C++ compiler for cpu; there is no {compiler} on the PATH (install g++ or set CXX)",
            compiler=compiler,
        )
    return _header_reason(include, backend="cpu")


def triton_compiler_reason(environ: Mapping[str, str], *, include: Path | None = None) -> str | None:
    """Why Triton cannot build the C module that launches its kernels: it needs ``$CC``, gcc or clang, and Python's header."""
    given = environ.get("CC")
    names = ("gcc", "clang") if given is None else (given,)
    if not any(shutil.which(name, path=environ.get("PATH")) for name in names):
        return message(
            "torch.compile needs a C compiler to launch Triton's kernels; there is no {names} on the PATH (install gcc or set CC)",
            names=joined(message(" or "), names),
        )
    return _header_reason(include, backend="cuda")


def _header_reason(include: Path | None, *, backend: str) -> str | None:
    header = (include or Path(sysconfig.get_paths()["include"])) / "Python.h"
    if header.exists():
        return None
    return message(
        "torch.compile needs Python's C header for {backend}; there is no {name} (install python3-dev)",
        backend=backend,
        name=header.name,
    )


def compiler_name(environ: Mapping[str, str]) -> str:
    """The C++ compiler that Inductor runs: ``$CXX``, else g++, whatever others there are."""
    return environ.get("CXX", "g++")


def _device_reason(case: Case) -> str | None:
    """Why Triton does not make code for this device: before compute capability 7.0 it has none."""
    import torch

    if case.backend != "cuda" or not torch.cuda.is_available() or torch.version.hip is not None:
        return None
    major, minor = torch.cuda.get_device_capability()
    if (major, minor) >= (7, 0):
        return None
    return message(
        "torch.compile needs compute capability 7.0 or later; {device_name} has {major}.{minor}",
        device_name=torch.cuda.get_device_name(),
        major=major,
        minor=minor,
    )

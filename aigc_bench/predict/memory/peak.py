"""Peak memory of a traced case: what its tensors need, plus what the allocator, libraries and context take.

On an accelerator::

    parameters + buffers + optimizer + kv_cache + inputs + step     live tensors, from their traced lifetimes
    + allocator     blocks of torch's caching allocator beyond live tensors (rounding, segments, holes), simulated
    + workspace     what cuBLAS keeps for its products
    + context       the driver's own, before the first tensor

On a CPU the process is counted, at its fullest moment: while the model is built, or in a step. It holds the interpreter with torch,
the model libraries, live tensors, what malloc keeps beyond them (simulated, ``malloc``), and in a step the code and scratch memory
that running brings.

Which parts err together and how far is the hierarchical model's (``levels``): ``memory_quantity``.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from aigc_bench.catalog.loader import Catalogue, usable_catalogue
from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Case, Estimate, Record
from aigc_bench.predict.fitting.posterior import Quantity, Term
from aigc_bench.predict.fitting.random_effects import memory_groups, memory_term_groups
from aigc_bench.predict.tracing.optrace import OpTrace

MB, MIB = 10**6, 2**20

_CUBLAS_SOURCE = message("PyTorch notes on CUDA semantics: CUBLAS_WORKSPACE_CONFIG, 8 MiB, 32 MiB on Hopper and later")
_HOST_SOURCE = message("VmHWM of probes and of 12 cases of six families, torch 2.13, glibc 2.36, x86-64, two threads, 2026-11")
_OURS = __package__.partition(".")[0]
_LIBRARY_BYTES: Mapping[str, int] = {"transformers": 61 * MB, "diffusers": 41 * MB}
"""What importing a model library's classes adds to a process (``_HOST_SOURCE``)."""


class PeakMemory(Record):
    """Bytes by what they are for at the fullest moment; ``total`` is what the device or process must have then.

    ``tensors`` is the peak of live tensors in a step, ``stages`` the same while each stage runs. ``moments`` has the terms of every
    moment that may be the fullest.
    """

    moments: Mapping[str, Mapping[str, Estimate]]
    stages: Mapping[str, int]
    tensors: Estimate

    @property
    def terms(self) -> Mapping[str, Estimate]:
        """The terms of the fullest moment."""
        return max(self.moments.values(), key=lambda terms: sum(term.value for term in terms.values()))

    @property
    def total(self) -> Estimate:
        """Their sum, ends added to ends."""
        return _sum(self.terms.values())


def peak_memory(trace: OpTrace, *, catalogue: Catalogue | None = None, libraries: Collection[str] = ()) -> PeakMemory:
    """Peak memory in bytes of the case on the kind of device it was traced for.

    ``libraries`` are the modules that the process has imported besides torch (``Workload.imports``); on a CPU they count.
    """
    if trace.backend == "cpu":
        moments = _host_moments(trace, libraries=libraries)
    else:
        moments = {"step": tensor_terms(trace) | _device_terms(trace, catalogue=catalogue or usable_catalogue())}
    return PeakMemory(
        moments=moments,
        stages={stage.name: trace.resident_bytes + stage.peak_bytes for stage in trace.stages},
        tensors=_exact(trace.peak_bytes, source=message("tensor lifetimes of the trace")),
    )


def memory_quantity(terms: Iterable[Mapping[str, Estimate]], *, case: Case, machine: str) -> Quantity:
    """The largest of the sums of some terms, as a quantity of the hierarchical model."""
    moments = tuple(
        tuple(
            # A term known exactly has no effect to be off by.
            Term(term.value, memory_term_groups(name, case, machine=machine) if term.low < term.high else {})
            for name, term in one.items()
            if term.value > 0
        )
        for one in terms
    )
    return Quantity(parts=(moments,), groups=memory_groups(case, machine=machine))


def tensor_terms(trace: OpTrace) -> dict[str, Estimate]:
    """Live tensors at the peak by what they are for; ``step`` are activations and gradients."""
    parts = {
        "parameters": trace.params_bytes,
        "buffers": trace.buffers_bytes,
        "optimizer": trace.optimizer_bytes,
        "kv_cache": trace.kv_cache_bytes,
        "inputs": trace.inputs_bytes,
        "step": trace.peak_bytes - trace.resident_bytes,
    }
    return {name: _exact(size, source=message("trace of the workload on meta tensors")) for name, size in parts.items()}


def _device_terms(trace: OpTrace, *, catalogue: Catalogue) -> dict[str, Estimate]:
    """The high end of the allocator's share is the catalogue's fragmentation fraction of all tensors, if that is more."""
    fraction = catalogue.constant("fragmentation_fraction")
    held = max(0, (trace.device_held_bytes or trace.peak_bytes) - trace.peak_bytes)
    allocator = Estimate(
        value=held,
        low=0,
        high=max(held, fraction.high * trace.peak_bytes),
        unit="B",
        basis="modelled",
        source=message("simulation of torch's caching allocator; high end: {source}", source=fraction.source),
    )
    return {
        "allocator": allocator,
        "workspace": _between(8 * MIB, 8 * MIB, 32 * MIB, basis="datasheet", source=_CUBLAS_SOURCE),
        "context": catalogue.constant("cuda_context_bytes"),
    }


def _host_moments(trace: OpTrace, *, libraries: Collection[str]) -> dict[str, dict[str, Estimate]]:
    """While the model is built, when a tensor that is tied afterwards has memory of its own, and in a step."""
    library = sum(_LIBRARY_BYTES[name] for name in _model_libraries(tuple(sorted(libraries))))
    process = {
        "interpreter": _between(257 * MB, 235 * MB, 280 * MB, basis="measured", source=_HOST_SOURCE),
        "libraries": _between(library, 0.8 * library, 1.2 * library, basis="measured", source=_HOST_SOURCE),
    }
    beyond = max(0, (trace.host_held_bytes or trace.peak_bytes) - trace.peak_bytes)
    built = {"built": _exact(trace.built_peak_bytes, source=message("tensor lifetimes of the trace"))}
    in_a_step = {
        "allocator": _between(
            beyond,
            0,
            2 * beyond,
            basis="modelled",
            source=message("simulation of glibc's malloc; {host_source}", host_source=_HOST_SOURCE),
        ),
        "loaded_code": _between(22 * MB, 8 * MB, 45 * MB, basis="measured", source=_HOST_SOURCE),
    }
    return {"build": process | built, "step": process | tensor_terms(trace) | in_a_step}


@functools.cache
def _model_libraries(modules: tuple[str, ...]) -> frozenset[str]:
    """Those of ``_LIBRARY_BYTES`` that importing ``modules`` brings: by name, or because modules of ours import them."""
    found: set[str] = set()
    seen: set[str] = set()
    left = list(modules)
    while left:
        module = left.pop()
        if module in seen:
            continue
        seen.add(module)
        imported = _imported(_source(module))
        found |= _LIBRARY_BYTES.keys() & {name.partition(".")[0] for name in imported}
        left += [name for name in imported if name.startswith(f"{_OURS}.nets.")]
    return frozenset(found)


def _imported(source: str) -> list[str]:
    """Return the modules that the text imports while it is imported itself: not those of its functions or for type checkers."""
    # By the text: importing the modules to see would cost seconds and the memory itself.
    found: list[str] = []
    left: list[ast.AST] = [ast.parse(source)]
    while left:
        node = left.pop()
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # Of the package the names are modules, of a module they are what it defines.
            is_package = node.module == f"{_OURS}.nets"
            found += [f"{node.module}.{alias.name}" for alias in node.names] if is_package else [node.module or ""]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            left += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            left += ast.iter_child_nodes(node)
    return found


def _source(module: str) -> str:
    """The text of a module of ours; of another only that it is imported."""
    package = module.partition(".")[0]
    file = importlib.util.find_spec(module) if package == _OURS else None
    return Path(file.origin).read_text(encoding="utf-8") if file is not None and file.origin else f"import {package}"


def _exact(size: int, *, source: str) -> Estimate:
    # Equal ends: lifetimes of traced tensors are exact, what lies around them is not.
    return _between(size, size, size, basis="modelled", source=source)


def _between(value: float, low: float, high: float, *, basis: Basis, source: str) -> Estimate:
    return Estimate(value=value, low=low, high=high, unit="B", basis=basis, source=source)


def _sum(terms: Iterable[Estimate]) -> Estimate:
    """Ends are added to ends: the terms err together, if they do."""
    parts = tuple(terms)
    return Estimate(
        value=sum(part.value for part in parts),
        low=sum(part.low for part in parts),
        high=sum(part.high for part in parts),
        unit="B",
        basis="modelled",
    )

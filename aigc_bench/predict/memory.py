"""Peak memory of a traced case: what its tensors need, and beside them what the allocator, libraries and context take.

On an accelerator::

    parameters + buffers + optimizer + kv_cache + inputs + step     live tensors, from their traced lifetimes
    + allocator     blocks of torch's caching allocator beyond live tensors (rounding, segments, holes), simulated
    + workspace     what cuBLAS keeps for its products
    + context       the driver's own, before the first tensor

On a CPU the process is counted: the interpreter with its libraries, the code that the first step loads, live tensors, and the
holes that malloc leaves between a step's tensors (torch asks for 64-byte alignment, for which glibc looks for a block larger
than the hole that an equal tensor left).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.predict.optrace import OpTrace

MB, MIB = 10**6, 2**20

_CUBLAS_SOURCE = "PyTorch notes on CUDA semantics: CUBLAS_WORKSPACE_CONFIG, 8 MiB, 32 MiB on Hopper and later"
_HOST_SOURCE = "VmRSS and VmHWM of 13 cases of six families, torch 2.13, glibc 2.36, x86-64, one thread, 2026-11"


class PeakMemory(Record):
    """Bytes by what they are for; ``tensors`` is the peak of live tensors, ``total`` what the device or process must have.

    ``stages`` is the peak of live tensors while each stage runs.
    """

    terms: Mapping[str, Estimate]
    stages: Mapping[str, int]
    tensors: Estimate
    total: Estimate


def peak_memory(trace: OpTrace, *, catalogue: Catalogue | None = None, base_bytes: int | None = None) -> PeakMemory:
    """Peak memory of the case on the kind of device it was traced for.

    ``base_bytes``, for a CPU, is what the process holds before the model is built, where that was measured.
    """
    terms = tensor_terms(trace)
    if trace.backend == "cpu":
        terms.update(_host_terms(trace, base_bytes=base_bytes))
    else:
        terms.update(_device_terms(trace, catalogue=catalogue or load_catalogue()))
    return PeakMemory(
        terms=terms,
        stages={stage.name: trace.resident_bytes + stage.peak_bytes for stage in trace.stages},
        tensors=_exact(trace.peak_bytes, source="tensor lifetimes of the trace"),
        total=_sum(terms.values()),
    )


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
    return {name: _exact(size, source="trace of the workload on meta tensors") for name, size in parts.items()}


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
        source=f"simulation of torch's caching allocator; high end: {fraction.source}",
    )
    return {
        "allocator": allocator,
        "workspace": _between(8 * MIB, 8 * MIB, 32 * MIB, basis="datasheet", source=_CUBLAS_SOURCE),
        "context": catalogue.constant("cuda_context_bytes"),
    }


def _host_terms(trace: OpTrace, *, base_bytes: int | None) -> dict[str, Estimate]:
    """Holes measured 0.1 to 1.2 times the step's tensors on the heap, 0.9 in the middle."""
    heap = trace.heap_step_bytes
    base = _between(396 * MB, 241 * MB, 443 * MB, basis="measured", source=_HOST_SOURCE)
    if base_bytes is not None:
        base = _between(base_bytes, base_bytes, base_bytes, basis="measured", source="the process before it builds the model")
    return {
        "interpreter": base,
        "loaded_code": _between(48 * MB, 19 * MB, 112 * MB, basis="measured", source=_HOST_SOURCE),
        "allocator": _between(0.9 * heap, 0.0, 1.25 * heap, basis="measured", source=_HOST_SOURCE),
    }


def _exact(size: int, *, source: str) -> Estimate:
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

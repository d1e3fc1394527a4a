"""Traces remembered on disk: a case that was traced once, or is shipped, is read back in milliseconds, and without torch.

A trace is named by a hash of everything that a trace depends on: the case, the versions of torch, transformers and diffusers,
and the source of the workload, of the networks and of the tracer itself. Nothing is ever out of date, only unused.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib.metadata
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.core.user_folders import cache_home
from aigc_bench.predict.tracing.optrace import OPTRACE_VERSION, OpTrace
from aigc_bench.predict.tracing.shipped_traces import shipped_trace

_LIBRARIES = ("torch", "transformers", "diffusers")
_PACKAGE = Path(__file__).parent.parent.parent
_SOURCES = (
    "predict/tracing",
    *("nets", "workloads"),
)
_DECISIVE = {"workload", "preset", "mode", "precision", "batch_size", "attention", "gradient_checkpointing", "model"}
"""Fields of a case that change its operators, its settings aside; engine, scenario, threads and seed do not."""


def trace_case(case: Case, *, use_cache: bool = True) -> OpTrace:
    """The operators of one step of the case on one device; from the package or the cache where it was traced before.

    Raises ``UnknownNameError`` or ``UsageError`` where the case names or asks for what does not exist.
    """
    key = trace_key(case)
    path = cache_folder() / f"{key}.json"
    found = (shipped_trace(key) or _read(path)) if use_cache else None
    if found is not None:
        return found
    with _uncollected():
        from aigc_bench.predict.tracing.trace import trace

        traced = trace(case)
    if use_cache:
        _write(path, traced)
    return traced


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for cycles: libraries of models make a million objects that stay, and each search walks them all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def cache_folder() -> Path:
    """``aigc-bench/traces`` in the user's cache."""
    return cache_home() / "aigc-bench" / "traces"


def trace_key(case: Case) -> str:
    """A hash of all that the trace depends on."""
    workload = registry.load("workloads", case.workload)
    workload.validate(case)
    parts = {
        "version": OPTRACE_VERSION,
        "case": case.model_dump(mode="json", include=_DECISIVE),
        "settings": workload.options(case).model_dump(mode="json"),
        "is_cpu": case.backend == "cpu",
        "libraries": library_versions(),
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode() + _own_sources(case.workload))
    for file in _workload_source(workload):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


@functools.cache
def _own_sources(workload: str) -> bytes:
    """A hash of the files of this package that decide the workload's traces, which stay while we run; other families' do not."""
    digest = hashlib.sha256()
    for path in (_PACKAGE / name for name in _SOURCES):
        files = sorted(file for file in path.rglob("*") if file.suffix in (".py", ".json")) if path.is_dir() else [path]
        for file in files:
            is_shared = file.stem.startswith("_") or file.stem in ("base", workload)
            if file.parent.name != "workloads" or is_shared:
                digest.update(file.read_bytes())
    return digest.digest()


def _workload_source(workload: object) -> Iterator[Path]:
    """The file that defines a third party's workload; one without a file has none to change."""
    file = getattr(sys.modules.get(type(workload).__module__), "__file__", None)
    if file is not None and not Path(file).is_relative_to(_PACKAGE):
        yield Path(file)


@functools.cache
def library_versions() -> dict[str, str | None]:
    """Versions of the libraries that define the operators, without the label of a build (``+cpu``), which changes none."""
    return {name: _version(name) for name in _LIBRARIES}


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> OpTrace | None:
    """The trace in a file; a file that is absent, cut short or not ours is no trace."""
    try:
        return OpTrace.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, traced: OpTrace) -> None:
    """Put the trace in its place at once and whole; a folder that cannot be written costs only time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
            file.write(traced.model_dump_json())
        Path(file.name).replace(path)

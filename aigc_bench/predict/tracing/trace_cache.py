"""Traces remembered on disk: a case that was traced once, or is shipped, is read back in milliseconds, and without torch.

A trace is named by a hash of everything that a trace depends on: the case, the versions of torch, transformers and diffusers,
and the source of the workload, of the networks and of the tracer itself. Nothing is ever out of date, only unused.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from pydantic import ValidationError

from aigc_bench.core.collection import uncollected
from aigc_bench.core.records import Case
from aigc_bench.core.user_folders import cache_home
from aigc_bench.predict.tracing.keys import trace_key
from aigc_bench.predict.tracing.optrace import OpTrace
from aigc_bench.predict.tracing.shipped_traces import shipped_trace


def trace_case(case: Case, *, use_cache: bool = True) -> OpTrace:
    """The operators of one step of the case on one device; from the package or the cache where it was traced before.

    Raises ``UnknownNameError`` or ``UsageError`` where the case names or requests what does not exist.
    """
    key = trace_key(case)
    path = cache_folder() / f"{key}.json"
    found = (shipped_trace(case) or _read(path)) if use_cache else None
    if found is not None:
        return found
    with uncollected():  # libraries of models make a million objects that stay
        from aigc_bench.predict.tracing.trace import trace

        traced = trace(case)
    if use_cache:
        _write(path, traced)
    return traced


def cache_folder() -> Path:
    """``aigc-bench/traces`` in the user's cache."""
    return cache_home() / "aigc-bench" / "traces"


def _read(path: Path) -> OpTrace | None:
    """The trace in a file; a file that is absent, cut short or not ours is no trace."""
    try:
        return OpTrace.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, traced: OpTrace) -> None:
    """Store the trace atomically; a folder that cannot be written costs only time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder: a rename is atomic within one file system only, and several processes may write one trace.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
            file.write(traced.model_dump_json())
        Path(file.name).replace(path)

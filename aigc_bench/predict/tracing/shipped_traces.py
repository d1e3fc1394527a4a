"""Traces that come with the package: the cases of the profiles, and those of presets and scenarios that plans begin with.

``data/traces/keys.json`` names, by the key of ``trace_cache``, the file and the place in it. A key covers the sources and the
versions of the libraries: a trace that would come out otherwise here is not found. ``benchmarks/ship_traces.py`` writes them anew.
"""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from aigc_bench.predict.tracing.optrace import OpTrace

FOLDER = Path(__file__).parent.parent / "data" / "traces"
KEYS = "keys.json"
_TRACES: TypeAdapter[tuple[OpTrace, ...]] = TypeAdapter(tuple[OpTrace, ...])


def shipped_trace(key: str) -> OpTrace | None:
    """The trace of this key, or ``None`` where none is shipped."""
    place = _places().get(key)
    if place is None:
        return None
    file, index = place
    return read_traces(FOLDER / file)[index]


def shipped_keys(folder: Path = FOLDER) -> dict[str, Any]:
    """``libraries``: versions that the traces were made with; ``keys``: file and index of each key."""
    found: dict[str, Any] = json.loads((folder / KEYS).read_text(encoding="utf-8"))
    return found


@functools.cache
def _places() -> dict[str, tuple[str, int]]:
    return {key: (file, index) for key, (file, index) in shipped_keys()["keys"].items()}


def read_traces(path: Path) -> tuple[OpTrace, ...]:
    """All traces of a file, by growing batch size."""
    return _TRACES.validate_json(gzip.decompress(path.read_bytes()))


def write_traces(path: Path, traces: tuple[OpTrace, ...]) -> None:
    """The file of these traces; equal traces make equal bytes."""
    path.write_bytes(gzip.compress(_TRACES.dump_json(traces), 9, mtime=0))

"""Traces that come with the package: the cases of the profiles, and those of presets and scenarios that plans begin with.

``data/traces/keys/<family>.json`` names, by ``case_key``, the file of a trace and the place in it. A trace holds while the sources
that decide it mean what they meant when it was made (``sources.json``); one that might come out otherwise here is not used.
``benchmarks/ship_traces.py`` writes them anew.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.keys import FOLDER, case_key, deciding_files, meaning, recorded
from aigc_bench.predict.tracing.optrace import OpTrace

KEYS = "keys"
LIBRARIES = "libraries.json"
_TRACES: TypeAdapter[tuple[OpTrace, ...]] = TypeAdapter(tuple[OpTrace, ...])


def shipped_trace(case: Case) -> OpTrace | None:
    """The trace of this case, or ``None`` where none is shipped that holds for today's sources and libraries."""
    place = shipped_keys(case.workload).get(case_key(case))
    # The key first, by a look-up: comparing sources reads every deciding file.
    if place is None or not _is_of_todays_sources(case.workload):
        return None
    file, index = place
    return read_traces(FOLDER / file)[index]


@functools.cache
def shipped_keys(workload: str) -> Mapping[str, tuple[str, int]]:
    """Key of a case of the family -> the file of its trace and the place in it; nothing for a family that ships none."""
    path = FOLDER / KEYS / f"{workload}.json"
    if not path.is_file():
        return {}
    return {key: (file, index) for key, (file, index) in json.loads(path.read_text(encoding="utf-8")).items()}


def shipped_libraries() -> dict[str, str | None]:
    """Versions of the libraries that the traces were made with."""
    found: dict[str, str | None] = json.loads((FOLDER / LIBRARIES).read_text(encoding="utf-8"))
    return found


@functools.cache
def _is_of_todays_sources(workload: str) -> bool:
    files = recorded()
    # data/traces lies in predict/, which lies in the package.
    package = FOLDER.parents[2]
    return all(
        meaning(file) == files.get(file.relative_to(package).as_posix(), (None, None))[1] for file in deciding_files(workload)
    )


def read_traces(path: Path) -> tuple[OpTrace, ...]:
    """All traces of a file, by growing batch size."""
    return _TRACES.validate_json(gzip.decompress(path.read_bytes()))


def write_traces(path: Path, traces: tuple[OpTrace, ...]) -> None:
    """The file of these traces; equal traces make equal bytes."""
    # mtime=0: gzip's header would otherwise hold the time of writing.
    path.write_bytes(gzip.compress(_TRACES.dump_json(traces), 9, mtime=0))

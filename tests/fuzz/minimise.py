"""A finding made small: whatever can be left out while the same fault is found again is left out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.batches import Task, read_all
from tests.fuzz.outcome import Files

MOST_TRIALS = 1_000
_TOGETHER = 50
"""Candidates that one child reads: the first that still shows the fault is kept."""


def minimised(files: Files, *, read: Callable[[Path], None], what: str, trials: int = MOST_TRIALS) -> Files:
    """The smallest input found within that many trials that ``read`` finds the fault ``what`` in."""
    kept, left = dict(files), trials
    candidates = _smaller_inputs(kept)
    while left > 0 and (some := list(itertools.islice(candidates, _TOGETHER))):
        left -= len(some)
        found = _first_same(some, read=read, what=what)
        if found is not None:
            kept = found
            candidates = _smaller_inputs(kept)
    return kept


def _first_same(candidates: list[dict[str, bytes]], *, read: Callable[[Path], None], what: str) -> dict[str, bytes] | None:
    tasks = [Task(number, lambda number=number: candidates[number], read) for number in range(len(candidates))]  # type: ignore[misc]
    done = read_all(tasks, num_children=1, batch=len(tasks))
    same = [one.number for one in done if one.outcome.kind == "finding" and one.outcome.what == what]
    return min((candidates[number] for number in same), key=_size, default=None)


def _size(files: Files) -> int:
    return sum(len(name) + len(content) for name, content in files.items())


def _smaller_inputs(files: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    if len(files) > 1:
        yield from ({name: content for name, content in files.items() if name != left} for left in files)
    for name in sorted(files, key=lambda key: -len(files[key])):
        yield from ({**files, name: smaller} for smaller in _smaller(files[name]) if len(smaller) < len(files[name]))


def _smaller(content: bytes) -> Iterator[bytes]:
    """Candidates, the greatest savings first: parts of JSON, then lines, then bytes left out."""
    yield b""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict | list):
        yield from (json.dumps(tree).encode() for tree in _pruned(parsed))
    yield from (b"\n".join(part) for part in _without_stretches(content.split(b"\n")))
    if len(content) < 50_000:
        yield from (bytes(part) for part in _without_stretches(list(content)))


def _without_stretches(parts: list[Any]) -> Iterator[list[Any]]:
    size = len(parts) // 2
    while size >= 1:
        for start in range(0, len(parts), size):
            yield parts[:start] + parts[start + size :]
        size = size // 2 if size > 8 or len(parts) < 60 else 0


def _pruned(tree: Any) -> Iterator[Any]:
    """The tree without one of its parts, from the top down."""
    if isinstance(tree, dict):
        yield from ({key: value for key, value in tree.items() if key != left} for left in tree)
        for key, inner in tree.items():
            yield from ({**tree, key: smaller} for smaller in _pruned(inner))
    elif isinstance(tree, list):
        yield from _without_stretches(tree)
        for at, inner in enumerate(tree):
            yield from ([*tree[:at], smaller, *tree[at + 1 :]] for smaller in _pruned(inner))

"""A run whose every string is hostile: what a mailed folder can hold and still be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aigc_bench import api
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.measure.store import Run, load_run
from tests.hostile import WORDS

FILES = ("run.json", "results.jsonl")
SPELL = "".join(word for word in WORDS if "\ud800" not in word).replace("\x00", "")
"""The reader of runs refuses lone surrogates and NUL."""


def poison(folder: Path, *, with_numbers: bool) -> tuple[Run, int]:
    """Put hostile text behind every string of a run that it can hold; return the run and how many they are.

    A string can, where the run is still read, and ``with_numbers`` where it still has as many numbers to show. The same string
    becomes the same hostile one everywhere, so that cases still belong to their results.
    """
    before = {name: (folder / name).read_text() for name in FILES}
    expected = _worth(folder, with_numbers=with_numbers)
    spelled: dict[str, str] = {}
    for number, text in enumerate(dict.fromkeys(_strings(before))):
        wanted = {**spelled, text: f"{text}{SPELL}{number}"}
        _write(folder, before, wanted)
        if _worth(folder, with_numbers=with_numbers) == expected:
            spelled = wanted
    _write(folder, before, spelled)
    return load_run(folder), len(spelled)


def _worth(folder: Path, *, with_numbers: bool) -> int:
    """How many trials the run has, or numbers; -1 where it is not read."""
    try:
        run = load_run(folder)
        return sum(row.value is not None for row in api.rows(run)) if with_numbers else len(run.trials)
    except AigcBenchError:
        return -1


def _documents(texts: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    yield "run.json", json.loads(texts["run.json"])
    yield from (("results.jsonl", json.loads(line)) for line in texts["results.jsonl"].split("\n") if line)


def _strings(texts: Mapping[str, str]) -> Iterator[str]:
    found: list[str] = []
    for _, document in _documents(texts):
        _changed(document, lambda text: found.append(text) or text)  # type: ignore[func-returns-value]
    return iter(found)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every string in it changed, names of members too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): _changed(one, change) for name, one in value.items()}
    return [_changed(one, change) for one in value] if isinstance(value, list) else value


def _write(folder: Path, texts: Mapping[str, str], spelled: Mapping[str, str]) -> None:
    lines: dict[str, list[str]] = {}
    for name, document in _documents(texts):
        lines.setdefault(name, []).append(json.dumps(_changed(document, lambda one: spelled.get(one, one))))
    for name, found in lines.items():
        (folder / name).write_text("\n".join(found) + "\n")

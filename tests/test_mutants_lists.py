"""The files that mutation testing changes and runs exist: a renamed one would be left out of the scores."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.mutants.score import EQUIVALENT, SOURCES, TESTS

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("pattern", sorted({pattern for patterns in SOURCES.values() for pattern in patterns}))
def test_every_source_is_there(pattern: str) -> None:
    assert list((ROOT / "aigc_bench").glob(f"{pattern}.py"))


@pytest.mark.parametrize("name", sorted({name for names in TESTS.values() for name in names}))
def test_every_test_is_there(name: str) -> None:
    assert (ROOT / "tests" / name).exists()


def test_every_function_with_an_equivalent_mutant_is_there() -> None:
    named = {entry["function"] for entry in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]}
    missing = []
    for function in sorted(named):
        parts = function.split(".")
        end = next(end for end in range(len(parts), 0, -1) if ROOT.joinpath(*parts[:end]).with_suffix(".py").exists())
        text = ROOT.joinpath(*parts[:end]).with_suffix(".py").read_text(encoding="utf-8")
        if not all(re.search(rf"(def|class) {re.escape(part)}\b", text) for part in parts[end:]):
            missing.append(function)
    assert missing == []

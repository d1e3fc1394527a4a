"""docs/reliability.md tells of exactly the faults that tests/faults tries, with what is expected of each."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults.page import read_rows

MODULES = sorted(file.stem for file in (Path(__file__).parent / "faults").glob("test_*.py"))


def declared(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Fault and expectation of each test of a module, in the order of its lines."""
    tests = [test for name, test in vars(module).items() if name.startswith("test_") and inspect.isfunction(test)]
    for test in sorted(tests, key=lambda test: test.__code__.co_firstlineno):
        for mark in test.__dict__["pytestmark"]:
            cases = mark.args[1] if mark.name == "parametrize" else ()
            for found in (mark, *(inner for case in cases for inner in getattr(case, "marks", ()))):
                if found.name == "fault":
                    yield found.args[0], found.kwargs["expected"]


def test_the_page_tells_of_each_fault_that_is_tried() -> None:
    faults = [one for name in MODULES for one in declared(importlib.import_module(f"tests.faults.{name}"))]
    assert len(faults) > 30
    assert [(row.fault, row.expected) for row in read_rows()] == faults


def test_something_was_seen_of_each_fault() -> None:
    assert all(row.seen for row in read_rows())


@pytest.mark.parametrize("name", MODULES)
def test_every_test_of_a_fault_names_it(name: str) -> None:
    module = importlib.import_module(f"tests.faults.{name}")
    for test in (found for key, found in vars(module).items() if key.startswith("test_")):
        marks = test.__dict__["pytestmark"]
        cases = [case for mark in marks if mark.name == "parametrize" for case in mark.args[1]]
        assert any(mark.name == "fault" for mark in marks) or all(case.marks for case in cases), test.__name__

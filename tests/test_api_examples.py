"""The examples in the docstrings of the Python API run and print what they say."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path

import pytest

import aigc_bench as ab
from aigc_bench import api

ROOT = Path(__file__).resolve().parent.parent
NEEDS_A_RUN = {"run", "resume", "report", "doctor"}
"""These measure, write, or answer differently on each machine; tests of their own run them."""


def examples() -> list[doctest.DocTest]:
    parser = doctest.DocTestParser()
    functions = {name: value for name in api.__all__ if inspect.isfunction(value := getattr(api, name))}
    tests = [parser.get_doctest(inspect.getdoc(value) or "", {"ab": ab}, name, None, 0) for name, value in functions.items()]
    return [test for test in tests if test.examples]


@pytest.fixture
def in_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory to write into, with the sample run and the example demands of the project."""
    for folder in ("reports", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_an_example_prints_what_it_says(example: doctest.DocTest) -> None:
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    outcome = doctest.DocTestRunner(optionflags=flags).run(example, out=said.append, clear_globs=False)
    assert not outcome.failed, "".join(said)


def test_every_function_at_the_top_has_an_example() -> None:
    functions = {name for name in ab.__all__ if inspect.isfunction(getattr(ab, name))}
    assert functions - NEEDS_A_RUN <= {test.name for test in examples()}

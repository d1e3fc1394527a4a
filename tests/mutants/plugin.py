"""A pytest plugin for the runs of mutmut: which test reaches which function, the fastest first, a CPU limit for each test."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from mutmut.state import state

DURATIONS = Path("durations.json")
BUDGET_S = 5.0
"""The CPU time that the tests of one mutant may take; the slowest of them are left out, which can only lower a score."""
LIMIT_RATIO, LIMIT_FLOOR_S = 5.0, 12.0
"""A test that takes five times its CPU time, and what a fixture or a first plan may take besides, never ends: a kill."""

OURS = ("aigc_bench", "tests")

reached_by_fixture: dict[int, set[str]] = {}
duration_s: dict[str, float] = {}


def is_recording() -> bool:
    return os.environ.get("MUTANT_UNDER_TEST") == "stats"


def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` such that a cached answer counts as a call of everything that its first computation reached."""
    reached: dict[Any, set[str]] = {}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before, state()._stats = state()._stats, set()
        misses = function.cache_info().misses
        try:
            return function(*args, **kwargs)
        finally:
            key = (args, tuple(sorted(kwargs.items())))
            if function.cache_info().misses > misses:
                reached[key] = set(state()._stats)
            state()._stats |= before | reached.get(key, set())

    call.cache_clear, call.cache_info = function.cache_clear, function.cache_info  # type: ignore[attr-defined]
    return call


def record_caches() -> None:
    """Have every cache that is made from now on tell what a cached answer rests on."""
    lru_cache = functools.lru_cache

    def recording(maxsize: Any = 128, typed: bool = False) -> Any:
        if callable(maxsize):
            return recorded(lru_cache(maxsize))
        return lambda function: recorded(lru_cache(maxsize, typed)(function))

    functools.lru_cache = recording  # type: ignore[assignment]
    functools.cache = lambda function: recorded(lru_cache(None)(function))  # type: ignore[assignment]


if is_recording():
    record_caches()

hypothesis.settings.register_profile(
    "mutants", derandomize=True, database=None, deadline=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)
"""The same examples for every mutant, and none made smaller: one that fails is enough."""


def pytest_collection_finish() -> None:
    """What was called while modules were imported is no test's doing."""
    state()._stats.clear()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    before, state()._stats = state()._stats, set()
    try:
        return (yield)
    finally:
        reached_by_fixture[id(fixturedef)] = set(state()._stats)
        state()._stats |= before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    yield
    for definitions in item._fixtureinfo.name2fixturedefs.values():  # type: ignore[attr-defined]
        for definition in definitions:
            state()._stats |= reached_by_fixture.get(id(definition), set())


def pytest_sessionfinish() -> None:
    if is_recording():
        DURATIONS.write_text(json.dumps(known_durations() | duration_s))


def pytest_configure() -> None:
    """Keep the files of this process's tests apart from those of all others, which come and go meanwhile."""
    Path("tmp").mkdir(exist_ok=True)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(dir=Path("tmp").resolve())


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["PYTEST_DEBUG_TEMPROOT"], ignore_errors=True)


def pytest_sessionstart() -> None:
    """Take the profile for mutants, after conftest's, and forget what was computed before the mutant was set."""
    hypothesis.settings.load_profile("mutants")
    ours = [] if is_recording() else [module for name, module in sys.modules.items() if name.partition(".")[0] in OURS]
    for thing in (thing for module in ours for thing in list(vars(module).values()) if hasattr(thing, "cache_clear")):
        thing.cache_clear()


@functools.cache
def known_durations() -> dict[str, float]:
    known: dict[str, float] = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    return known


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if is_recording() or not (known := known_durations()):
        return
    items.sort(key=lambda item: known.get(item.nodeid, 0.0))
    spent_s = 0.0
    for place, item in enumerate(items):
        spent_s += known.get(item.nodeid, 0.0)
        if spent_s > BUDGET_S and place > 0:
            del items[place:]
            return


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Record a test's CPU time, or end the process where it takes far more than that; the kernel does, whatever the code does."""
    if is_recording():
        started_s = cpu_s()
        result = yield
        duration_s[item.nodeid] = cpu_s() - started_s
        return result
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_FLOOR_S + LIMIT_RATIO * known_durations().get(item.nodeid, 0.0))
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def cpu_s() -> float:
    return sum(os.times()[:4])

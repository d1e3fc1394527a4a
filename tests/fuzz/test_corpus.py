"""Every finding that there ever was is read again, and the machinery that makes findings does what it says."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from tests.fuzz import written
from tests.fuzz.batches import Task, read_all
from tests.fuzz.corpus import entries, files_of
from tests.fuzz.kinds import all_kinds, demand
from tests.fuzz.minimise import minimised
from tests.fuzz.outcome import Files, outcome_of
from tests.fuzz.whole import run_command

TEXT_KINDS = ("demand", "arrivals", "profile", "catalogue", "catalogue-csv", "table", "trace", "model", "safetensors")


@pytest.mark.parametrize(("kind", "folder"), entries(), ids=lambda value: value.name if isinstance(value, Path) else value)
def test_no_finding_comes_back(kind: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "input"
    shutil.copytree(folder, place)
    name, _, whole = kind.partition("-whole")
    chosen = all_kinds()[name if kind.endswith("-whole") else kind]
    readers = (
        [chosen.read]
        if not kind.endswith("-whole")
        else [lambda path, words=words: run_command(words, path) for words in chosen.commands]
    )
    assert not whole
    for read in readers:
        outcome = outcome_of(read, place)
        assert outcome.kind != "finding", f"{outcome.what}\n{outcome.text}\n{outcome.trace}"


@pytest.mark.parametrize("name", TEXT_KINDS)
def test_a_few_inputs_of_every_kind_of_text_are_read_or_refused(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same mutations with hypothesis as the source of chance: what it finds, it shrinks."""
    kind = all_kinds()[name]

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def reads(draw: object) -> None:
        folder = tmp_path_factory.mktemp("input")
        for file, content in kind.make(draw).items():  # type: ignore[arg-type]
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        outcome = outcome_of(kind.read, folder)
        assert outcome.kind != "finding", f"{outcome.what}\n{outcome.text}\n{outcome.trace}"

    reads()


@pytest.mark.parametrize("name", all_kinds())
def test_an_input_is_the_same_for_ever(name: str) -> None:
    kind = all_kinds()[name]
    kind.prepare()
    assert [kind.input(number) for number in range(3)] == [kind.input(number) for number in range(3)]


def _hangs(_folder: Path) -> None:
    while True:
        pass


def _eats(_folder: Path) -> None:
    kept = []
    while True:
        kept.append(bytes(10**7))


def _dies(_folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _refuses(_folder: Path) -> None:
    raise UsageError("demand.toml: not TOML.")


def _shows_an_object(_folder: Path) -> None:
    raise UsageError(f"cannot read {object()}")


def _sleeps_well(_folder: Path) -> None:
    time.sleep(0)


@pytest.mark.parametrize(
    ("read", "kind", "what"),
    [
        (_hangs, "finding", "over 0.2 s of CPU time"),
        (_eats, "finding", "over the limit of memory at"),
        (_dies, "finding", "the process died: SIGKILL"),
        (_shows_an_object, "finding", "shows an address"),
        (_refuses, "refused", ""),
        (_sleeps_well, "accepted", ""),
    ],
)
def test_what_goes_wrong_is_a_finding_and_the_next_input_is_read_all_the_same(read: object, kind: str, what: str) -> None:
    def nothing() -> Files:
        return {"x": b""}

    tasks = [Task(0, nothing, read, 0.2, 1 << 28), Task(1, nothing, _sleeps_well)]  # type: ignore[arg-type]
    done = {one.number: one.outcome for one in read_all(tasks, num_children=1)}
    assert (done[0].kind, done[1].kind) == (kind, "accepted")
    assert what in done[0].what


def test_a_finding_is_made_small() -> None:
    def read(folder: Path) -> None:
        for file in folder.iterdir():
            if b"bad" in file.read_bytes():
                raise ValueError

    outcome = next(iter(read_all([Task(0, lambda: {"a": b"bad"}, read)], num_children=1))).outcome
    large = {"a": b"one\ntwo\nthis is bad\nthree\n" * 4, "b": b"good"}
    assert minimised(large, read=read, what=outcome.what) == {"a": b"bad"}


def test_the_corpus_holds_small_files() -> None:
    sizes = {f"{folder.name}/{name}": len(content) for _, folder in entries() for name, content in files_of(folder).items()}
    assert {name: size for name, size in sizes.items() if size > 64_000} == {}


def test_every_demand_that_is_changed_is_sound_before(tmp_path: Path) -> None:
    """A base that is refused as it stands would leave nothing of its kind to be read."""
    for number, tree in enumerate(demand.examples()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / demand.FILE).write_bytes(written.as_toml(tree))
        (folder / demand.ARRIVALS).write_bytes(demand.arrivals())
        demand.read_folder(folder)

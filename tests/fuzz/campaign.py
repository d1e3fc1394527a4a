"""So many inputs of each kind, read and judged; every fault once, made small."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.fuzz.batches import Task, read_all, write_files
from tests.fuzz.corpus import folder_name
from tests.fuzz.kinds import Kind
from tests.fuzz.minimise import minimised
from tests.fuzz.outcome import Outcome


@dataclass(kw_only=True)
class Tally:
    """What came of the inputs of a kind. ``findings`` has, by fault, how often it was met, and an input that meets it."""

    kind: str
    num_inputs: int = 0
    num_accepted: int = 0
    num_refused: int = 0
    slowest_s: float = 0.0
    largest_bytes: int = 0
    wall_s: float = 0.0
    accepted: list[int] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)
    met: dict[str, tuple[int, Outcome]] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """One line for a person."""
        return (
            f"{self.kind:14} {self.num_inputs:7,} inputs  {self.num_accepted:7,} accepted  {self.num_refused:7,} refused"
            f"  {sum(self.findings.values()):5,} findings of {len(self.findings)} faults"
            f"  slowest {self.slowest_s:6.2f} s CPU  largest {self.largest_bytes / 2**20:6.0f} MiB  {self.wall_s:6.0f} s"
        )


def fuzzed(kind: Kind, *, count: int, seed: int, num_children: int, told: Callable[[str], None]) -> Tally:
    """Read that many inputs of a kind."""
    kind.prepare()
    tally, started = Tally(kind=kind.name), time.monotonic()
    tasks = [Task(number, partial(kind.input, number, seed=seed), kind.read) for number in range(count)]
    for done in read_all(tasks, num_children=num_children):
        add(tally, done.number, done.outcome, cpu_s=done.cpu_s, grown_bytes=done.grown_bytes, told=told)
    tally.wall_s = time.monotonic() - started
    return tally


def add(tally: Tally, number: int, outcome: Outcome, *, cpu_s: float, grown_bytes: int, told: Callable[[str], None]) -> None:
    """Count one outcome; a fault that is met for the first time is told."""
    tally.num_inputs += 1
    tally.slowest_s = max(tally.slowest_s, cpu_s)
    tally.largest_bytes = max(tally.largest_bytes, grown_bytes)
    if outcome.kind == "accepted":
        tally.num_accepted += 1
        tally.accepted.append(number)
    elif outcome.kind == "refused":
        tally.num_refused += 1
    else:
        if outcome.what not in tally.findings:
            tally.met[outcome.what] = (number, outcome)
            told(f"{tally.kind} {number}: {outcome.what}: {outcome.text[:200]!r}")
        tally.findings[outcome.what] += 1


def keep_findings(kind: Kind, tally: Tally, *, seed: int, folder: Path, is_small: bool = True) -> list[Path]:
    """Write an input of every fault, minimised, with what was said, below ``folder/KIND``."""
    written = []
    for what, (number, outcome) in tally.met.items():
        files = kind.input(number, seed=seed)
        small = minimised(files, read=kind.read, what=what) if is_small else files
        place = folder / kind.name / folder_name(what)
        write_files(small, place)
        notes = f"{what}\nnumber {number}, seed {seed}, met {tally.findings[what]} times\n\n{outcome.text}\n\n{outcome.trace}\n"
        (folder / kind.name / f"{folder_name(what)}.txt").write_text(notes, encoding="utf-8", errors="backslashreplace")
        written.append(place)
    return written


def usable_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))

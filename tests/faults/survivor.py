"""What a run must be after any fault: readable, its finished trials kept, no number that is none, no process left."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.processes import new_mark, orphans
from tests.measure.bench import KNOWN_RATE, Bench, trials

NUM_TRIALS = 3
LIMIT_S = 600


@dataclass(kw_only=True)
class Survivor:
    """A run of the case whose rate is known, in ``run``; its processes carry ``mark``."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = "out"
    mark: dict[str, str] = field(default_factory=new_mark)

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / self.name

    @property
    def bench(self) -> Bench:
        """The program, with the mark."""
        return Bench(folder=self.folder, env={**self.mark, **self.env})

    def start(self, *cases: str, more: tuple[object, ...] = ()) -> subprocess.Popen[str]:
        """Start the run and leave it to the fault."""
        return self.bench.start("run", "--profile", self.bench.profile(*(cases or (KNOWN_RATE,))), "--out", self.run, *more)

    def resume(self) -> subprocess.CompletedProcess[str]:
        """Finish it."""
        return self.bench("run", "--resume", self.run)

    def wait_for_trials(self, count: int) -> list[dict[str, Any]]:
        """The finished trials as soon as that number is reached."""
        wait_until(lambda: len(trials(self.run)) >= count)
        return trials(self.run)

    def rows(self) -> list[dict[str, Any]]:
        """What ``show --json`` prints; a number that is none is an error."""
        done = self.bench("show", self.run, "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout, parse_constant=_refuse)
        return found

    def reasons(self) -> set[str]:
        """The codes of all verdicts."""
        return {code for row in self.rows() for code in row["reasons"]}

    def check_readable(self, *, kept: list[dict[str, Any]] | None = None) -> str:
        """Assert that the run can be read, holds the trials it held, and has left no process."""
        assert not orphans(self.mark)
        self.rows()
        now = trials(self.run)
        assert now[: len(kept or [])] == (kept or [])
        times = Counter((trial["case"], trial["trial"]) for trial in now)
        assert all(count == 1 for count in times.values())
        return "readable, nothing lost, no process left"

    def check_whole(self, num: int = NUM_TRIALS) -> str:
        """Assert that every trial was run once."""
        self.check_readable()
        assert len(trials(self.run)) == num
        return f"{num} of {num} trials, none twice"


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} in JSON")


def wait_until(condition: Callable[[], Any], *, timeout_s: float = LIMIT_S) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and stderr of a started program."""
    _, errors = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in errors and "fault of aigc-bench" not in errors, errors
    return process.returncode, errors


def error_line(errors: str) -> str:
    """The one line that tells of the error."""
    (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    return line

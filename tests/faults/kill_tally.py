"""Kill runs of the smoke profile at random moments and count what is lost: ``python -m tests.faults.kill_tally --kills 200``.

Signal, victim and moment of each kill are drawn from a seed. A run folder takes several kills: whenever the parent has ended, the
run is resumed in it, until every trial is finished. The exit code is 0 where nothing was lost, repeated, left behind or unreadable.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.processes import ROLES, Role, new_mark, orphans, pid_of

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
KILLS_PER_RUN = 8
SESSION_LIMIT_S = 1200.0
_PROGRAM = (sys.executable, "-m", "aigc_bench")


@dataclass(kw_only=True)
class Tally:
    """What happened to all runs."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    sessions: int = 0
    lost: int = 0
    run_twice: int = 0
    orphans: int = 0
    unreadable: int = 0
    tracebacks: int = 0
    unfinished: int = 0
    too_early: int = 0
    """Interrupts of Python itself, before the first line of the program: it says so in its own way."""
    notes: list[str] = field(default_factory=list)

    @property
    def num_kills(self) -> int:
        """Signals sent."""
        return sum(self.kills.values())

    def is_clean(self) -> bool:
        """Whether nothing was lost, repeated or left behind."""
        return not any((self.lost, self.run_twice, self.orphans, self.unreadable, self.tracebacks, self.unfinished))

    def lines(self) -> list[str]:
        """The tally as it is printed."""
        by = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        return [
            f"kills                     {self.num_kills}  ({by})",
            f"run folders               {self.runs}",
            f"sessions (with resumes)   {self.sessions}",
            f"finished trials lost      {self.lost}",
            f"trials run twice          {self.run_twice}",
            f"orphans                   {self.orphans}",
            f"unreadable folders        {self.unreadable}",
            f"tracebacks                {self.tracebacks}",
            f"runs not finished         {self.unfinished}",
            f"interrupts of a Python that had not begun the program  {self.too_early}",
            *self.notes,
        ]


@dataclass(kw_only=True)
class Victim:
    """One run folder, with what was seen finished in it."""

    folder: Path
    words: tuple[str, ...]
    finished: list[bytes] = field(default_factory=list)


def results(folder: Path) -> list[bytes]:
    """The whole lines of ``results.jsonl``."""
    file = folder / "results.jsonl"
    return file.read_bytes().split(b"\n")[:-1] if file.is_file() else []


def check(victim: Victim, tally: Tally, *, reported: int) -> None:
    """Count what a session has done to its folder; ``reported`` is how many trials were said to be finished in it."""
    now = results(victim.folder)
    kept = now[: len(victim.finished)]
    tally.lost += sum(before != after for before, after in zip(victim.finished, kept, strict=False))
    tally.lost += max(0, len(victim.finished) - len(now)) + max(0, reported - (len(now) - len(victim.finished)))
    names = Counter((line["case"], line["trial"]) for line in map(json.loads, now))
    tally.run_twice += sum(count - 1 for count in names.values())
    victim.finished = now
    if (victim.folder / "run.json").exists() or now:
        shown = subprocess.run([*_PROGRAM, "show", str(victim.folder), "--json"], capture_output=True, text=True, check=False)
        if shown.returncode != 0:
            tally.unreadable += 1
            tally.notes.append(f"unreadable: {shown.stderr.strip()}")


def session(victim: Victim, tally: Tally, *, draw: random.Random, max_kills: int) -> bool:
    """Start or resume the run and send it signals until its parent has ended; whether it ended by itself, all trials finished."""
    mark = new_mark()
    is_begun = (victim.folder / "run.json").exists()
    words = ("run", "--resume", str(victim.folder)) if is_begun else (*victim.words, "--out", str(victim.folder))
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([*_PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, **mark})
        tally.sessions += 1
        deadline = time.monotonic() + SESSION_LIMIT_S
        while max_kills > 0 and process.poll() is None:
            role, number, wait_s = draw.choice(ROLES), draw.choice(SIGNALS), draw.uniform(0.1, 6.0)
            if _strike(process, role, number, mark=mark, at=time.monotonic() + wait_s):
                tally.kills[f"{number.name} of {role}"] += 1
                max_kills -= 1
        code = process.wait(timeout=max(1.0, deadline - time.monotonic()))
        left = orphans(mark)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    tally.orphans += len(left)
    for one in left:
        tally.notes.append(f"orphan: {one}")
        os.kill(one.pid, signal.SIGKILL)
    if "Traceback" in said or "fault of aigc-bench" in said:
        is_ours = "aigc_bench" in said or "fault of aigc-bench" in said
        tally.tracebacks += is_ours
        tally.too_early += not is_ours
        tally.notes.append(said.strip()[-2000:])
    check(victim, tally, reported=sum(line.startswith("[") for line in said.splitlines()))
    return code in (0, 3)


def _strike(process: subprocess.Popen[bytes], role: Role, number: signal.Signals, *, mark: dict[str, str], at: float) -> bool:
    """Send the signal at that moment, or as soon after it as the victim lives; false where the run ended first."""
    while process.poll() is None:
        pid = process.pid if role == "parent" else pid_of(role, mark) if time.monotonic() >= at else None
        if time.monotonic() >= at and pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            return True
        time.sleep(0.02)
    return False


def kill_runs(num_kills: int, *, seed: int, words: tuple[str, ...], folder: Path) -> Tally:
    """Send ``num_kills`` signals to runs below ``folder``."""
    draw = random.Random(seed)
    tally = Tally()
    while tally.num_kills < num_kills:
        tally.runs += 1
        victim = Victim(folder=folder / f"run-{tally.runs}", words=words)
        before = tally.num_kills
        is_finished = False
        while not is_finished:
            left = min(KILLS_PER_RUN - (tally.num_kills - before), num_kills - tally.num_kills)
            is_finished = session(victim, tally, draw=draw, max_kills=left)
            if not is_finished and left == 0:
                tally.unfinished += 1
                tally.notes.append(f"{victim.folder.name}: a session without a kill did not finish it")
                break
    return tally


def merged(tallies: Sequence[Tally]) -> Tally:
    """One tally of several."""
    total = Tally()
    for tally in tallies:
        total.kills += tally.kills
        total.notes += tally.notes
        for name in ("runs", "sessions", "lost", "run_twice", "orphans", "unreadable", "tracebacks", "unfinished", "too_early"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    return total


def main() -> int:
    """Kill, count, print."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; the runs would ignore it, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--jobs", type=int, default=4, help="runs at the same time")
    chosen = options.parse_args()
    share = -(-chosen.kills // chosen.jobs)

    def one(job: int) -> Tally:
        place = Path(folder) / str(job)
        num_kills = min(share, chosen.kills - job * share)
        return kill_runs(num_kills, seed=chosen.seed * 1000 + job, words=("run", "--profile", "smoke"), folder=place)

    with tempfile.TemporaryDirectory(prefix="kill-tally-") as folder, ThreadPoolExecutor(chosen.jobs) as pool:
        tally = merged(list(pool.map(one, range(chosen.jobs))))
    print("\n".join(tally.lines()))  # noqa: T201
    return 0 if tally.is_clean() else 1


if __name__ == "__main__":
    sys.exit(main())

"""The other ranks of a trial, seen from rank 0: started, watched while it computes, and known by what they failed of.

A rank that dies leaves the others waiting in a collective until its timeout. Each follower therefore writes its stages and its
failure to a pipe that a thread of rank 0 reads: the trial ends within seconds, with the follower's own status and reason.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, get_args

from aigc_bench.core.child_python import python
from aigc_bench.core.messages import message
from aigc_bench.core.records import Failure, Status
from aigc_bench.measure.protocol import Emit, TrialRequest, TrialStage, decode

PARTING_S = 10.0
POLL_S = 0.2
GRACE_S = 2.0
"""Rank 0's own error may be the echo of another's death (a closed connection): so long it waits for the cause."""
PATIENCE_S = 20.0
"""How far a follower may be behind rank 0's stage, besides twice the time that rank 0 took to reach it."""
_ORDER: tuple[TrialStage, ...] = get_args(TrialStage)

OnLost = Callable[["RankLost"], None]


class RankLost(Exception):
    """Another rank of the trial failed, died, or does not follow; ``status`` and ``failure`` are the trial's."""

    def __init__(self, status: Status, failure: Failure) -> None:
        super().__init__(failure.message)
        self.status = status
        self.failure = failure


@dataclass
class _Follower:
    """One of them: its process, the stage it was last in, and what it said of its failure."""

    rank: int
    process: subprocess.Popen[bytes]
    stage: TrialStage = "starting"
    lost: RankLost | None = None


class Followers:
    """Ranks 1 to n - 1 of a trial. ``on_lost`` is called once, in a thread, when one is lost and rank 0 has not noticed itself."""

    def __init__(self, request: TrialRequest, *, port: int, on_lost: OnLost) -> None:
        self._on_lost = on_lost
        self._started = time.monotonic()
        self._stage: TrialStage = "starting"
        self._reached: dict[TrialStage, float] = {}
        self._ends = threading.Event()
        self._followers = [
            _Follower(rank=rank, process=_start(request, rank=rank, port=port)) for rank in range(1, request.case.devices)
        ]
        self._readers = [threading.Thread(target=_read, args=(one,), daemon=True) for one in self._followers]
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        for thread in (*self._readers, self._watcher):
            thread.start()

    def through(self, emit: Emit) -> Emit:
        """The same sender of rank 0's events, whose stages the followers are held against."""

        def noting(event: Mapping[str, Any]) -> None:
            if event["event"] == "stage":
                self._stage = event["stage"]
                self._reached[self._stage] = time.monotonic()
            emit(event)

        return noting

    def cause(self) -> RankLost | None:
        """Return the follower that rank 0's own error comes from, if one is known to be lost within ``GRACE_S``."""
        until = time.monotonic() + GRACE_S
        while (lost := self._lost()) is None and time.monotonic() < until:
            time.sleep(POLL_S / 4)
        return lost

    def part_soon(self) -> None:
        """Watch no longer: from here on a rank that ends is done."""
        self._ends.set()

    def part(self) -> None:
        """Wait until all have ended, after the ranks have left their group."""
        for one in self._followers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(timeout=PARTING_S)

    def kill(self) -> None:
        """End every follower, whatever it does."""
        self._ends.set()
        for one in self._followers:
            one.process.kill()
            one.process.wait()

    def _watch(self) -> None:
        while not self._ends.wait(POLL_S):
            lost = self._lost()
            # Rank 0 notices most deaths by itself, and ends in order.
            if lost is not None and not self._ends.wait(2 * GRACE_S):
                self._on_lost(lost)
                return

    def _lost(self) -> RankLost | None:
        for one in self._followers:
            code = one.process.poll()
            if code is not None:
                # What it wrote last may still be in the pipe.
                self._readers[one.rank - 1].join(timeout=1.0)
                if one.lost is None and not self._ends.is_set():
                    one.lost = _died(one, code)
            elif one.lost is None:
                one.lost = self._left_behind(one)
            if one.lost is not None:
                return one.lost
        return None

    def _left_behind(self, one: _Follower) -> RankLost | None:
        """A follower that rank 0 has waited for in a later stage, for longer than its own way there explains."""
        if _ORDER.index(one.stage) >= _ORDER.index(self._stage) or self._stage not in self._reached:
            return None
        reached = self._reached[self._stage]
        allowed_s = PATIENCE_S + 2 * (reached - self._started)
        if time.monotonic() - reached < allowed_s:
            return None
        why = message(
            "rank {rank} does not follow: still {stage!r}, {allowed_s:.0f} s after rank 0 was {reached!r}",
            rank=one.rank,
            stage=one.stage,
            allowed_s=allowed_s,
            reached=self._stage,
        )
        return RankLost("timeout", Failure(kind="rank_lost", message=why))


def _start(request: TrialRequest, *, rank: int, port: int) -> subprocess.Popen[bytes]:
    words = python("-m", "aigc_bench.measure.follower", str(os.getpid()), str(rank), str(port))
    # Its stderr is ours, the run's log.
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None, "the process was started with a pipe"
    process.stdin.write(request.model_dump_json().encode() + b"\n")
    process.stdin.close()
    return process


def _read(one: _Follower) -> None:
    pipe: IO[bytes] | None = one.process.stdout
    assert pipe is not None, "the process was started with a pipe"
    with pipe:
        for line in pipe:
            event = decode(line) or {}
            if event.get("event") == "stage":
                one.stage = event["stage"]
            elif event.get("event") == "failed":
                failure = Failure.model_validate(event["error"])
                words = message("rank {rank}: {message}", rank=one.rank, message=failure.message)
                one.lost = RankLost(event["status"], failure.model_copy(update={"message": words}))


def _died(one: _Follower, code: int) -> RankLost:
    ended = message("signal {signal}", signal=-code) if code < 0 else message("exit code {code}", code=code)
    why = message("rank {rank} ended with {ended} while {stage!r}", rank=one.rank, ended=ended, stage=one.stage)
    return RankLost("error", Failure(kind="rank_lost", message=why))

"""Progress events of a run: small frozen records that the runner emits and a listener displays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aigc_bench.core.records import Status

StageName = Literal["baseline", "starting", "building", "warm-up", "measuring", "finishing", "cooling", "report"]


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """The first trial is about to start. ``num_done`` trials were finished by an earlier session (``--resume``)."""

    path: Path
    num_trials: int
    num_done: int = 0
    expected_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrialsAdded:
    """A search added trials: the run now has ``num_trials``."""

    num_trials: int


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """Trial number ``trial`` (from 0) of ``of`` of a case starts; ``remaining_s`` is the runner's estimate for the whole run."""

    case: str
    trial: int
    of: int
    attempt: int = 1
    remaining_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """The trial under way (or the run, for its baseline and report) has entered a stage."""

    name: StageName


@dataclass(frozen=True, kw_only=True)
class TrialFinished:
    """A trial is on disk. ``summary`` is its headline (``412 token/s``) or, where it failed, the reason in one line."""

    case: str
    trial: int
    of: int
    status: Status
    summary: str
    duration_s: float
    remaining_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """No further trial starts: all are done, the budget is spent, or the user interrupted."""

    path: Path
    num_ok: int
    num_failed: int
    duration_s: float
    interrupted: bool = False


Progress: TypeAlias = RunStarted | TrialsAdded | TrialStarted | StageStarted | TrialFinished | RunFinished


def ignore(event: Progress) -> None:
    """Ignore all events: the default of the Python API."""

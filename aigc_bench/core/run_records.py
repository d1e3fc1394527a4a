"""The records of a run as a whole, ``run.json``: the machine, its sensors, the checks before it, and a search's result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from aigc_bench.core.record import Measured, Record, Sentence
from aigc_bench.core.records import Case, Moment, Positive, Setting, Whole

SCHEMA_VERSION = 1


class AcceleratorInfo(Record):
    """A device as its driver describes it. ``catalog_id`` is the catalogue row it was recognised as."""

    index: int
    name: str
    uuid: str
    backend: str
    catalog_id: str | None = None
    memory_bytes: Whole | None = None
    details: Mapping[str, Setting | None] = Field(default_factory=dict)


class System(Record):
    """Fingerprint of the machine and its software; two runs compare only where the declared keys match.

    ``variables`` are the variables of the environment that change results or speed without a word, as they were set.
    """

    host_id: str
    os: str
    kernel: str
    cpu_model: str
    num_cores: Positive
    num_usable_cores: Annotated[float, Field(gt=0, le=1e9)]
    memory_bytes: Whole
    memory_limit_bytes: Whole | None = None
    accelerators: tuple[AcceleratorInfo, ...] = ()
    software: Mapping[str, str | None] = Field(default_factory=dict)
    variables: Mapping[str, str] = Field(default_factory=dict)
    details: Mapping[str, Setting | None] = Field(default_factory=dict)


class SensorStatus(Record):
    """Whether a sensor source could be read, and where not, why."""

    source: str
    available: bool
    reason: str | None = None
    devices: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    absent: Mapping[str, str] = Field(default_factory=dict)


class SamplerReport(Measured):
    """What the sampler cost and how punctual it was."""

    num_samples: int = 0
    num_lost: int = 0
    late_p99_s: float | None = None
    cpu_fraction: float | None = None
    restarts: int = 0


class Check(Record):
    """One finding of ``doctor``: the check, its status, and the remedy; ``device`` is the accelerator that it is about, by UUID."""

    name: str
    status: Literal["ok", "note", "warning", "failure", "absent"]
    detail: Sentence
    remedy: Sentence | None = None
    device: str | None = None


class FoundBatch(Record):
    """What one search found: the case with the largest batch that fits (``None`` where not even 1 does), and what bounds it."""

    case: str
    batch_size: int | None
    smallest_too_large: int | None = None
    bound: str | None = None


class Search(Record):
    """A search for the largest batch (``run --find max-batch``): its latency limit in seconds, and what was found.

    ``cases`` are those it started from, of which only the batch size changes: with them an interrupted search is continued.
    """

    max_latency_s: float | None = None
    cases: tuple[Case, ...] = ()
    found: tuple[FoundBatch, ...] = ()


class RunInfo(Record):
    """``run.json``: what was requested, where, with which versions, and what happened to the run as a whole.

    ``idle_window_s`` is the stretch before the first trial in which the machine was left idle: start and end, run's clock.
    ``health`` is what the preflight found just before it.
    """

    schema_version: int = SCHEMA_VERSION
    id: str
    profile: str
    profile_hash: str
    level: str
    command: tuple[str, ...] = ()
    created_s: Moment
    finished_s: Moment | None = None
    interrupted: bool = False
    budget_s: float | None = None
    budget_spent: bool = False
    num_trials: Annotated[int, Field(ge=0)]
    idle_window_s: tuple[Moment, Moment] | None = None
    health: tuple[Check, ...] = ()
    cases: tuple[Case, ...]
    system: System
    sensors: tuple[SensorStatus, ...] = ()
    sampler: SamplerReport | None = None
    seed: int = 0
    search: Search | None = None
    versions: Mapping[str, str] = Field(default_factory=dict)

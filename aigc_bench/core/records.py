"""The records shared by all parts: frozen, keyword-only, SI units with the unit in the name. Missing is ``None``, never 0.

Times named ``*_s`` that mark a moment are Unix seconds of the run's own clock (``measure.clock``): one monotonic clock,
anchored once per session, shared by parent, worker and sampler, so that samples and readings can be laid side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Pipeline, PipelineUse
from aigc_bench.core.record import Measured, Quantity, Sentence
from aigc_bench.core.record import Record as Record

Mode = Literal["train", "infer"]
Scenario = Literal["offline", "single_stream", "server"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Attention = Literal["auto", "sdpa", "eager"]
Status = Literal["ok", "oom", "unsupported", "timeout", "error", "skipped"]
Verdict = Literal["valid", "suspect", "invalid", "modelled"]
Basis = Literal["measured", "interpolated", "modelled", "datasheet", "assumed"]
Setting = bool | int | float | str
Positive = Annotated[int, Field(ge=1)]
Duration = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
"""Seconds that were measured: never negative, infinite or unknown."""
Moment = Annotated[float, Field(ge=-6e10, le=2.5e11, allow_inf_nan=False)]
"""Seconds since 1970 or since a window's start, within what a calendar can print (the years 69 to 9892)."""
Whole = Annotated[int, Field(ge=0, le=10**30)]
"""Something counted, such as bytes or operations; no machine has more, and what is larger overflows a float."""
Index = Annotated[int, Field(ge=0, le=2**62)]
"""A position, in columns of up to millions: bounds of 64 bits are checked far faster than the larger ones of ``Whole``."""
Count = Whole | Quantity
"""A number of items: whole where they are counted, a fraction where they are measured (seconds of audio)."""

AUDIO_ITEM = "audio-second"
"""The item of families that make, transcribe or clean audio: a second of it, of every sequence of the batch."""

PROBE_PREFIX = "probe_"
"""Workloads of this prefix measure the machine itself and never appear in a demand."""


class Estimate(Record):
    """A number that can be planned with: ``low <= value <= high``, its unit, and what it rests on.

    What it was computed from lies in a slot next to its fields (``core.derivation``): never compared, copied, printed or dumped.
    """

    # A slot and no private attribute: pydantic compares, copies and pickles those.
    __slots__ = ("_derivation",)

    value: float
    low: float
    high: float
    unit: str
    basis: Basis
    source: Sentence | None = None
    reasons: tuple[str, ...] = ()


class OwnModel(Record):
    """A user's own model: its path, and a hash of all that its speed depends on. ``is_code`` marks ``module:function``.

    ``changes`` are put over the keys of its configuration.
    """

    path: str
    sha256: str
    changes: Mapping[str, Setting] = Field(default_factory=dict)
    is_code: bool = False


class Case(Record):
    """One workload in one setting: what a trial measures. ``settings`` holds the workload's own (seq_len, steps ...)."""

    workload: str
    preset: str
    mode: Mode
    scenario: Scenario = "offline"
    engine: str = "torch-eager"
    precision: Precision = "fp32"
    batch_size: Positive = 1
    devices: Positive = 1
    backend: str = "cpu"
    attention: Attention = "auto"
    gradient_checkpointing: bool = False
    threads: Positive | None = None
    seed: int = 0
    timeout_s: float = Field(default=600.0, gt=0, le=1e9, allow_inf_nan=False)
    settings: Mapping[str, Setting] = Field(default_factory=dict)
    model: OwnModel | None = None
    pipeline: Pipeline | None = None

    @property
    def id(self) -> str:
        """A readable name, unique within a profile; ``--only`` globs match it.

        ``gpt/gpt2-124m/infer/fp32/b1``, then every setting that differs from the defaults: ``/x8``, ``/torch-compile``,
        ``/seq_len=256``.
        """
        # The hash too: a model that was changed keeps its folder's name.
        preset = self.preset if self.model is None else f"{self.preset}@{self.model.sha256[:8]}"
        parts = [self.workload, preset, self.mode, self.precision, f"b{self.batch_size}"]
        if self.devices > 1:
            parts.append(f"x{self.devices}")
        for name in ("scenario", "engine", "attention"):
            value = getattr(self, name)
            if value != Case.model_fields[name].default:
                parts.append(value)
        if self.gradient_checkpointing:
            parts.append("gradient_checkpointing")
        if self.threads is not None:
            parts.append(f"threads={self.threads}")
        if self.seed != 0:
            parts.append(f"seed={self.seed}")
        if self.pipeline is not None:
            parts.append(self.pipeline.words)
        parts += [f"{key}={self.settings[key]}" for key in sorted(self.settings)]
        return "/".join(parts)


class Stage(Measured):
    """A part of a step that is run ``repeats`` times; ``items`` is how many of the family's items one repeat finishes.

    ``tokens`` is how many tokens of all sequences one repeat makes where the family counts something else (seconds of audio);
    ``None`` where items are tokens or there are none. ``on_host`` marks work of the host's cores (the data pipeline).
    """

    name: str
    repeats: Positive = 1
    items: Annotated[Count, Field(ge=0)] = 0
    tokens: Whole | None = None
    on_host: bool = False


class Work(Measured):
    """What one step of a case does, as declared by its workload and counted by the worker.

    ``flops`` per stage is for all its repeats in one step on one device (``torch.utils.flop_counter``), ``None`` where it was
    not counted. ``replicas`` devices do the same work side by side; ``items_per_step`` counts all of them, ``stages`` one.
    """

    item: str
    stages: tuple[Stage, ...]
    num_params: Whole | None = None
    params_bytes: Whole | None = None
    flops: Mapping[str, Whole | None] = Field(default_factory=dict)
    input_items: Count | None = None
    useful_fraction: Quantity = 1.0
    replicas: Positive = 1

    @property
    def items_per_step(self) -> Count:
        """Items that one step finishes: the sum over stages of repeats x items, over all replicas."""
        return self.replicas * sum(stage.repeats * stage.items for stage in self.stages)


class Samples(Measured):
    """Raw timings, columns of equal length, one entry per stage repeat, in the order they ran.

    ``stage`` holds indices into ``Work.stages``. ``start_s`` counts from the window's start, ``duration_s`` is device time
    between the events around the repeat (on a CPU, the wall time).
    """

    step: tuple[Index, ...] = ()
    stage: tuple[Index, ...] = ()
    repeat: tuple[Index, ...] = ()
    start_s: tuple[Moment, ...] = ()
    duration_s: tuple[Duration, ...] = ()


class Steps(Measured):
    """One entry per measured step: start from the window's start, device time from first to last event."""

    start_s: tuple[Moment, ...] = ()
    duration_s: tuple[Duration, ...] = ()


class Warmup(Measured):
    """The steps before the window: how many, how long, and whether the step time was steady at their end."""

    num_steps: Whole
    duration_s: Duration
    converged: bool
    step_duration_s: tuple[Duration, ...] = ()


class Window(Measured):
    """The measured stretch, synchronised at both ends. ``start_s`` and ``end_s`` are moments of the run's clock.

    ``starved_fraction`` is the share of stage repeats whose previous work the device had finished before the host launched them:
    it was waiting for the host. ``None`` where host and device are one.
    """

    start_s: Moment
    end_s: Moment
    wall_s: Annotated[Duration, Field(gt=0)]
    num_steps: Whole
    starved_fraction: Quantity | None = None
    stop_reason: Literal["converged", "time_cap", "step_cap"] = "time_cap"


class Memory(Measured):
    """Memory as three numbers and the host's, all peaks after warm-up in bytes; ``None`` where there is no such counter."""

    allocated_bytes: Whole | None = None
    reserved_bytes: Whole | None = None
    host_peak_bytes: Whole | None = None


class Failure(Record):
    """Why a trial has no numbers: the kind of error, one line, and the last lines of the worker's log."""

    kind: str
    message: str
    detail: str = ""


class HostUse(Measured):
    """What the worker cost and suffered on the host during the window.

    ``run_queue_wait_s`` adds up the time that its threads were runnable without a core; ``minor_faults`` counts pages that the
    kernel handed out anew.
    """

    cpu_s: Quantity | None = None
    voluntary_switches: Whole | None = None
    involuntary_switches: Whole | None = None
    major_faults: Whole | None = None
    minor_faults: Whole | None = None
    run_queue_wait_s: Quantity | None = None


class ReferenceKernel(Measured):
    """Times of a fixed single-thread kernel right before and right after the window: how fast the machine itself was then."""

    before_s: tuple[Quantity, ...] = ()
    after_s: tuple[Quantity, ...] = ()


class Quality(Measured):
    """Whether the case computes what it should: checked once per case, in its first trial and outside the timed window.

    ``training``: one batch repeated with the same random masks; its loss must fall. ``reference``: outputs of every executed
    module against the same module in fp32 with plain attention. ``passed`` is ``None`` where it could not be checked, for the
    reason in ``note``. ``values`` are metric ids with their values; ``limit`` is the relative error that is allowed, ``floors`` are
    the least values of other metrics.
    """

    kind: Literal["training", "reference"]
    passed: bool | None
    values: Mapping[str, float] = Field(default_factory=dict)
    limit: Quantity | None = None
    floors: Mapping[str, Quantity] = Field(default_factory=dict)
    note: str = ""
    duration_s: Quantity = 0.0


class TrialResult(Measured):
    """One finished trial: a line of ``results.jsonl``. A trial is one fresh process.

    ``check`` holds what the model computed, which may be NaN (written as ``null``).
    """

    case: str
    trial: Whole
    status: Status
    attempt: Whole = 1
    started_s: Moment
    finished_s: Moment
    pid: Whole | None = None
    devices: tuple[str, ...] = ()
    time_to_ready_s: Mapping[str, Quantity] = Field(default_factory=dict)
    warmup: Warmup | None = None
    window: Window | None = None
    work: Work | None = None
    samples: Samples | None = None
    steps: Steps | None = None
    memory: Memory | None = None
    host: HostUse | None = None
    reference: ReferenceKernel | None = None
    check: Mapping[str, Annotated[float, Field(allow_inf_nan=True)] | str | bool | None] = Field(default_factory=dict)
    quality: Quality | None = None
    pipeline: PipelineUse | None = None
    environment: Mapping[str, Setting | None] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: Failure | None = None

    @model_validator(mode="after")
    def _has_whole_columns(self) -> Self:
        for part in filter(None, (self.samples, self.steps)):
            lengths = sorted({len(column) for _, column in part})
            if len(lengths) > 1:
                kind, least, most = type(part).__name__.lower(), lengths[0], lengths[-1]
                raise ValueError(message("columns of {kind} have {least} and {most} entries", kind=kind, least=least, most=most))
        if self.samples is not None and self.work is not None and self.steps is not None:
            named = (("stage", self.samples.stage, len(self.work.stages)), ("step", self.samples.step, len(self.steps.start_s)))
            for name, column, count in named:
                if column and max(column) >= count:
                    last = max(column)
                    raise ValueError(
                        message("samples name {name} {last} of {count}, counted from 0", name=name, last=last, count=count)
                    )
        return self


class MetricRow(Record):
    """One case and metric, as ``show --json`` prints it: a number never travels without unit, basis and verdict.

    Like an Estimate, it may know what it was computed from (``core.derivation``).
    """

    __slots__ = ("_derivation",)

    case: str
    workload: str
    preset: str
    mode: Mode
    scenario: Scenario
    engine: str
    precision: str
    batch_size: int
    devices: int
    metric: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    n: int
    basis: Basis
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def dump(record: Record) -> dict[str, Any]:
    """The record as plain JSON types."""
    return record.model_dump(mode="json")

"""What a case does, operator by operator, as traced without a device: the seam between the workloads and every model of them.

An ``Operator`` is one kernel's worth of work: its shapes, FLOPs and the bytes it must move at least (each operand once).
Equal operators are one entry with a ``count``. A stage that is repeated is represented by few *points*, each standing for
``weight`` repeats, so that ``sum(weight * quantity)`` is the stage's total and every point can be timed by itself::

    stage total = sum over points of weight x sum over operators of count x quantity
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import Field

from aigc_bench.core.records import Attention, Count, Mode, Positive, Precision, Record

# Part of every key: raise it where the meaning of a field changes, so that stored traces are not misread.
OPTRACE_VERSION = 3

OperatorClass = Literal["gemm", "attention", "conv", "norm", "elementwise", "reduction", "gather", "copy", "optimizer", "other"]
"""``gather`` reads or writes rows by index (embeddings); ``reduction`` includes softmax, sorting and losses."""

Phase = Literal["forward", "backward", "optimizer"]
"""Work that gradient checkpointing repeats belongs to ``backward``, where it happens."""

Shape = tuple[int, ...]


class Operator(Record):
    """``count`` equal operators; every other quantity is of one of them.

    ``flops`` are those of ``torch.utils.flop_counter`` (a multiply-add is two; matrix products, convolutions, attention).
    Bytes are the least a kernel must move: each operand read once, of a table only the rows looked up, of a mixture's experts
    those that tokens are expected to reach. Intermediate results that stay in a kernel are not traffic.
    An optimizer's one input has the shape (tensors, elements) of all its parameters.
    """

    name: str
    kind: OperatorClass
    phase: Phase
    dtype: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    flops: int = Field(ge=0)
    params_read_bytes: int = Field(ge=0)
    cache_read_bytes: int = Field(ge=0)
    other_read_bytes: int = Field(ge=0)
    written_bytes: int = Field(ge=0)
    is_causal: bool = False
    count: Positive = 1

    @property
    def read_bytes(self) -> int:
        """Bytes read by one operator: parameters, key-value cache and the rest."""
        return self.params_read_bytes + self.cache_read_bytes + self.other_read_bytes

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written by one operator."""
        return self.read_bytes + self.written_bytes


class Point(Record):
    """One traced repeat of a stage, standing for ``weight`` repeats. ``peak_bytes`` is of tensors that a step makes."""

    repeat: int
    # Not a count: the two ends of a straight line stand for half of the repeats each, which may be odd.
    weight: float
    peak_bytes: int
    operators: tuple[Operator, ...]


class StageTrace(Record):
    """One stage of a step. ``repeats`` and ``items`` are the workload's own declaration."""

    name: str
    repeats: Positive
    items: Count
    tokens: int | None = None
    points: tuple[Point, ...]

    @property
    def makes_tokens(self) -> bool:
        """Whether its repeats make tokens: by themselves where the family counts audio, else as its items."""
        return bool(self.items if self.tokens is None else self.tokens)

    @property
    def peak_bytes(self) -> int:
        """Return the peak bytes of tensors made by the step during the stage: activations and gradients.

        Includes what earlier stages of the step left alive and what an earlier step's same stages still hold; excludes what lives
        between steps (parameters, optimizer state, caches, inputs).
        """
        # The peak of a stage is that of its largest repeat; unlike time and traffic it is not summed.
        return max(point.peak_bytes for point in self.points)

    def total(self, quantity: Callable[[Operator], float]) -> float:
        """``quantity`` of an operator summed over all repeats of the stage in one step."""
        return sum(point.weight * sum(op.count * quantity(op) for op in point.operators) for point in self.points)

    @property
    def flops(self) -> int:
        """FLOPs of all repeats in one step."""
        # Weights may be halves, their sum is whole up to rounding.
        return round(self.total(lambda op: op.flops))


class LinearLayers(Record):
    """``count`` linear layers of one shape; the weights of ``num_tied`` of them belong to another layer too (an embedding)."""

    out_features: Positive
    in_features: Positive
    count: Positive
    num_tied: Count = 0


class OpTrace(Record):
    """One step of a case on one device, and the memory that it holds between steps.

    ``kv_cache_bytes`` are the key-value caches allocated at build; ``inputs_bytes`` all else that the program keeps ready
    (its distinct batches, tables). ``gradient_bytes`` and ``optimizer_bytes`` exist in training only; gradients are
    part of the stages' ``peak_bytes``, the optimizer's state is not. ``device_held_bytes`` is what torch's caching allocator
    holds at most for all these tensors, fragmentation included (``allocators.CachingAllocator``), ``host_held_bytes`` what the C
    library does in a step on a CPU (``malloc``); each is of its own kind of backend only. ``built_peak_bytes`` is the peak of
    live tensors while the program is built. ``linear_layers`` are those that a quantising engine may replace.
    """

    version: int = OPTRACE_VERSION
    workload: str
    preset: str
    mode: Mode
    precision: Precision
    batch_size: Positive
    attention: Attention
    gradient_checkpointing: bool
    backend: str
    item: str
    stages: tuple[StageTrace, ...]
    num_params: int
    params_bytes: int
    buffers_bytes: int
    gradient_bytes: int = 0
    optimizer_bytes: int = 0
    kv_cache_bytes: int = 0
    inputs_bytes: int = 0
    built_peak_bytes: int = 0
    linear_layers: tuple[LinearLayers, ...] = ()
    device_held_bytes: int | None = None
    host_held_bytes: int | None = None

    @property
    def flops(self) -> int:
        """FLOPs of one step."""
        return sum(stage.flops for stage in self.stages)

    @property
    def moved_bytes(self) -> int:
        """Bytes that the operators of one step read and write."""
        return round(sum(stage.total(lambda op: op.moved_bytes) for stage in self.stages))

    @property
    def resident_bytes(self) -> int:
        """Bytes that live between steps: parameters, buffers, optimizer state, caches, inputs."""
        return self.params_bytes + self.buffers_bytes + self.optimizer_bytes + self.kv_cache_bytes + self.inputs_bytes

    @property
    def peak_bytes(self) -> int:
        """Return the peak bytes of live tensors in a step."""
        return self.resident_bytes + max(stage.peak_bytes for stage in self.stages)

    def stage(self, name: str) -> StageTrace:
        """The stage called ``name``; raises ``KeyError`` where there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def operators(self) -> Iterator[tuple[StageTrace, Point, Operator]]:
        """Every operator with the stage and the point that it belongs to."""
        for stage in self.stages:
            for point in stage.points:
                for operator in point.operators:
                    yield stage, point, operator

"""Whose effects a prediction is off by: the groups of an operator, of a case and of its memory, and how far each level spreads.

A group that holds the machine is learned on that machine alone; one that does not (an engine at a family, a class of operator) is
carried by every measurement to every machine of the same backend, with the machine's own spread left unknown. Spreads are in
``data/levels.csv``.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Iterator, Mapping
from importlib.resources import files

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import PROBE_PREFIX, Case, Record
from aigc_bench.predict.fitting.posterior import Groups
from aigc_bench.predict.tracing.optrace import Operator, Shape

_SIZE_OCTAVES = 3.0
"""Octaves of bytes between two knots of the effect of size."""
_SHAPE_OCTAVES = 2.0
"""Octaves of FLOP per byte between two knots of the effect of shape."""
_ENLARGED = 1.5
"""A convolution that makes this multiple of its input's places is a transposed one; padding alone makes fewer."""
# Only these have enough FLOPs per byte for the ratio to decide which limit of the roofline they meet.
_SHAPED = frozenset({"gemm", "conv", "attention"})


class Level(Record):
    """A level of random effects: ``spread`` is the standard deviation of a logarithm."""

    level: str
    spread: float = Field(gt=0)
    what: Sentence
    source: Sentence


@functools.cache
def levels() -> Mapping[str, Level]:
    """Every level by name."""
    with files("aigc_bench.predict").joinpath("data/levels.csv").open(encoding="utf-8") as file:
        return {row["level"]: Level.model_validate(row) for row in csv.DictReader(file)}


@functools.cache
def spreads() -> Mapping[str, float]:
    """Standard deviation by level."""
    return {name: level.spread for name, level in levels().items()}


def operator_groups(operator: Operator, *, machine: str, backend: str) -> Groups:
    """Return the groups of one operator in any case: its class, name, pass, bytes and FLOP per byte; none names a rate."""
    kind, name = operator.kind, _name(operator)
    groups = {
        f"kind={backend}|{kind}": 1.0,
        f"kind_name={backend}|{kind}|{name}": 1.0,
        f"machine_kind={machine}|{kind}|{operator.dtype}": 1.0,
        f"machine_name={machine}|{kind}|{name}|{operator.dtype}": 1.0,
    }
    if operator.phase == "backward":
        groups[f"machine_phase={machine}|{kind}"] = 1.0
    moved = max(operator.moved_bytes, 1)
    # Piecewise linear in the logarithm of the size: a neighbour in size is informed in part.
    for knot, weight in _hat(math.log2(moved) / _SIZE_OCTAVES):
        groups[f"machine_size={machine}|{kind}|{knot}"] = weight
    if kind in _SHAPED and operator.flops:
        for knot, weight in _hat(math.log2(operator.flops / _shape_unit(operator)) / _SHAPE_OCTAVES):
            groups[f"machine_shape={machine}|{kind}|{operator.dtype}|{knot}"] = weight
            # Transposed convolutions get a knot of their own next to the shared one.
            if name != operator.name:
                groups[f"machine_shape={machine}|{kind}|{operator.dtype}|{knot}|{name}"] = weight
    channels = _channels(operator)
    if channels is not None:
        # The side with fewer channels is the one that starves the kernel.
        side = "in" if channels[0] < channels[1] else "out"
        for knot, weight in _hat(math.log2(min(channels)) / _SHAPE_OCTAVES):
            groups[f"machine_channels={machine}|{name}|{side}|{knot}"] = weight
    return groups


def _name(operator: Operator) -> str:
    """torch's name; a transposed convolution is called by the same."""
    return f"{operator.name}_transposed" if is_transposed(operator) else operator.name


def is_transposed(operator: Operator) -> bool:
    """Whether a convolution is a transposed one: known by its weight, or because it enlarges."""
    values, weight = _convolved(operator)
    if len(values) < 2 or len(weight) < 2:
        return False
    # The backward's first input is the gradient, which has the shape of the forward's output.
    made = operator.inputs[0] if operator.name.endswith("backward") else next(iter(operator.outputs), ())
    # Without batch and channels: the places of an image, a sound or a video.
    enlarges = math.prod(made[2:]) > _ENLARGED * math.prod(values[2:])
    # A weight is (out, in, ...); a transposed one's is (in, out, ...). With as many in as out the places alone tell.
    return enlarges or values[1] == weight[0] != weight[1]


def _convolved(operator: Operator) -> tuple[Shape, Shape]:
    """Shapes of what a convolution is applied to and of its weight: input channels come first in a transposed one's."""
    if operator.kind != "conv" or len(operator.inputs) < 2:
        return (), ()
    # convolution_backward(gradient, input, weight).
    is_backward = operator.name.endswith("backward") and len(operator.inputs) > 2
    return (operator.inputs[1], operator.inputs[2]) if is_backward else (operator.inputs[0], operator.inputs[1])


def _channels(operator: Operator) -> tuple[int, int] | None:
    """Channels in and out of a convolution; a kernel that is made for many suffers from few."""
    values, weight = _convolved(operator)
    if len(values) < 2 or len(weight) < 2 or min(values[1], *weight[:2]) < 1:
        return None
    return values[1], weight[1] if values[1] == weight[0] != weight[1] else weight[0]


def _shape_unit(operator: Operator) -> float:
    """What the FLOPs are set against: bytes; of attention the scores, each of which costs one exponential at any width."""
    if operator.kind == "attention" and len(operator.inputs) > 1 and min(len(shape) for shape in operator.inputs[:2]) >= 3:
        # (batch, heads, queries, width) and (batch, heads, keys, width)
        (*batch, queries, _), (*_, keys, _) = operator.inputs[:2]
        return float(math.prod(batch) * queries * keys)
    return float(max(operator.moved_bytes, 1))


def dispatch_groups(case: Case, *, machine: str, phase: str) -> Groups:
    """Of what it costs to dispatch an operator."""
    return _named({"dispatch": f"{case.backend}|{case.engine}", "machine_dispatch": f"{machine}|{case.engine}|{phase}"})


def page_groups(*, machine: str) -> Groups:
    """Of faulting in fresh memory."""
    return _named({"machine_pages": machine})


def team_groups(case: Case, *, machine: str) -> Groups:
    """Of waking a CPU's team of threads: on a busy machine they wait to be scheduled."""
    # By number of threads: each size of team is learned for itself.
    return _named({"machine_team": f"{machine}|{case.threads or 'all'}"})


def python_groups(case: Case, *, machine: str) -> Groups:
    """Of what a model's own code costs around an operator."""
    return _named({"python": case.engine, "python_family": f"{case.engine}|{case.workload}", "machine_python": machine})


def case_groups(case: Case, *, machine: str, stage: str) -> Groups:
    """Of everything that a stage of a case does. A probe is not a model: it informs about its operators and the machine only."""
    names = {
        "machine": machine,
        "machine_precision": f"{machine}|{case.precision}",
        **({"threads": f"{machine}|{case.threads}"} if case.threads is not None else {}),
    }
    if not case.workload.startswith(PROBE_PREFIX):
        engine = f"{case.backend}|{case.engine}"
        family = f"{case.backend}|{case.workload}|{case.mode}"
        names |= {
            "model": f"{case.backend}|{case.mode}",
            "machine_model": f"{machine}|{case.mode}",
            "engine": engine,
            "machine_engine": f"{machine}|{case.engine}",
            "family": family,
            "engine_family": f"{engine}|{family}",
            "machine_family": f"{machine}|{family}",
            "stage": f"{family}|{stage}",
            "case": f"{machine}|{case.id}|{stage}",
        }
    return _named(names)


def power_groups(case: Case, *, machine: str) -> Groups:
    """Of the mean power of a case."""
    names = {"power": machine, "power_family": f"{case.workload}|{case.mode}", "power_case": f"{machine}|{case.id}"}
    return _named(names)


def served_groups(case: Case, *, machine: str, metric: str) -> Groups:
    """Of a metric of a served engine; the closed form knows its general effects already."""
    names = {
        "machine": machine,
        "machine_engine": f"{machine}|{case.engine}",
        "engine_family": f"{case.engine}|{case.preset}|{metric}",
        "served": f"{machine}|{case.engine}|{metric}",
        "case": f"{machine}|{case.id}|{metric}",
    }
    # A slow machine has longer times and a lower throughput: one effect moves both, in opposite directions.
    sign = -1.0 if metric == "throughput" else 1.0
    return {group: sign * weight for group, weight in _named(names).items()}


def memory_groups(case: Case, *, machine: str) -> Groups:
    """Of the whole of a memory peak."""
    return _named({"memory_family": f"{case.workload}|{case.mode}", "memory_case": f"{machine}|{case.id}"})


def memory_term_groups(term: str, case: Case, *, machine: str) -> Groups:
    """Of one part of a memory peak that is not known exactly; a probe loads little code and leaves no holes to learn from."""
    if term in ("loaded_code", "allocator") and case.workload.startswith(PROBE_PREFIX):
        return _named({f"memory_probe_{term}": f"{machine}|{case.workload}"})
    family = {"memory_code_family": f"{case.workload}|{case.mode}"} if term == "loaded_code" else {}
    return _named({f"memory_{term}": machine} | family)


def _named(names: Mapping[str, str]) -> Groups:
    return {f"{level}={name}": 1.0 for level, name in names.items()}


def _hat(position: float) -> Iterator[tuple[int, float]]:
    """The two knots around a position with the weights of linear interpolation."""
    below = math.floor(position)
    share = position - below
    yield below, 1.0 - share
    # On a knot itself the next one would have the weight 0, and would only enlarge the design.
    if share > 0:
        yield below + 1, share

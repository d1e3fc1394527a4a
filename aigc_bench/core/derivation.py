"""Record what a number was computed from, at the moment when it is computed.

Every result of the arithmetic on Estimates refers to its inputs, so that all numbers together form a graph that ends at numbers
taken from a source. Copies of an Estimate (``model_copy``, pickling) drop the reference; ``restated`` keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from aigc_bench.core.arithmetic import evaluate
from aigc_bench.core.records import Basis, Estimate, MetricRow

SAME = "{0}"
"""Arithmetic of a number that is another number, with a new name, source or interval."""


class Derivation(NamedTuple):
    """How a number was computed: arithmetic over its inputs by place (``core.arithmetic``), or a function of their values.

    ``key`` names a number that is computed in several places alike; one that begins with a dot is below the option of a plan.
    Neither arithmetic nor function: a simulation, or a number that is taken from a source.
    """

    arithmetic: str | None
    inputs: tuple[Estimate | float, ...] = ()
    formula: str | None = None
    compute: Callable[..., float] | None = None
    key: str | None = None
    title: str | None = None


Number = TypeVar("Number", bound=Estimate | MetricRow)


class _Switch:
    """Hold whether derivations are recorded: always, except where their cost is measured."""

    is_on = True


def record(number: Number, derivation: Derivation) -> Number:
    """Attach its derivation to a number that was just computed, and return the number."""
    if _Switch.is_on:
        # Records are frozen, and the slot is none of their fields.
        object.__setattr__(number, "_derivation", derivation)
    return number


def derivation_of(number: Estimate | MetricRow) -> Derivation | None:
    """Return how a number was computed; ``None`` for one that is taken from a source."""
    return getattr(number, "_derivation", None)


def given(
    value: float,
    unit: str,
    *,
    source: str,
    key: str | None = None,
    title: str | None = None,
    basis: Basis = "modelled",
    low: float | None = None,
    high: float | None = None,
) -> Estimate:
    """Return a number that is taken from a source, exact unless it has ends, under its own key."""
    ends = {"low": value if low is None else low, "high": value if high is None else high}
    found = Estimate(value=value, **ends, unit=unit, basis=basis, source=source)
    return record(found, Derivation(None, key=key, title=title))


def number_of(row: MetricRow) -> Estimate | None:
    """Return a metric's number with what it was computed from; ``None`` where that was not recorded."""
    found = derivation_of(row)
    number = found.inputs[0] if found is not None and found.inputs else None
    return number if isinstance(number, Estimate) else None


# One set for all: pydantic copies it before it changes it.
_FIELDS = set(Estimate.model_fields)


def computed(
    value: float,
    low: float,
    high: float,
    unit: str,
    basis: Basis,
    source: str | None = None,
    reasons: tuple[str, ...] = (),
) -> Estimate:
    """Return an Estimate of numbers that our own arithmetic made, without pydantic's look at each field.

    That look is most of the cost of an addition, and a plan makes hundreds of thousands. What comes from a file is checked where
    it is read, by ``Estimate(...)``.
    """
    made = object.__new__(Estimate)
    # As pydantic fills a record; float() as it does, since counts are whole numbers and numpy's floats print otherwise.
    fields = {
        "value": float(value), "low": float(low), "high": float(high), "unit": unit, "basis": basis, "source": source,
        "reasons": reasons,
    }  # fmt: skip
    object.__setattr__(made, "__dict__", fields)
    object.__setattr__(made, "__pydantic_fields_set__", _FIELDS)
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


def changed(number: Estimate, **changes: Any) -> Estimate:
    """Return the number with other fields; ``model_copy`` takes four times as long, and a plan makes tens of thousands."""
    # __dict__ holds a pydantic record's fields alone; slots stay behind, so the derivation is not copied.
    return computed(**{**number.__dict__, **changes})


def restated(
    number: Estimate, *, formula: str | None = None, key: str | None = None, title: str | None = None, **changes: Any
) -> Estimate:
    """Return the same number with other ends, source or unit, which refers to it."""
    return record(changed(number, **changes), Derivation(SAME, (number,), formula, None, key, title))


def recomputed(number: Estimate) -> float | None:
    """Return the number as its derivation gives it from the values of its inputs; ``None`` if it has no arithmetic."""
    found = derivation_of(number)
    if found is None:
        return None
    values = [one.value if isinstance(one, Estimate) else one for one in found.inputs]
    if found.compute is not None:
        return float(found.compute(*values))
    return None if found.arithmetic is None else evaluate(found.arithmetic, values)


@contextmanager
def unrecorded() -> Iterator[None]:
    """Compute without recording derivations, to measure what recording costs."""
    _Switch.is_on = False
    try:
        yield
    finally:
        _Switch.is_on = True


class Places:
    """Number Estimates in order while arithmetic over them is written: ``of(number)`` is ``{0}``, and the same again for it."""

    def __init__(self) -> None:
        self.inputs: list[Estimate | float] = []

    def __call__(self, number: Estimate) -> str:
        for place, known in enumerate(self.inputs):
            # By identity: two inputs may be equal by chance.
            if known is number:
                return f"{{{place}}}"
        self.inputs.append(number)
        return f"{{{len(self.inputs) - 1}}}"

    def plus(self, numbers: Iterable[Estimate]) -> str:
        """Return the sum of some numbers in brackets; ``0`` of none."""
        terms = [self(number) for number in numbers]
        return f"({' + '.join(terms)})" if terms else "0"

"""Record what a number was computed from, at the moment when it is computed.

Every result of the arithmetic on Estimates refers to its inputs, so that all numbers together form a graph that ends at numbers
taken from a source. Copies of an Estimate (``model_copy``, pickling) drop the reference; ``restated`` keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from aigc_bench.core.arithmetic import evaluate
from aigc_bench.core.records import Estimate

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


class _Switch:
    """Hold whether derivations are recorded: always, except where their cost is measured."""

    is_on = True


def record(number: Estimate, derivation: Derivation) -> Estimate:
    """Attach its derivation to a number that was just computed, and return the number."""
    if _Switch.is_on:
        object.__setattr__(number, "_derivation", derivation)
    return number


def derivation_of(number: Estimate) -> Derivation | None:
    """Return how a number was computed; ``None`` for one that is taken from a source."""
    return getattr(number, "_derivation", None)


def changed(number: Estimate, **changes: Any) -> Estimate:
    """Return the number with other fields; ``model_copy`` takes four times as long, and a plan makes tens of thousands."""
    return Estimate(**{**number.__dict__, **changes})


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
            if known is number:
                return f"{{{place}}}"
        self.inputs.append(number)
        return f"{{{len(self.inputs) - 1}}}"

    def plus(self, numbers: Iterable[Estimate]) -> str:
        """Return the sum of some numbers in brackets; ``0`` of none."""
        terms = [self(number) for number in numbers]
        return f"({' + '.join(terms)})" if terms else "0"

"""What a plan rests on as rows: the basis of each number, the measurements worth making, doubts, and assumptions by width."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.records.plan import Assumption, Option, Plan
from aigc_bench.plan.risk.value_of_information import RestsOn, ValueOfMeasurement, basis_of, best_measurements, doubts_of

NARROWS_BY = 0.01
"""Least reduction of the interval for which a measurement is worth naming."""


class BasisRow(Record):
    """A number that an option rests on; its interval is among the assumptions."""

    found: RestsOn
    value: Estimate


class BasisView(Record):
    """Numbers of an option by basis, ``measurements`` that would narrow the plan (``worthwhile`` ones noticeably), and doubts.

    ``measured`` are the loads whose throughput was measured, each with the case.
    """

    numbers: tuple[RestsOn, ...]
    rows: tuple[BasisRow, ...]
    counts: tuple[tuple[Basis, int], ...]
    measurements: tuple[ValueOfMeasurement, ...]
    worthwhile: tuple[ValueOfMeasurement, ...]
    doubts: tuple[Sentence, ...]
    measured: tuple[tuple[Sentence, Sentence], ...]


def basis_view(plan: Plan, option: Option | None) -> BasisView:
    """Return what the numbers of an option rest on."""
    numbers = basis_of(option) if option is not None else ()
    count = Counter(one.basis for one in numbers)
    measurements = best_measurements(plan)
    return BasisView(
        numbers=numbers,
        rows=tuple(_row(one) for one in numbers),
        counts=tuple((basis, count[basis]) for basis in get_args(Basis) if count[basis]),
        measurements=measurements,
        worthwhile=tuple(one for one in measurements if one.shrinks_by >= NARROWS_BY),
        doubts=(*(doubts_of(option) if option is not None else ()), *plan.notes),
        measured=tuple((one.load, one.source or "") for one in numbers if one.quantity == "throughput" and one.basis == "measured"),
    )


def _row(one: RestsOn) -> BasisRow:
    return BasisRow(
        found=one,
        value=Estimate(
            value=one.value, low=one.value, high=one.value, unit=one.unit, basis=one.basis, source=one.source, reasons=one.reasons
        ),
    )


def widest_first(plan: Plan) -> tuple[Assumption, ...]:
    """Return every assumption, the widest interval first."""
    return tuple(sorted(plan.assumptions, key=lambda one: (-width(one.value), one.key)))


def width(value: Estimate) -> float:
    """Return high over low, the width of an interval as a ratio; infinite if only the low end is 0."""
    if value.low > 0:
        return value.high / value.low
    # An interval from 0 has no ratio; it goes first, since nothing is known of its size.
    return math.inf if value.high > 0 else 1.0

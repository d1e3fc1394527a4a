"""Arithmetic on Estimates: every result carries an interval, a unit and a basis derived from its inputs.

All quantities of a plan are non-negative, and their intervals are propagated to first order:

    product, quotient   in quadrature of the factors' log-widths:  ln(high / value) = sqrt(sum of ln(high_i / value_i)^2)
    sum                 ends add up: terms of one plan share users, prices and machines, so they are taken as fully dependent

Factors are taken as independent of each other (users, size of a request, throughput, price). Source: JCGM 100:2008 (GUM), 5.1.6
for independent and 5.2 for fully dependent inputs. Results lie within the outer bounds of plain interval arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from aigc_bench.core.arithmetic import ceil as ceil
from aigc_bench.core.derivation import Derivation, changed, computed, derivation_of, record, restated
from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate

NO_TERMS = message("sum of no terms")
STATED = message("stated in the demand, or its default")
GENERAL = message("unverified (general knowledge), 2026-11")
"""Source of a value that no publication was found for, with the month in which it was set."""


def combined(estimates: Iterable[Estimate]) -> Basis:
    """Return the basis of a computed figure: its inputs' where they agree, ``assumed`` where one of them is, else ``modelled``.

    A sum of no terms changes neither the value nor the basis of what it is added to.
    """
    given = list(estimates)
    found = {estimate.basis for estimate in given}
    if len(found) == 1:
        return found.pop()
    # An empty sum must not turn a measured total into a modelled one.
    found = {estimate.basis for estimate in given if estimate.source != NO_TERMS} or found
    if len(found) == 1:
        return found.pop()
    if "assumed" in found or not found:
        return "assumed"
    return "interpolated" if found == {"measured", "interpolated"} else "modelled"


def estimate(
    value: float, *, unit: str, basis: Basis, low: float | None = None, high: float | None = None, source: str | None = None
) -> Estimate:
    """Return an Estimate whose ends default to its value; ``low <= value <= high`` is asserted."""
    found_low, found_high = value if low is None else low, value if high is None else high
    # An assertion: values of files are checked where they are read, so this is a mistake in our code.
    assert found_low <= value <= found_high, f"an interval [{found_low}, {found_high}] must hold its value {value}"
    return computed(value, found_low, found_high, unit, basis, source)


def assumed(value: float, *, unit: str, low: float | None = None, high: float | None = None, source: str) -> Estimate:
    """Return a stated assumption, with its source."""
    return estimate(value, low=low, high=high, unit=unit, basis="assumed", source=source)


def zero(unit: str) -> Estimate:
    """Return an exact zero: the sum of no terms, which is arithmetic (``modelled``), not a measurement."""
    return estimate(0.0, unit=unit, basis="modelled", source=NO_TERMS)


def counted(
    number: float,
    unit: str,
    source: str,
    *,
    arithmetic: str | None = None,
    inputs: Sequence[Estimate | float] = (),
    compute: Callable[..., float] | None = None,
    key: str | None = None,
    title: str | None = None,
) -> Estimate:
    """Return a whole number that a plan counts, with the arithmetic or the function that gives it from its inputs."""
    found = computed(number, number, number, unit, "modelled", source)
    if not inputs and key is None:
        return found
    return record(found, Derivation(arithmetic, tuple(inputs), source if inputs else None, compute, key, title))


def known_as(quantity: Estimate, key: str, title: str) -> Estimate:
    """Return the number under a key, by which it is explained wherever it is computed alike; a dot leads below the option."""
    return restated(quantity, key=key, title=title)


def stated(value: float, key: str, *, unit: str, source: str = STATED) -> Estimate:
    """Return a plain number of the demand as an Estimate, under its own key."""
    return record(assumed(value, unit=unit, source=source), Derivation(None, key=key))


def _make(values: tuple[float, float, float], *, unit: str, parts: Sequence[Estimate], arithmetic: str) -> Estimate:
    value, low, high = values
    reasons: tuple[str, ...] = ()
    for part in parts:
        if part.reasons:
            reasons = tuple(dict.fromkeys((*reasons, *part.reasons)))
    # Rounding can put an end on the wrong side of the value by one unit in the last place.
    made = computed(value, min(low, value), max(high, value), unit, combined(parts), None, reasons)
    return record(made, Derivation(arithmetic, tuple(parts)))


# A plan asks for the same few patterns tens of thousands of times.
@lru_cache(maxsize=256)
def _over_places(count: int, sign: str) -> str:
    """Return inputs joined by an operator, or as the arguments of a function."""
    places = [f"{{{place}}}" for place in range(count)]
    return f" {sign} ".join(places) if sign in "+*" or count == 1 else f"{sign}({', '.join(places)})"


def plus(*terms: Estimate) -> Estimate:
    """Return the sum of terms of one unit."""
    units = {term.unit for term in terms}
    assert len(units) == 1, f"only one unit can be added, not {sorted(units)}"
    # fsum: the result does not depend on the order of the terms, so equal options get equal costs.
    sums = (math.fsum(t.value for t in terms), math.fsum(t.low for t in terms), math.fsum(t.high for t in terms))
    return _make(sums, unit=terms[0].unit, parts=terms, arithmetic=_over_places(len(terms), "+"))


def total(terms: Sequence[Estimate], *, unit: str) -> Estimate:
    """Return the sum of any number of terms, also of none."""
    return plus(*terms) if terms else zero(unit)


def times(*factors: Estimate, unit: str) -> Estimate:
    """Return the product of non-negative, independent factors."""
    assert all(factor.low >= 0 for factor in factors), "products here are of non-negative quantities"
    value = math.prod(factor.value for factor in factors)
    # Log-widths of a zero are undefined; plain interval arithmetic bounds the product.
    if value == 0:
        ends = (math.prod(factor.low for factor in factors), math.prod(factor.high for factor in factors))
    else:
        # Log-widths towards each end separately: intervals may be lopsided.
        # An exact factor has no width and adds nothing.
        wide = [factor for factor in factors if factor.low < factor.value or factor.value < factor.high]
        down = _quadrature([_log_ratio(factor.value, factor.low) for factor in wide])
        up = _quadrature([_log_ratio(factor.high, factor.value) for factor in wide])
        ends = (value * math.exp(-down), value * math.exp(up)) if wide else (value, value)
    return _make((value, *ends), unit=unit, parts=factors, arithmetic=_over_places(len(factors), "*"))


def over(numerator: Estimate, denominator: Estimate, *, unit: str) -> Estimate:
    """Return the quotient of a non-negative numerator and a positive denominator, independent of each other."""
    assert denominator.low > 0, "an interval in a denominator must lie above 0"
    # 1 / x falls, so low and high change places.
    inverse = changed(denominator, value=1 / denominator.value, low=1 / denominator.high, high=1 / denominator.low)
    return record(times(numerator, inverse, unit=unit), Derivation("{0} / {1}", (numerator, denominator)))


def _log_ratio(larger: float, smaller: float) -> float:
    # An infinite width makes the low end of the product 0.
    return math.log(larger / smaller) if smaller > 0 else math.inf


def _quadrature(widths: Iterable[float]) -> float:
    return math.sqrt(math.fsum([width * width for width in widths]))


def scaled(quantity: Estimate, factor: float | Estimate, *, unit: str | None = None) -> Estimate:
    """Return the estimate times an exact non-negative number: a unit conversion or a count."""
    exact = factor.value if isinstance(factor, Estimate) else factor
    assert exact >= 0, "scale by a non-negative number"
    # An exact factor widens no interval, so all three numbers scale alike and the basis stays.
    values = {"value": quantity.value * exact, "low": quantity.low * exact, "high": quantity.high * exact}
    return record(changed(quantity, **values, unit=unit or quantity.unit), Derivation("{0} * {1}", (quantity, factor)))


def complement(share: Estimate) -> Estimate:
    """Return one less a share; low and high change places."""
    ends = {"value": 1 - share.value, "low": 1 - share.high, "high": 1 - share.low}
    return record(changed(share, **ends), Derivation("1 - {0}", (share,)))


def largest(quantities: Sequence[Estimate]) -> Estimate:
    """Return the largest of several estimates, end by end."""
    # End by end: the largest of the low ends is the least that the maximum can be.
    tops = (max(q.value for q in quantities), max(q.low for q in quantities), max(q.high for q in quantities))
    return _make(tops, unit=quantities[0].unit, parts=quantities, arithmetic=_over_places(len(quantities), "max"))


def whole(quantity: Estimate, *, unit: str) -> Estimate:
    """Return the estimate rounded up to whole units, end by end."""
    return _make(
        (ceil(quantity.value), ceil(quantity.low), ceil(quantity.high)), unit=unit, parts=(quantity,), arithmetic="ceil({0})"
    )


def bounded(quantity: Estimate, *, floor: float | Estimate = 0.0, ceiling: float | Estimate = math.inf) -> Estimate:
    """Return the estimate with value, low and high kept within bounds."""
    least = floor.value if isinstance(floor, Estimate) else floor
    most = ceiling.value if isinstance(ceiling, Estimate) else ceiling
    ends = {end: min(most, max(least, getattr(quantity, end))) for end in ("value", "low", "high")}
    # Quantities are non-negative, so a floor of 0 would only clutter the printed arithmetic.
    lowest = "{0}" if isinstance(floor, float) and floor == 0 else "max({0}, {1})"
    bounds = lowest if ceiling == math.inf else f"min({{2}}, {lowest})"
    return record(changed(quantity, **ends), Derivation(bounds, (quantity, floor, ceiling)))


def low_end(quantity: Estimate, source: str) -> Estimate:
    """Return the low end of an interval as a number of its own: a leaf, since an end is not computed from the value."""
    return changed(quantity, value=quantity.low, high=quantity.low, source=source)


def high_end(quantity: Estimate, source: str) -> Estimate:
    """Return the high end of an interval as a number of its own."""
    return changed(quantity, value=quantity.high, low=quantity.high, source=source)


def named(quantity: Estimate, source: str, *, formula: str | None = None) -> Estimate:
    """Return the estimate with its formula as its source; ``formula`` is the whole one, if the source is short."""
    return restated(quantity, formula=formula or source, source=source)


def explained(quantity: Estimate, formula: str) -> Estimate:
    """Return a number that was just computed with its formula in words; its source stays."""
    found = derivation_of(quantity)
    # In place: a copy would be one more step in the derivation.
    return quantity if found is None else record(quantity, found._replace(formula=formula))

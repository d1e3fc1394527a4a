"""Cost of owning: annuity and residual, total cost of ownership, and the cost of every year as equipment is bought.

The annuity of a purchase with residual value is ``(C - RV / (1 + r)^n) * r / (1 - (1 + r)^-n)``, for r = 0 ``(C - RV) / n``::

    hardware a year   C x (1 - s / (1 + r)^n) x r / (1 - (1 + r)^-n)            s the residual share at the end of life
    ancillary         share x (hardware + electricity + cooling + space)       freight, installation, insurance, disposal
    TCO               C x (1 - s) + (opex + ancillary) x n                         undiscounted, over the life
    present value     C x (1 - s / (1 + r)^n) + (opex + ancillary) / annuity factor

Source: Brealey, Myers, Allen, Principles of Corporate Finance (equivalent annual cost). Taxes are left out.

At the end of the servers' life::

    worth     (purchase - plant) x residual share + plant x (1 - life / life of the plant)
    share     worth / purchase

Plant is written off in equal parts over its own life: the next servers use what is left of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from aigc_bench.core.derivation import Derivation, Places, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.plan import CostLine, Option
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.stats.distributions import Array
from aigc_bench.plan.stats.estimates import combined, complement, named, plus, scaled, stated, times, total

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


def annuity_factor(rate: float, *, years: float) -> float:
    """Return the yearly cost of one unit of capital over ``years``: r / (1 - (1 + r)^-n), 1 / n without interest."""
    assert years > 0 and rate > -1, "an annuity needs a life above 0 and a rate above -100 %"
    # 1 - (1 + r)^-n loses all its digits for small rates; expm1 and log1p keep them.
    growth = math.expm1(-years * math.log1p(rate))
    # growth is 0 where rate x years underflows, too.
    return 1.0 / years if rate == 0 or growth == 0 else rate / -growth


def annuity(capital: float, *, rate: float, years: float, residual: float = 0.0) -> float:
    """Return the equal payment at each year's end that pays for ``capital`` less the discounted ``residual``."""
    return (capital - residual * discount(rate, years=years)) * annuity_factor(rate, years=years)


def discount(rate: float, *, years: float) -> float:
    """Return the present value of 1 due in ``years``: (1 + r)^-n."""
    return math.exp(-years * math.log1p(rate))


def annuities(capital: Array, rate: Array, residual: Array, *, years: float) -> Array:
    """Return the annuity with residual value in USD per year, of shape (scenarios,) like its inputs.

    ``capital`` in USD, ``rate`` a fraction per year, ``residual`` a share of the capital.
    Without interest the capital is spread evenly.
    """
    # As in ``annuity_factor``: 1 - (1 + r)^-n would be 0 for every rate below 1e-16, and the factor infinite.
    growth = np.expm1(-years * np.log1p(rate))
    later = 1 + growth
    # The value where no division takes place: rates of 0, and those that underflow.
    factor = np.full_like(rate, 1 / years)
    np.divide(rate, -growth, out=factor, where=growth != 0)
    return np.asarray(capital * (1 - residual * later) * factor)


RESIDUAL_MONTHS = (24, 36, 48)
ADDER_BASE = ("hardware", "electricity", "cooling", "space")
"""Lines of which freight, insurance and other ancillary costs are a share."""
HARDWARE = message("purchase x (1 - residual share / (1 + discount rate)^years) x discount rate / (1 - (1 + discount rate)^-years)")
ANNUITY = "{0} * (1 - {2} / (1 + {1}) ** {3}) * {1} / (1 - (1 + {1}) ** -{3})"
PLAIN = "{0} * (1 - {2}) / {3}"
"""Without interest an equal share of every year: the annuity's formula would divide zero by zero."""


class FinanceTerms(Record):
    """Cost of capital and equipment lives. Fractions; years."""

    discount_rate: Estimate
    life_years: float = Field(gt=0)
    residual_share: Estimate
    adders_share: Estimate | None = None


class Ownership(Record):
    """The money of a purchase: upfront, per year, over the life. ``lines`` add up to ``total_usd_per_year``."""

    capex_usd: Estimate
    hardware_usd_per_year: Estimate
    opex_usd_per_year: Estimate
    total_usd_per_year: Estimate
    tco_usd: Estimate
    present_value_usd: Estimate
    lines: tuple[CostLine, ...]
    life_years: float


def residual_share(age_years: float, *, catalogue: Catalogue) -> Estimate:
    """Return resale value over purchase price at that age: published at 24, 36 and 48 months, geometric in between and beyond."""
    assert age_years >= 0, "equipment is bought before it is sold"
    known = [catalogue.constant(f"residual_fraction_{months}m") for months in RESIDUAL_MONTHS]
    # At age 0 a machine is worth its price.
    ages = (0.0, *(months / 12 for months in RESIDUAL_MONTHS))
    ends = {end: _geometric(age_years, ages, (1.0, *(getattr(share, end) for share in known))) for end in ("low", "value", "high")}
    # 24 and 36 months are published; 48 months and everything beyond are extended from them.
    basis = "datasheet" if 2 <= age_years <= 3 else "assumed"
    return Estimate(
        **ends,
        unit="fraction",
        basis=basis,
        source=message("resale value at {age_years:g} years; {source}", age_years=age_years, source=known[0].source),
    )


def _geometric(age: float, ages: Sequence[float], shares: Sequence[float]) -> float:
    """Interpolate between the two points around ``age``, or extrapolate the last two, linear in the logarithm."""
    upper = next((index for index, at in enumerate(ages) if at >= age), len(ages) - 1)
    left, right = max(0, upper - 1), max(1, upper)
    # A constant loss per year as a share of what is left, which is a straight line in the logarithm.
    slope = math.log(shares[right] / shares[left]) / (ages[right] - ages[left])
    return shares[left] * math.exp(slope * (age - ages[left]))


def own(capex_usd: Estimate, lines: Sequence[CostLine], *, terms: FinanceTerms) -> Ownership:
    """Return the money of equipment for ``capex_usd`` that costs ``lines`` per year to run."""
    hardware = _annual(capex_usd, terms=terms, rate=terms.discount_rate)
    first = CostLine(
        key="hardware",
        name="hardware",
        usd_per_year=hardware,
        formula=HARDWARE,
        inputs={
            "purchase": capex_usd,
            message("discount rate"): terms.discount_rate,
            message("residual share"): terms.residual_share,
        },
    )
    found = [first, *lines]
    if terms.adders_share is not None:
        base = total([line.usd_per_year for line in found if line.key in ADDER_BASE], unit="usd/year")
        formula = "share x (hardware + electricity + cooling + space)"
        adders = named(times(base, terms.adders_share, unit="usd/year"), formula)
        name = message("ancillary costs: freight, installation, insurance, disposal")
        fed = {line.name: line.usd_per_year for line in found if line.key in ADDER_BASE} | {"share": terms.adders_share}
        found.append(CostLine(key="adders", name=name, usd_per_year=adders, formula=formula, inputs=fed))
    # The first line is the hardware's annuity, which the purchase already pays for.
    opex = named(total([line.usd_per_year for line in found[1:]], unit="usd/year"), message("sum of the lines but hardware"))
    whole = named(plus(hardware, opex), message("sum of the lines"))
    return Ownership(
        capex_usd=capex_usd,
        hardware_usd_per_year=hardware,
        opex_usd_per_year=opex,
        total_usd_per_year=whole,
        tco_usd=_tco(capex_usd, opex, terms=terms),
        present_value_usd=_present_value(capex_usd, opex, terms=terms),
        lines=tuple(found),
        life_years=terms.life_years,
    )


def _annual(capex_usd: Estimate, *, terms: FinanceTerms, rate: Estimate) -> Estimate:
    """Return the equal yearly payment; highest at a high price and rate and a low residual."""

    def payment(capital: float, interest: float, residual: float) -> float:
        """Return the annuity in USD per year of a capital with its residual share."""
        return annuity(capital, rate=interest, years=terms.life_years, residual=residual * capital)

    found = _ends(
        payment, capex_usd, rate, terms.residual_share, unit="usd/year", source=message("annuity over the life less residual")
    )
    return record(
        found,
        Derivation(
            # The printed arithmetic has to be one that can be evaluated: 0 / 0 cannot.
            PLAIN if rate.value == 0 else ANNUITY,
            inputs=(capex_usd, rate, terms.residual_share, life_of(terms.life_years)),
            formula=HARDWARE,
        ),
    )


def life_of(years: float) -> Estimate:
    """Return the life of the servers in years, under its key."""
    return stated(years, "demand.finance.life_years", unit="years")


def _tco(capex_usd: Estimate, opex: Estimate, *, terms: FinanceTerms) -> Estimate:
    # What is not recovered at the sale.
    lost = complement(terms.residual_share)
    running = scaled(opex, life_of(terms.life_years), unit="usd")
    return named(plus(times(capex_usd, lost, unit="usd"), running), "capex x (1 - residual) + opex x years")


def _present_value(capex_usd: Estimate, opex: Estimate, *, terms: FinanceTerms) -> Estimate:
    """Return the present value; a high rate lowers later costs, so each end takes the rate that widens the interval."""
    years = terms.life_years

    def worth(capital: float, interest: float, residual: float) -> float:
        """Return the capital in USD less the discounted residual value."""
        return capital * (1 - residual * discount(interest, years=years))

    def running(yearly: float, interest: float, _: float) -> float:
        """Return the present value in USD of equal yearly payments."""
        # The inverse of the annuity factor is the present value of 1 per year.
        return yearly / annuity_factor(interest, years=years)

    turned = _turned(terms.discount_rate)
    bought = _ends(worth, capex_usd, terms.discount_rate, terms.residual_share, unit="usd", source="")
    run = _ends(running, opex, turned, terms.residual_share, unit="usd", source="")
    return named(plus(bought, run), message("capex less the discounted residual + discounted opex"))


def _ends(
    function: Callable[[float, float, float], float],
    first: Estimate,
    rate: Estimate,
    residual: Estimate,
    *,
    unit: str,
    source: str,
) -> Estimate:
    """Return a function that rises in its first two arguments and falls in the third, at the ends of their intervals."""
    # The third argument lowers the result, so it takes the opposite end.
    low = function(first.low, rate.low, residual.high)
    value = function(first.value, rate.value, residual.value)
    high = function(first.high, rate.high, residual.low)
    basis = combined((first, rate, residual))
    return Estimate(value=value, low=min(low, value), high=max(high, value), unit=unit, basis=basis, source=source)


def _turned(rate: Estimate) -> Estimate:
    """Return the numbers with ends exchanged, for a function that falls in the rate; for arithmetic only, never printed."""
    return rate.model_copy(update={"low": rate.high, "high": rate.low})


PLANT = ("rack", "power", "cooling")
"""Categories of a bill's lines that outlive the servers."""
SHARE = message("(purchase - plant) x residual share + plant x its unused life, over the purchase")


def residual_of(capex: Estimate, room: Room | None, finance: Finance) -> Estimate:
    """Return the share of a purchase that is left at the end of the servers' life; that of the servers without plant."""
    lines = [line.usd for line in room.bill.lines if line.category in PLANT and line.usd is not None] if room else []
    left, plant = finance.plant_left_share, total([usd for usd in lines if usd is not None], unit="usd")
    if left is None or plant.value <= 0 or capex.value <= 0:
        return finance.residual_share
    # Central amounts weigh the two shares: their prices rise and fall together.
    part = min(1.0, plant.value / capex.value)
    ends = {end: getattr(finance.residual_share, end) * (1 - part) + getattr(left, end) * part for end in ("low", "value", "high")}
    inputs = (capex, finance.residual_share, plant, left)
    found = Estimate(**ends, unit="fraction", basis=combined(inputs), source=SHARE)
    return record(found, Derivation("(({0} - {2}) * {1} + {2} * {3}) / {0}", inputs, SHARE))


def residual_of_option(option: Option, finance: Finance) -> Estimate:
    """Return the share of an option's purchase that is left at the end of the servers' life; of a mixed one over its parts."""
    parts = [part for part in option.parts if part.capex_usd.value > 0]
    if not parts:
        return residual_of(option.capex_usd, option.room, finance)
    return _over([(part.capex_usd, residual_of(part.capex_usd, part.room, finance)) for part in parts])


def _over(parts: Sequence[tuple[Estimate, Estimate]]) -> Estimate:
    """Return the mean of some shares by their purchases."""
    whole = sum(capex.value for capex, _ in parts)
    ends = {end: sum(capex.value * getattr(share, end) for capex, share in parts) / whole for end in ("low", "value", "high")}
    of = Places()
    words = " + ".join(f"{of(capex)} * {of(share)}" for capex, share in parts)
    words = f"({words}) / {of.plus(capex for capex, _ in parts)}"
    found = Estimate(**ends, unit="fraction", basis=combined([share for _, share in parts]), source=SHARE)
    return record(found, Derivation(words, tuple(of.inputs), SHARE))

"""An option's cash by year: bought at the start, run every year, sold at the end of its life; the sum is its total cost.

year 0       purchase
year 1..n    running cost, in the last year for the fraction left where the life is not a whole number; a rent by the hour
             pays the instances of its year where the life of the servers is the horizon of the growth, else those of the mean
year n       resale at the residual share of the purchase
"""

from __future__ import annotations

import math

from aigc_bench.core.derivation import Derivation, record, restated
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.money.ownership import residual_of_option
from aigc_bench.plan.records.demand import Finance
from aigc_bench.plan.records.plan import Option, Rent
from aigc_bench.plan.stats.estimates import named, scaled, times


class YearCash(Record):
    """Payments and income of a year; ``net_usd`` may be negative in the year of the sale. Year 0 is the start."""

    year: int
    purchase_usd: Estimate | None = None
    running_usd: Estimate | None = None
    resale_usd: Estimate | None = None
    net_usd: Estimate
    cumulative_usd: Estimate


def cash_by_year(option: Option, finance: Finance) -> tuple[YearCash, ...]:
    """Return the years of an option's life, the purchase first; of a mixed one over all its parts."""
    # A last year that is cut short still has a row.
    capex, years, found = option.capex_usd, math.ceil(finance.life_years), list[YearCash]()
    owned = sum(part.capex_usd.value for part in option.parts or (option,))
    for year in range(years + 1):
        purchase = capex if year == 0 and owned else None
        # 1 for whole years, what is left of the life in the last one.
        share = min(1.0, finance.life_years - (year - 1))
        running = _running(option, finance, year=year, share=share) if year else None
        resale = times(capex, residual_of_option(option, finance), unit="usd") if year == years and owned else None
        before = found[-1].cumulative_usd if found else None
        # Resale is an income, so its high end belongs to the low end of the cost.
        net = _added(purchase, running, less=resale, words=message("purchase + running - resale"))
        whole = _added(before, net, words=message("sum of the years so far"))
        back = named(resale, message("purchase x residual share")) if resale else None
        found.append(
            YearCash(year=year, purchase_usd=purchase, running_usd=running, resale_usd=back, net_usd=net, cumulative_usd=whole)
        )
    return (*found[:-1], found[-1].model_copy(update={"cumulative_usd": _total(found[-1].cumulative_usd, option)}))


def _running(option: Option, finance: Finance, *, year: int, share: float) -> Estimate:
    """Return the running cost of a year, of which ``share`` is within the life."""
    words = message("running cost a year") if share == 1 else message("running cost a year x {share:g}", share=share)
    usual = named(scaled(option.opex_usd_per_year, share, unit="usd"), words)
    rents = [rent for rent in _rents(option) if _follows(rent, finance)]
    for rent in rents:
        usual = _with_rent_of(rent, usual, year=year, share=share)
    return usual


def _rents(option: Option) -> tuple[Rent, ...]:
    return () if option.rent is None else option.rent.lines or (option.rent,)


def _follows(rent: Rent, finance: Finance) -> bool:
    """Return whether the years of the rent are those of the life, so that the years add up to its total cost."""
    return len(rent.years) > 1 and math.isclose(sum(rent.years), finance.life_years, rel_tol=1e-9)


def _with_rent_of(rent: Rent, usual: Estimate, *, year: int, share: float) -> Estimate:
    """Return a year's running cost with the instances of that year instead of those of the mean."""
    mean, paid = rent.instances_mean, rent.instances_by_year[year - 1]
    if mean.value <= 0 or math.isclose(paid.value, mean.value, rel_tol=1e-12):
        return usual
    words = message("running cost a year, the rent for the instances of year {year}", year=year)
    ends = {
        end: max(0.0, getattr(usual, end) + share * getattr(rent.usd_per_year, end) * (paid.value / mean.value - 1))
        for end in ("value", "low", "high")
    }
    ends |= {"low": min(ends["low"], ends["value"]), "high": max(ends["high"], ends["value"])}
    found = Estimate(**ends, unit="usd", basis=usual.basis, source=words)
    inputs = (usual, rent.usd_per_year, mean, paid, share)
    return record(found, Derivation("{0} + {4} * {1} * ({3} / {2} - 1)", inputs, words))


def _total(whole: Estimate, option: Option) -> Estimate:
    """Return the last sum with the interval of the total cost, which is narrower than one added up end by end."""
    tco = option.tco_usd
    is_same = math.isclose(whole.value, tco.value, rel_tol=1e-9)
    return restated(whole, low=tco.low, high=tco.high) if is_same else whole


def _added(*terms: Estimate | None, less: Estimate | None = None, words: str) -> Estimate:
    """Return the sum end by end; a subtracted term takes the opposite end."""
    known = [term for term in terms if term is not None]
    off = (less.value, less.high, less.low) if less else (0.0, 0.0, 0.0)
    value, low, high = (
        math.fsum(getattr(term, end) for term in known) - minus for end, minus in zip(("value", "low", "high"), off, strict=True)
    )
    basis = known[-1].basis if known else "modelled"
    found = Estimate(value=value, low=min(low, value), high=max(high, value), unit="usd", basis=basis, source=words)
    sum_ = " + ".join(f"{{{place}}}" for place in range(len(known))) or "0"
    arithmetic = f"{sum_} - {{{len(known)}}}" if less else sum_
    return record(found, Derivation(arithmetic, (*known, *((less,) if less else ())), words))

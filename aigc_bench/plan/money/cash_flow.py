"""Purchases and yearly cash flow as the demand grows and equipment is retired.

    needed in year y    ceil(needed now x (1 + growth)^y)
    bought in year y    needed and not in service
    price in year y     price now x ratio^y

A cohort serves its whole life; at its end, and at the horizon, it is sold for the residual share of its price at its age.
Equipment is bought at the start of a year and sold at an end. Taxes are off unless a rate is given: then running costs and
straight-line depreciation reduce them and a resale adds to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.money.ownership import discount
from aigc_bench.plan.stats.estimates import combined


class Cohort(Record):
    """Units that are bought together: at the start of year ``bought``, sold at the end of the year before ``sold``."""

    bought: int = Field(ge=0)
    sold: int = Field(gt=0)
    count: int = Field(gt=0)

    @property
    def age_years(self) -> int:
        """Return the age at which it is sold."""
        return self.sold - self.bought


class YearFlow(Record):
    """One year: units in service and bought, payments and income in USD of that year; ``net`` is payments less income."""

    year: int
    in_service: int
    bought: int
    sold: int
    capex_usd: Estimate
    opex_usd: Estimate
    resale_usd: Estimate
    tax_usd: Estimate
    net_usd: Estimate


class CashFlow(Record):
    """Every year of the horizon, the plain sum, and the sum discounted to now (capex at starts, the rest at ends of years)."""

    years: tuple[YearFlow, ...]
    cohorts: tuple[Cohort, ...]
    tco_usd: Estimate
    present_value_usd: Estimate


class CashFlowTerms(Record):
    """Price trend and lives: ``price_ratio`` is next year's hardware price over this year's, ``tax_rate`` a fraction."""

    horizon_years: int = Field(ge=1)
    life_years: int = Field(ge=1)
    price_ratio: Estimate
    discount_rate: Estimate
    tax_rate: float = Field(default=0.0, ge=0, lt=1)


def buy_dates(needed: Sequence[int], *, life_years: int) -> tuple[Cohort, ...]:
    """Return the fewest purchases, each as late as possible, that cover every year's need."""
    horizon, cohorts = len(needed), list[Cohort]()
    for year, need in enumerate(needed):
        alive = sum(cohort.count for cohort in cohorts if cohort.sold > year)
        if need > alive:
            # At the horizon everything is sold, however young.
            cohorts.append(Cohort(bought=year, sold=min(year + life_years, horizon), count=need - alive))
    return tuple(cohorts)


def cash_flow(
    needed: Sequence[int],
    *,
    unit_usd: Estimate,
    opex_usd_per_unit_year: Estimate,
    residual_at: Callable[[float], Estimate],
    growth: CashFlowTerms,
) -> CashFlow:
    """Return the cash flow of buying and running ``needed`` units in every year.

    ``unit_usd`` is today's price of one, ``residual_at`` the share of its price that one is sold for at an age in years.
    """
    assert len(needed) == growth.horizon_years, "a need for every year of the horizon"
    cohorts = buy_dates(needed, life_years=growth.life_years)
    scenarios = _scenarios(unit_usd, opex_usd_per_unit_year, residual_at, growth=growth)
    rows = [
        [_year(year, cohorts, scenario=scenario, tax_rate=growth.tax_rate) for year in range(len(needed))] for scenario in scenarios
    ]
    basis = combined((unit_usd, opex_usd_per_unit_year, growth.price_ratio))
    sums = [sum(row.net for row in years) for years in rows]
    present = [_present_value(years, rate=scenario.discount_rate) for years, scenario in zip(rows, scenarios, strict=True)]
    return CashFlow(
        years=tuple(_flow(year, cohorts, [years[year] for years in rows], basis=basis) for year in range(len(needed))),
        cohorts=cohorts,
        tco_usd=_interval(sums, basis=basis, source=message("sum of the net flows")),
        present_value_usd=_interval(present, basis=basis, source=message("net flows discounted to now")),
    )


@dataclass(frozen=True, kw_only=True)
class _Scenario:
    """Prices at one end of their intervals; resale is taken at the opposite end of its share."""

    unit_usd: float
    opex_usd: float
    price_ratio: float
    discount_rate: float
    resale_share: Callable[[float], float]

    def price(self, cohort: Cohort) -> float:
        """Return USD of a unit of a cohort: today's price x the yearly price ratio to the power of its year."""
        return self.unit_usd * self.price_ratio**cohort.bought


@dataclass(frozen=True, kw_only=True)
class _Row:
    capex: float
    opex: float
    resale: float
    tax: float

    @property
    def net(self) -> float:
        """Return USD paid in the year: purchases + running - resale + tax."""
        return self.capex + self.opex - self.resale + self.tax


def _scenarios(
    unit: Estimate, opex: Estimate, residual_at: Callable[[float], Estimate], *, growth: CashFlowTerms
) -> tuple[_Scenario, ...]:
    """Return the cheapest, the central and the most expensive case."""
    ratio, rate = growth.price_ratio, growth.discount_rate
    return (
        _Scenario(
            unit_usd=unit.low,
            opex_usd=opex.low,
            price_ratio=ratio.low,
            # A high rate makes later payments cheap: it belongs to the cheapest case.
            discount_rate=rate.high,
            resale_share=lambda age: residual_at(age).high,
        ),
        _Scenario(
            unit_usd=unit.value,
            opex_usd=opex.value,
            price_ratio=ratio.value,
            discount_rate=rate.value,
            resale_share=lambda age: residual_at(age).value,
        ),
        _Scenario(
            unit_usd=unit.high,
            opex_usd=opex.high,
            price_ratio=ratio.high,
            discount_rate=rate.low,
            resale_share=lambda age: residual_at(age).low,
        ),
    )


def _year(year: int, cohorts: Sequence[Cohort], *, scenario: _Scenario, tax_rate: float) -> _Row:
    serving = [cohort for cohort in cohorts if cohort.bought <= year < cohort.sold]
    leaving = [cohort for cohort in cohorts if cohort.sold == year + 1]
    running = sum(cohort.count for cohort in serving) * scenario.opex_usd
    resale = sum(cohort.count * scenario.price(cohort) * scenario.resale_share(cohort.age_years) for cohort in leaving)
    # Straight line down to zero, so that the whole resale is a taxable gain later.
    worn = sum(cohort.count * scenario.price(cohort) / cohort.age_years for cohort in serving)
    return _Row(
        capex=sum(cohort.count * scenario.price(cohort) for cohort in serving if cohort.bought == year),
        opex=running,
        resale=resale,
        # Negative in most years: costs save taxes where there is other income.
        tax=tax_rate * (resale - running - worn),
    )


def _present_value(years: Sequence[_Row], *, rate: float) -> float:
    """Return the present value: capex falls due at the start of a year, the rest at its end."""
    return sum(
        row.capex * discount(rate, years=year) + (row.net - row.capex) * discount(rate, years=year + 1)
        for year, row in enumerate(years)
    )


def _flow(year: int, cohorts: Sequence[Cohort], rows: Sequence[_Row], *, basis: Basis) -> YearFlow:
    def figure(values: Sequence[float], source: str) -> Estimate:
        """Return a figure over the three cases, in USD."""
        return _interval(values, basis=basis, source=source)

    return YearFlow(
        year=year,
        in_service=sum(cohort.count for cohort in cohorts if cohort.bought <= year < cohort.sold),
        bought=sum(cohort.count for cohort in cohorts if cohort.bought == year),
        sold=sum(cohort.count for cohort in cohorts if cohort.sold == year + 1),
        capex_usd=figure([row.capex for row in rows], message("units bought x price in that year")),
        opex_usd=figure([row.opex for row in rows], message("units in service x opex")),
        resale_usd=figure([row.resale for row in rows], message("units sold x their price x residual share at their age")),
        tax_usd=figure([row.tax for row in rows], "rate x (resale - opex - depreciation)"),
        net_usd=figure([row.net for row in rows], "capex + opex - resale + tax"),
    )


def _interval(values: Sequence[float], *, basis: Basis, source: str) -> Estimate:
    """Return the interval of the cheapest, the central and the most expensive case."""
    # A year with a resale can be cheapest in the expensive case, so the ends are sorted.
    return Estimate(value=values[1], low=min(values), high=max(values), unit="usd", basis=basis, source=source)

"""The fleet that is needed at the end of each year of the horizon, bought in stages or all upfront.

    rate of year y     today's x (1 + growth)^y; in the last year the rate at the horizon's end, which gives the fleet of the plan
    fleet of year y    sized as the plan is (``sizing``), in place from the year's start
    cash               ``money.cash_flow``: a server with its part of the bill and of the running cost. A year later hardware costs
                       the catalogue's ratio of it; it is sold at the end of its life or of the horizon at the residual of its age

Rented machines are needed as well, but nothing is bought in advance: of them the paid instances and the rent of each year.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.derivation import Derivation, Places, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.money.cash_flow import CashFlow, CashFlowTerms, Cohort, buy_dates, cash_flow
from aigc_bench.plan.money.ownership import residual_of_option, residual_share
from aigc_bench.plan.records.demand import Demand, Growth
from aigc_bench.plan.records.machine import Fleet, Load
from aigc_bench.plan.records.plan import Option, Rent
from aigc_bench.plan.records.risk import GrowthPath, PathYear
from aigc_bench.plan.risk.fleet_service import pool_serves
from aigc_bench.plan.risk.load_samples import at_year
from aigc_bench.plan.risk.scenarios import Flags, ScenarioContext, capability_of
from aigc_bench.plan.sizing.fleets import make_fleet, service_load
from aigc_bench.plan.stats.estimates import ceil, named, plus, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

NOTE = message("the fleet of a year is in place from its start; undiscounted, without taxes")
RENT_OF_YEAR = message("rent per year x instances of the year / instances in the mean x length of the year")
NO_PURCHASE = message("nothing is bought in advance: rented machines follow the demand")


@dataclass(frozen=True, kw_only=True)
class Purchased:
    """A part of an option over the horizon: its fleet by year, and for what is bought its dates and cash in stages or upfront."""

    part: Option
    fleets: Sequence[Fleet]
    cohorts: Sequence[Cohort] = ()
    staged: CashFlow | None = None
    at_once: CashFlow | None = None


def growth_path(option: Option, context: ScenarioContext, *, catalogue: Catalogue) -> GrowthPath | None:
    """Return the growth path of an option; ``None`` without growth, or where it has no machines of its own."""
    growth, parts = context.demand.growth, [one for one in option.parts or (option,) if one.machine is not None]
    if growth is None or growth.per_year.high <= 0 or not parts:
        return None
    ends, ratio = _year_ends(growth.horizon_years), catalogue.constant("hardware_price_ratio_per_year")
    found = [_purchased(part, context, ends=ends, ratio=ratio, catalogue=catalogue) for part in parts]
    years = tuple(_year(at, found, context, end=end) for at, end in enumerate(ends))
    return GrowthPath(
        years=years,
        staged_usd=_of_years([one.staged for one in found], [one.staged_usd for one in years]),
        at_once_usd=_of_years([one.at_once for one in found], [one.at_once_usd for one in years]),
        rent_usd=_added([one.rent_usd for one in years]),
        price_ratio=ratio,
        note=NOTE if any(one.staged for one in found) else NO_PURCHASE,
    )


def _year_ends(horizon_years: float) -> list[float]:
    """Return the ends of the years in years from today; the last may be a part of a year."""
    # A horizon of a whole number of years has no further one by a rounding error.
    return [min(float(year), horizon_years) for year in range(1, math.ceil(horizon_years - 1e-9) + 1)]


def _purchased(
    part: Option, context: ScenarioContext, *, ends: Sequence[float], ratio: Estimate, catalogue: Catalogue
) -> Purchased:
    """Return the fleets at the ``ends`` of the years, and what they cost if they are bought."""
    fleets = [fleet_after(part, context, years) for years in ends]
    if part.capex_usd.value <= 0:
        return Purchased(part=part, fleets=fleets)
    needed, demand = _rising(fleets), context.demand
    return Purchased(
        part=part,
        fleets=fleets,
        cohorts=buy_dates(needed, life_years=math.ceil(demand.finance.life_years)),
        staged=_cash(part, needed, demand, ratio, catalogue),
        at_once=_cash(part, [needed[-1]] * len(ends), demand, ratio, catalogue),
    )


def _year(at: int, found: Sequence[Purchased], context: ScenarioContext, *, end: float) -> PathYear:
    """Return the year ``at`` of all parts, which ends ``end`` years from today."""
    fleets = [one.fleets[at] for one in found]
    return PathYear(
        year=at + 1,
        num_servers=sum(fleet.num_servers for fleet in fleets),
        num_accelerators=sum(one.fleets[at].num_servers * _devices(one.part) for one in found),
        bought=sum(cohort.count for one in found for cohort in one.cohorts if cohort.bought == at),
        p_slo=_p_slo([one.part for one in found], fleets, context, years=end),
        staged_usd=_sum([one.staged.years[at].net_usd for one in found if one.staged]),
        at_once_usd=_sum([one.at_once.years[at].net_usd for one in found if one.at_once]),
        rented=_added([one.part.rent.instances_by_year[at] for one in found if one.part.rent]),
        rent_usd=_added([_rent_of(one.part.rent, at) for one in found if one.part.rent]),
    )


def _rent_of(rent: Rent, at: int) -> Estimate:
    """Return the rent of the year ``at``; those of all years are the rent over the horizon."""
    paid, length = rent.instances_by_year[at], rent.years[at]
    # Of a fleet of which nothing is paid the rent is zero, too.
    share = length * paid.value / rent.instances_mean.value if rent.instances_mean.value > 0 else 0.0
    found = scaled(rent.usd_per_year, share, unit="usd")
    if share == 0:
        return found
    words = Derivation("{0} * {1} / {2} * {3}", (rent.usd_per_year, paid, rent.instances_mean, length), RENT_OF_YEAR)
    return record(found, words)


def _added(found: Sequence[Estimate | None]) -> Estimate | None:
    known = [one for one in found if one is not None]
    return named(plus(*known), message("sum over all rents")) if known else None


def _devices(part: Option) -> int:
    return part.machine.devices_per_server if part.machine else 0


def fleet_after(option: Option, context: ScenarioContext, years: float) -> Fleet:
    """Return the fleet that the plan's own sizing gives to the loads after some years."""
    assert option.machine is not None, "the caller checked that there is a machine"
    loads = [_load_after(load, option, context, years) for load in option.loads]
    make = partial(make_fleet, loads, option.placement, demand=context.demand, rules=context.rules, machine=option.machine)
    middle = make()
    planned = option.num_servers - option.num_spares - option.num_margin
    # The margin of a smaller fleet in proportion; finding it anew for each year would repeat the search.
    return make(margin=ceil(option.num_margin * middle.serving / planned)) if option.num_margin and planned else middle


def _load_after(load: Load, option: Option, context: ScenarioContext, years: float) -> Load:
    """Return a service's load at its peak after some years; a simulated minimum shrinks with the rate. Jobs stay as they are."""
    service, capability, growth = context.service(load.name), capability_of(option, load), context.demand.growth
    if service is None or capability is None or growth is None:
        return load
    # Rate after some years over that at the horizon, for which the simulation ran.
    before = (1 + growth.per_year.value) ** (years - growth.horizon_years)
    capability = capability.model_copy(update={"machines_at_least": math.ceil(capability.machines_at_least * before - 1e-9)})
    return service_load(service, capability, growth=Growth(per_year=growth.per_year, horizon_years=years))


def _rising(fleets: Sequence[Fleet]) -> list[int]:
    """Return the servers by year; servers in place are never removed."""
    return [int(count) for count in np.maximum.accumulate([fleet.num_servers for fleet in fleets])]


def _p_slo(parts: Sequence[Option], fleets: Sequence[Fleet], context: ScenarioContext, *, years: float) -> float:
    """Return the share of scenarios in which the fleet of each year meets the demand at its end."""
    holds: Flags = np.ones(context.scenarios.num, dtype=bool)
    for part, fleet in zip(parts, fleets, strict=True):
        loads = {one.name: one for one in at_year(part, context, years)}
        for pool in fleet.pools:
            machines = np.full(context.scenarios.num, pool.available_machines.value)
            holds &= pool_serves([loads[name] for name in pool.loads if name in loads], machines, context)
    return float(np.mean(holds))


def _cash(part: Option, needed: Sequence[int], demand: Demand, ratio: Estimate, catalogue: Catalogue) -> CashFlow:
    """Return the cash flow of ``needed`` servers by year; resale by age, scaled to the demand's share at the end of life."""
    finance, count = demand.finance, max(1, part.num_servers)
    usual = residual_share(finance.life_years, catalogue=catalogue).value
    own = residual_of_option(part, finance).value / usual

    def residual(age: float) -> Estimate:
        """Return resale value over purchase price at an age in years: as published, scaled to the demand's own, at most 1."""
        share = scaled(residual_share(age, catalogue=catalogue), own)
        return share.model_copy(update={end: min(1.0, getattr(share, end)) for end in ("low", "value", "high")})

    return cash_flow(
        needed,
        unit_usd=scaled(part.capex_usd, 1 / count),
        opex_usd_per_unit_year=scaled(part.opex_usd_per_year, 1 / count),
        residual_at=residual,
        growth=CashFlowTerms(
            horizon_years=len(needed),
            life_years=math.ceil(finance.life_years),
            price_ratio=ratio,
            discount_rate=finance.discount_rate,
        ),
    )


def _of_years(flows: Sequence[CashFlow | None], years: Sequence[Estimate | None]) -> Estimate | None:
    """Return the cash flow of all years, which is explained as the sum of the years."""
    whole = _sum([flow.tco_usd for flow in flows if flow])
    of = Places()
    words = of.plus(year for year in years if year is not None)
    return None if whole is None else record(whole, Derivation(words, tuple(of.inputs), message("sum of the years")))


def _sum(found: Sequence[Estimate]) -> Estimate | None:
    return named(plus(*found), message("sum over all purchases")) if found else None

"""What owning the servers costs a year, and each unit of what they serve; and the carbon of both.

    hardware     (C - RV / (1 + r)^n) * r / (1 - (1 + r)^-n)                 annuity over the life
    electricity  kWh of IT x PUE x price,   kWh = servers x mean W x hours,   mean W = idle + utilisation x (full - idle)
    space        provisioned kW x $/kW-month x 12
    adders       a share of the three lines above
    $ per unit   total a year x the load's share of busy machine-time / units a year
    carbon       kWh x PUE x grid intensity x life + embodied

Shares of busy machine-time are taken from the middle of the intervals, so the costs of all loads add up to the total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR
from aigc_bench.plan.demand import Finance, Site
from aigc_bench.plan.finance import annuity
from aigc_bench.plan.interval import combined, named, over, plus, scaled, times, total
from aigc_bench.plan.records import CostLine, Load, Machine
from aigc_bench.plan.sizing import mean_utilisation

HOURS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_HOUR
MONTHS_PER_YEAR = 12


@dataclass(frozen=True, kw_only=True)
class Money:
    """The money of an option: what is paid at once, what each year, over the life, and for each unit."""

    capex_usd: Estimate
    opex_usd_per_year: Estimate
    tco_usd: Estimate
    lines: tuple[CostLine, ...]
    usd_per_unit: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Carbon:
    """Energy of the IT in a year, and greenhouse gases over the life and for each unit."""

    energy_kwh_per_year: Estimate
    carbon_kg: Estimate
    carbon_kg_per_unit: dict[str, Estimate]


def mean_power_w(machine: Machine, *, utilisation: Estimate) -> Estimate:
    """Mean wall power of one server: idle + utilisation x (full - idle), which rises in all three."""
    ends = {
        end: getattr(machine.idle_power_w, end)
        + getattr(utilisation, end) * max(0.0, getattr(machine.full_power_w, end) - getattr(machine.idle_power_w, end))
        for end in ("low", "value", "high")
    }
    basis = combined((machine.idle_power_w, machine.full_power_w, utilisation))
    return Estimate(**ends, unit="W", basis=basis, source="idle + utilisation x (full - idle)")


def energy_kwh_per_year(loads: Sequence[Load], *, num_servers: int, machine: Machine) -> Estimate:
    """Energy of the IT in a year, without the PUE."""
    power = mean_power_w(machine, utilisation=mean_utilisation(loads, num_servers=num_servers, machine=machine))
    return scaled(power, num_servers * HOURS_PER_YEAR / 1000, unit="kWh/year")


def hardware_usd_per_year(capex: Estimate, *, finance: Finance) -> Estimate:
    """The annuity of the servers: dearest at a high price and rate and a low residual value, cheapest the other way round."""
    ends = {
        end: annuity(
            getattr(capex, end),
            rate=getattr(finance.discount_rate, end),
            years=finance.life_years,
            residual=getattr(capex, end) * getattr(finance.residual_share, other),
        )
        for end, other in (("low", "high"), ("value", "value"), ("high", "low"))
    }
    basis = combined((capex, finance.discount_rate, finance.residual_share))
    return Estimate(**ends, unit="usd/year", basis=basis, source="annuity over the life with residual value")


def cost_lines(
    *, capex: Estimate, energy: Estimate, num_servers: int, machine: Machine, site: Site, finance: Finance
) -> tuple[CostLine, ...]:
    """Every line of a year's cost."""
    hardware = hardware_usd_per_year(capex, finance=finance)
    electricity = times(energy, site.pue, site.electricity_usd_per_kwh, unit="usd/year")
    provisioned_kw = scaled(machine.peak_power_w, num_servers / 1000, unit="kW")
    space = scaled(times(provisioned_kw, finance.space_usd_per_kw_month, unit="usd/year"), MONTHS_PER_YEAR)
    adders = times(plus(hardware, electricity, space), finance.adders_share, unit="usd/year")
    return (
        CostLine(name="hardware", usd_per_year=hardware, formula="(C - RV / (1 + r)^n) x r / (1 - (1 + r)^-n)"),
        CostLine(name="electricity", usd_per_year=electricity, formula="IT kWh x PUE x price"),
        CostLine(name="space and cooling plant", usd_per_year=space, formula="provisioned kW x usd/kW-month x 12"),
        CostLine(name="adders", usd_per_year=adders, formula="share of the lines above: freight, support, spares"),
    )


def money(loads: Sequence[Load], *, num_servers: int, machine: Machine, site: Site, finance: Finance) -> Money:
    """The money of a fleet of ``num_servers`` that carries the loads."""
    capex = named(scaled(machine.price_usd, num_servers, unit="usd"), "servers x price")
    energy = energy_kwh_per_year(loads, num_servers=num_servers, machine=machine)
    lines = cost_lines(capex=capex, energy=energy, num_servers=num_servers, machine=machine, site=site, finance=finance)
    opex = total([line.usd_per_year for line in lines if line.name != "hardware"], unit="usd/year")
    yearly = total([line.usd_per_year for line in lines], unit="usd/year")
    return Money(
        capex_usd=capex,
        opex_usd_per_year=opex,
        tco_usd=_ownership(capex, opex, finance=finance),
        lines=lines,
        usd_per_unit=per_unit(yearly, loads, unit="usd"),
    )


def _ownership(capex: Estimate, opex: Estimate, *, finance: Finance) -> Estimate:
    """Undiscounted cost over the life: capex less the residual value, and the running costs of every year."""
    kept = finance.residual_share
    lost = kept.model_copy(update={"value": 1 - kept.value, "low": 1 - kept.high, "high": 1 - kept.low})
    return named(
        plus(times(capex, lost, unit="usd"), scaled(opex, finance.life_years, unit="usd")), "capex x (1 - residual) + opex x years"
    )


def shares(loads: Sequence[Load]) -> dict[str, float]:
    """Each load's share of the busy machine-time of a year, by name; they add up to 1 where there is any."""
    busy = sum(load.mean_machines.value for load in loads)
    return {load.name: load.mean_machines.value / busy for load in loads} if busy > 0 else {}


def per_unit(yearly: Estimate, loads: Sequence[Load], *, unit: str) -> dict[str, Estimate]:
    """A year's total per unit of each load; loads whose units may be none at all have no figure."""
    portions = shares(loads)
    return {
        load.name: over(scaled(yearly, portions[load.name]), load.items_per_year, unit=f"{unit}/{load.item}")
        for load in loads
        if load.name in portions and load.items_per_year.low > 0
    }


def carbon(loads: Sequence[Load], *, num_servers: int, machine: Machine, site: Site, finance: Finance) -> Carbon:
    """Greenhouse gases of running and of making the servers."""
    energy = energy_kwh_per_year(loads, num_servers=num_servers, machine=machine)
    operating = scaled(times(energy, site.pue, site.grid_g_per_kwh, unit="kgCO2e/year"), 1 / 1000)
    embodied = scaled(machine.embodied_kg, num_servers, unit="kgCO2e")
    yearly = plus(operating, scaled(embodied, 1 / finance.life_years, unit="kgCO2e/year"))
    return Carbon(
        energy_kwh_per_year=energy,
        carbon_kg=named(plus(scaled(operating, finance.life_years, unit="kgCO2e"), embodied), "operation over the life + making"),
        carbon_kg_per_unit=per_unit(yearly, loads, unit="kgCO2e"),
    )

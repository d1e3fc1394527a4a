"""Greenhouse gases of running and of making a fleet, with the wide interval that published figures of making have.

    operation  kg/year = kWh of IT x PUE x grid g/kWh / 1000
    making     kg      = servers x what published figures give for one (2.1 to 8.2 t for an 8-GPU server)

Sources: the GHG Protocol's scope 2 by location and scope 3 category 2; Boavizta, Cloud Carbon Footprint, EcoLogits as cited in
constants.csv and carbon.csv.
"""

from __future__ import annotations

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.estimates import named, plus, scaled, times


class Footprint(Record):
    """kgCO2e: of one year's operation, of manufacturing, of both per year over the life, and of both over the whole life."""

    operation_kg_per_year: Estimate
    making_kg: Estimate
    total_kg_per_year: Estimate
    total_kg: Estimate
    life_years: float


def footprint(
    *, it_kwh_per_year: Estimate, pue: Estimate, grid_g_per_kwh: Estimate, making: Estimate, life_years: float
) -> Footprint:
    """Return the footprint of a fleet; ``making`` is the embodied carbon of all of it."""
    assert life_years > 0, "making is spread over a life"
    running = scaled(times(it_kwh_per_year, pue, grid_g_per_kwh, unit="kgCO2e/year"), 1 / 1000)
    running = named(running, "kWh of IT x PUE x grid g/kWh / 1000")
    yearly = plus(running, scaled(making, 1 / life_years, unit="kgCO2e/year"))
    whole = plus(scaled(running, life_years, unit="kgCO2e"), scaled(making, 1.0, unit="kgCO2e"))
    return Footprint(
        operation_kg_per_year=running,
        making_kg=making,
        total_kg_per_year=named(yearly, "operation + making / life"),
        total_kg=named(whole, "operation x life + making"),
        life_years=life_years,
    )

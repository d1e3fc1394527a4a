"""Greenhouse gases of running and of making a fleet, with the wide interval that published figures of making have.

    operation  kg/year = kWh of IT x PUE x grid g/kWh / 1000
    making     kg      = servers x what published figures give for one (2.1 to 8.2 t for an 8-GPU server)

Sources: the GHG Protocol's scope 2 by location and scope 3 category 2; Boavizta, Cloud Carbon Footprint, EcoLogits as cited in
constants.csv and carbon.csv.
"""

from __future__ import annotations

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.estimates import explained, named, plus, scaled, stated, times

OPERATION = message("kWh of IT per year x PUE x grid g/kWh / 1000 x years")
MAKING = message("running servers x embodied carbon per server")


class Footprint(Record):
    """kgCO2e: of a year's operation, of all years', of manufacturing, of both per year over the life, and of both over the life."""

    operation_kg_per_year: Estimate
    operation_kg: Estimate
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
    running = named(running, message("kWh of IT x PUE x grid g/kWh / 1000"))
    life = stated(life_years, "demand.finance.life_years", unit="years")
    # Embodied carbon is spread evenly over the life.
    made = scaled(making, 1 / life_years, unit="kgCO2e/year")
    yearly = plus(running, record(made, Derivation("{0} / {1}", (making, life))))
    operation = explained(scaled(running, life, unit="kgCO2e"), OPERATION)
    whole = plus(operation, scaled(making, 1.0, unit="kgCO2e"))
    return Footprint(
        operation_kg_per_year=running,
        operation_kg=operation,
        making_kg=making,
        total_kg_per_year=named(yearly, "operation + making / life"),
        total_kg=named(whole, "operation x life + making"),
        life_years=life_years,
    )

"""Greenhouse gases of running and of making a fleet, with the wide interval that published figures of making have.

    operation  kg/year = kWh of IT x PUE x grid g/kWh / 1000
    making     kg      = servers x what published figures give for one (2.1 to 8.2 t for an 8-GPU server)
    a unit     kg      = (operation + making / life) / units a year

Sources: the GHG Protocol's scope 2 by location and scope 3 category 2; Boavizta, Cloud Carbon Footprint, EcoLogits as cited in
constants.csv and carbon.csv.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.catalog.records import ServerSpec
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.interval import estimate, named, over, plus, scaled, times

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

FULL_NODE = 8


class Footprint(Record):
    """kgCO2e: of running in a year, of making once, of both a year over the life, and of both over the whole life."""

    operation_kg_per_year: Estimate
    making_kg: Estimate
    total_kg_per_year: Estimate
    total_kg: Estimate
    life_years: float


def making_kg(server: ServerSpec, *, catalogue: Catalogue) -> Estimate:
    """kgCO2e of making one server: of eight or more accelerators in proportion to an 8-GPU server, else a host and its cards."""
    if server.gpu_count >= FULL_NODE:
        whole = scaled(catalogue.constant("embodied_server_kg"), server.gpu_count / FULL_NODE)
        return named(whole, f"{server.gpu_count} / {FULL_NODE} x {whole.source}")
    host = catalogue.constant("embodied_host_kg")
    if not server.gpu_count or server.gpu_id is None:
        return host
    card = card_kg(server.gpu_id, catalogue=catalogue)
    return named(plus(host, scaled(card, server.gpu_count)), f"{host.source} + {server.gpu_count} x {card.source}")


def card_kg(accelerator_id: str, *, catalogue: Catalogue) -> Estimate:
    """kgCO2e of making one accelerator: published figures of that one, else of an 80 GB card."""
    general = catalogue.constant("embodied_accelerator_kg")
    rows = [row for row in catalogue.carbon.values() if row.kind == "embodied_accelerator" and row.accelerator_id == accelerator_id]
    known = sorted(row.value for row in rows if row.value is not None)
    if not known:
        return general
    spread = general.high / general.value
    source = "; ".join(f"{row.source}, {row.as_of}" for row in rows)
    middle = known[len(known) // 2]
    low, high = min(known[0], middle / spread), max(known[-1], middle * spread)
    return estimate(middle, low=low, high=high, unit="kgCO2e", basis="datasheet", source=source)


def footprint(
    *, it_kwh_per_year: Estimate, pue: Estimate, grid_g_per_kwh: Estimate, making: Estimate, life_years: float
) -> Footprint:
    """The footprint of a fleet; ``making`` is of all of it."""
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


def kg_per_unit(found: Footprint, *, units_per_year: Estimate, unit: str) -> Estimate:
    """kgCO2e of one unit."""
    each = over(found.total_kg_per_year, units_per_year, unit=f"kgCO2e/{unit}")
    return named(each, "(operation + making / life) / units a year")

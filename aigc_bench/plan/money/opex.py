"""Running cost of a fleet per year, line by line.

    electricity  kWh of IT x tariff                    cooling and losses   kWh of IT x (PUE - 1) x tariff
    demand       peak kW x PUE x $/kW-month x 12       space                peak kW x $/kW-month x 12
    maintenance  capex x share                         licences             accelerators x $
    staff        (fixed + per server x servers) x $    storage              bytes stored x $/byte-month x 12
    egress       bytes x $/byte

Lines that a factor adds, such as water, stand in its file.

The peak is provisioned and the mean is billed. Taxes are left out. A line that does not apply, or whose price is not known,
is left out: it is never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.plan import CostLine
from aigc_bench.plan.site.cooling_fit import cooling_overhead_kwh
from aigc_bench.plan.stats.estimates import named, plus, scaled, times

MONTHS_PER_YEAR = 12
ENERGY, PEAK = message("energy of the IT"), message("peak power of the IT")


class Tariffs(Record):
    """Unit prices. ``None`` leaves the line out: no demand charge, an own room, open-source engines."""

    electricity_usd_per_kwh: Estimate
    demand_usd_per_kw_month: Estimate | None = None
    space_usd_per_kw_month: Estimate | None = None
    maintenance_share: Estimate | None = None
    staff_usd_per_year: Estimate | None = None
    staff_fixed: Estimate | None = None
    staff_per_server: Estimate | None = None
    licence_usd_per_accelerator: Estimate | None = None
    egress_usd_per_byte: Estimate | None = None
    storage_usd_per_byte_month: Estimate | None = None


class ResourceUse(Record):
    """Yearly quantities of a fleet. ``it_kwh_per_year`` is billed, ``it_peak_w`` provisioned; both at the wall, without the PUE."""

    it_kwh_per_year: Estimate
    it_peak_w: Estimate
    pue: Estimate
    num_servers: int = Field(ge=0)
    num_accelerators: int = Field(ge=0)
    capex_usd: Estimate
    egress_bytes_per_year: Estimate | None = None
    kept_bytes: Estimate | None = None


def opex_lines(use: ResourceUse, *, prices: Tariffs) -> tuple[CostLine, ...]:
    """Return every cost line of a year that applies to this fleet."""
    lines = (*_energy_lines(use, prices), *_room_lines(use, prices), *_care_lines(use, prices), *_data_lines(use, prices))
    return tuple(line for line in lines if line is not None)


def _line(key: str, name: str, formula: str, factors: Mapping[str, Estimate | None], *, scale: float = 1.0) -> CostLine | None:
    """Return the product of the factors, or no line where one of them is not known."""
    # A missing price is not a price of 0: the line is left out and the total stays a sum of known lines.
    known = {what: factor for what, factor in factors.items() if factor is not None}
    if len(known) < len(factors):
        return None
    product = named(scaled(times(*known.values(), unit="usd/year"), scale), formula)
    return CostLine(key=key, name=name, usd_per_year=product, formula=formula, inputs=known)


def _energy_lines(use: ResourceUse, prices: Tariffs) -> tuple[CostLine | None, ...]:
    energy, tariff = use.it_kwh_per_year, prices.electricity_usd_per_kwh
    beyond = cooling_overhead_kwh(energy, pue=use.pue)
    return (
        _line("electricity", message("electricity of the IT"), message("kWh of IT x tariff"), {ENERGY: energy, "tariff": tariff}),
        _line(
            "cooling",
            message("electricity of cooling and losses"),
            message("kWh of IT x (PUE - 1) x tariff"),
            {message("energy beyond the IT"): beyond, "tariff": tariff},
        ),
        _line(
            "demand_charge",
            message("demand charge"),
            "peak kW x PUE x usd/kW-month x 12",
            {PEAK: use.it_peak_w, "PUE": use.pue, message("demand charge"): prices.demand_usd_per_kw_month},
            # W to kW, and twelve monthly bills a year.
            scale=MONTHS_PER_YEAR / 1000,
        ),
    )


def _room_lines(use: ResourceUse, prices: Tariffs) -> tuple[CostLine | None, ...]:
    formula = "peak kW x usd/kW-month x 12"
    space = prices.space_usd_per_kw_month
    return (
        _line(
            "space",
            message("space in a colocation"),
            formula,
            {PEAK: use.it_peak_w, message("rent of space"): space},
            scale=MONTHS_PER_YEAR / 1000,
        ),
    )


def _care_lines(use: ResourceUse, prices: Tariffs) -> tuple[CostLine | None, ...]:
    # Persons, not money: a fixed crew and a share of a person per server.
    persons = None
    if prices.staff_fixed and prices.staff_per_server and use.num_servers:
        persons = plus(prices.staff_fixed, scaled(prices.staff_per_server, use.num_servers, unit=prices.staff_fixed.unit))
    licence = prices.licence_usd_per_accelerator
    return (
        _line(
            "maintenance",
            message("maintenance and spares"),
            "capex x share",
            {"purchase": use.capex_usd, "share": prices.maintenance_share},
        ),
        _line(
            "staff",
            "staff",
            message("(fixed + per server x servers) x usd/year"),
            {"persons": persons, "pay": prices.staff_usd_per_year},
        ),
        _line(
            "licences", message("software licences"), "accelerators x usd/year", {"licence": licence}, scale=use.num_accelerators
        ),
    )


def _data_lines(use: ResourceUse, prices: Tariffs) -> tuple[CostLine | None, ...]:
    return (
        _line("egress", "egress", "bytes x usd/B", {"egress": use.egress_bytes_per_year, "price": prices.egress_usd_per_byte}),
        _line(
            "storage",
            message("rented storage"),
            "bytes x usd/B-month x 12",
            {"kept": use.kept_bytes, "price": prices.storage_usd_per_byte_month},
            scale=MONTHS_PER_YEAR,
        ),
    )

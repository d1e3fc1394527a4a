"""The cost of owning in thousands of drawn worlds at once: honest intervals, P(within budget), and what moves the answer.

The intervals of ``ownership`` add up ends, as if every line were dear at once, and are therefore wide. Here every input is drawn
by itself and the same formulae run over arrays; the 10th and 90th percentile of the sums are 80 % intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aigc_bench.core.records import Estimate
from aigc_bench.plan.draws import NUM_DRAWS, Array, draws, interval_of
from aigc_bench.plan.interval import combined
from aigc_bench.plan.money.opex import MONTHS_PER_YEAR, Tariffs, Use
from aigc_bench.plan.money.ownership import Terms
from aigc_bench.plan.site.power_chain import HOURS_PER_YEAR


@dataclass(frozen=True, kw_only=True)
class CostWorlds:
    """Costs in USD, one entry a world, and the draws they follow from by the name of the input."""

    total_usd_per_year: Array
    tco_usd: Array
    inputs: Mapping[str, Array]

    def within(self, budget_usd: float) -> float:
        """Probability that the total cost of ownership stays within a budget."""
        return float(np.mean(self.tco_usd <= budget_usd))


@dataclass(frozen=True, kw_only=True)
class Swing:
    """How far one input moves the total cost: the mean TCO where it is in its lowest and in its highest tenth."""

    name: str
    low_usd: float
    high_usd: float


def cost_worlds(use: Use, *, prices: Tariffs, terms: Terms, num: int = NUM_DRAWS, seed: int = 0) -> CostWorlds:
    """Draws every input of a purchase and computes its cost in every world."""
    estimates = _inputs(use, prices, terms)
    found = {name: draws(estimate, name=name, num=num, seed=seed) for name, estimate in estimates.items()}
    hardware = annuities(found["capex_usd"], found["discount_rate"], found["residual_share"], years=terms.life_years)
    energy = found["it_mean_w"] * HOURS_PER_YEAR / 1000
    peak_kw = found["it_peak_w"] / 1000
    power = energy * found["pue"] * found["electricity_usd_per_kwh"]
    space = peak_kw * MONTHS_PER_YEAR * found.get("space_usd_per_kw_month", 0.0)
    demand = peak_kw * found["pue"] * MONTHS_PER_YEAR * found.get("demand_usd_per_kw_month", 0.0)
    water = energy * found.get("water_l_per_kwh", 0.0) / 1000 * found.get("water_usd_per_m3", 0.0)
    care = found["capex_usd"] * found.get("maintenance_share", 0.0)
    adders = (hardware + power + space) * found.get("adders_share", 0.0)
    opex = power + space + demand + water + care + adders + _persons(found, use) + _extras(found, use)
    tco = found["capex_usd"] * (1 - found["residual_share"]) + opex * terms.life_years
    return CostWorlds(total_usd_per_year=np.asarray(hardware + opex), tco_usd=np.asarray(tco), inputs=found)


def tco_interval(worlds: CostWorlds, *, use: Use, prices: Tariffs, terms: Terms) -> Estimate:
    """The total cost of ownership as an 80 % interval."""
    basis = combined(_inputs(use, prices, terms).values())
    return interval_of(worlds.tco_usd, unit="usd", basis=basis, source=f"{worlds.tco_usd.size} drawn worlds")


def swings(worlds: CostWorlds) -> tuple[Swing, ...]:
    """The inputs by how far they move the total cost, the widest first; exact ones move nothing and are left out."""
    found = []
    for name, values in worlds.inputs.items():
        if values.min() == values.max():
            continue
        bottom, top = np.quantile(values, (0.1, 0.9))
        low, high = worlds.tco_usd[values <= bottom].mean(), worlds.tco_usd[values >= top].mean()
        found.append(Swing(name=name, low_usd=float(low), high_usd=float(high)))
    return tuple(sorted(found, key=lambda swing: (-abs(swing.high_usd - swing.low_usd), swing.name)))


def _inputs(use: Use, prices: Tariffs, terms: Terms) -> dict[str, Estimate]:
    """Every Estimate of the three records by the name of its field."""
    return {
        name: value
        for record in (use, prices, terms)
        for name in type(record).model_fields
        if isinstance(value := getattr(record, name), Estimate)
    }


def annuities(capital: Array, rate: Array, residual: Array, *, years: float) -> Array:
    """Annuity with residual value, for arrays; without interest the plain spread."""
    later = np.exp(-years * np.log1p(rate))
    factor = np.full_like(rate, 1 / years)
    np.divide(rate, 1 - later, out=factor, where=rate > 0)
    return np.asarray(capital * (1 - residual * later) * factor)


def _persons(found: Mapping[str, Array], use: Use) -> Array | float:
    names = ("staff_fixed", "staff_per_server", "staff_usd_per_year")
    if not use.num_servers or any(name not in found for name in names):
        return 0.0
    fixed, each, usd = (found[name] for name in names)
    return np.asarray((fixed + each * use.num_servers) * usd)


def _extras(found: Mapping[str, Array], use: Use) -> Array | float:
    """Licences, egress and rented storage, where they are asked for."""
    licences = use.num_accelerators * found.get("licence_usd_per_accelerator", 0.0)
    egress = found.get("egress_bytes_per_year", 0.0) * found.get("egress_usd_per_byte", 0.0)
    kept = found.get("kept_bytes", 0.0) * found.get("storage_usd_per_byte_month", 0.0) * MONTHS_PER_YEAR
    return licences + egress + kept

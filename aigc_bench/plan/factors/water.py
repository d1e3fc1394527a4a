"""Water: does the site have the water that its cooling evaporates, on the hottest day and over the year?

    mean day     kWh of IT a year / 365.25 x WUE                         litres
    hottest day  peak W of IT x 24 h x WUE x hottest day over the mean   litres

WUE, water usage effectiveness, is the water that a site uses over the energy of its IT, without the water of power stations (The
Green Grid, white paper 35, 2011; ISO/IEC 30134-9). It depends on how heat leaves the building, which no demand states: towers and
wet pads evaporate 1 to 3 L/kWh, dry coolers none. So the default by cooling method and climate has an interval from one to the
other, and ``site.wue_l_per_kwh`` replaces it.

A permit or a main limits cubic metres a day, and make-up water is sized for full IT load on the hottest day, as power is for the
peak: that is what is required. Most sites have no such limit. So a limit that is not stated makes no plan unknown and refuses none,
unlike a rack's power or cooling: the verdict is ``ok`` without head-room, and the use is reported and paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.factors._racked import racked
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough
from aigc_bench.plan.money.option_cost import energy_kwh_per_year
from aigc_bench.plan.placement.room_around import other_mean_w
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.factor_keys import SiteKey
from aigc_bench.plan.records.plan import Assessment, CostLine
from aigc_bench.plan.stats.estimates import explained, named, scaled, times

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

LIMIT, PRICE, WUE, HOT_DAY = "water_m3_per_day", "water_usd_per_m3", "wue_l_per_kwh", "wue_hot_day_ratio"
PEAK, ENERGY, MEAN_DAY = message("peak power of the IT"), message("energy of the IT"), message("water on a mean day")
USE, HOTTEST, AVAILABLE = "WUE", message("hottest day over the mean"), message("water of the site")
WARM_WATER = ("direct_liquid", "immersion")
"""Cooling methods whose water is warm enough (W32 to W45 of ASHRAE) to be cooled dry for most of a year."""
DAYS_PER_YEAR = 365.25
BY_PEAK = message("peak power of the IT x 24 h x WUE x hottest day over the mean")
BY_MEAN = message("kWh of IT per year / 365.25 x WUE")


def _climate(catalogue: Catalogue, site: Site) -> str:
    """Return the climate of a site's region, ``any`` where the region or its climate is unknown."""
    row = catalogue.grid_row(site.region)
    # Climates are listed by the region's row of grid intensity: ``ci_DEU`` has ``climate_DEU``.
    found = catalogue.cooling.get(f"climate_{row.removeprefix('ci_')}") if row is not None else None
    return found.kind.removeprefix("climate_") if found is not None else "any"


def _wue(catalogue: Catalogue, site: Site) -> Estimate:
    method = "liquid" if site.cooling in WARM_WATER else "air"
    return catalogue.cooling[f"wue_{method}_{_climate(catalogue, site)}"].estimate()


def _hot_day(catalogue: Catalogue, site: Site) -> Estimate:
    return catalogue.cooling[f"wue_hot_day_{_climate(catalogue, site)}"].estimate()


def _price(catalogue: Catalogue, _: Site) -> Estimate:
    return catalogue.constant("water_usd_per_m3")


class WaterFactor(Factor):
    """Water of the hottest day at the peak of the IT against what the site may take; on a provider's site the provider's."""

    title = "Water"
    unit = "m3/day"
    order = 70
    provided = frozenset({"colocated", "cloud"})
    formula = message(
        "required = {by_peak}; available = water of the site (site.water_m3_per_day), without one there "
        "is no limit; a mean day takes {by_mean}",
        by_peak=BY_PEAK,
        by_mean=BY_MEAN,
    )
    source = message(
        "WUE: The Green Grid, white paper 35 (2011), ISO/IEC 30134-9; values by cooling method and climate as in the catalogue"
    )
    site_keys = (
        SiteKey(
            name=LIMIT,
            title=message("water available"),
            meaning=message("water that the site may take on a day (default: no limit)"),
            unit="m3/day",
            low=1e-3,
            high=1e7,
            is_zero_allowed=True,
        ),
        SiteKey(
            name=PRICE,
            title=message("price of water"),
            meaning=message("price of water and sewage (default: catalogue)"),
            unit="USD/m3",
            low=1e-3,
            high=1e3,
            is_zero_allowed=True,
            default=_price,
        ),
        SiteKey(
            name=WUE,
            title="WUE",
            meaning=message("annual WUE: water over IT energy (default: by cooling and climate)"),
            unit="L/kWh",
            low=1e-4,
            high=20,
            is_zero_allowed=True,
            default=_wue,
        ),
        SiteKey(
            name=HOT_DAY,
            title=message("WUE of the hottest day over the annual one"),
            meaning=message("WUE of the hottest day over the annual one (default: by climate)"),
            unit="ratio",
            low=1,
            high=20,
            default=_hot_day,
        ),
    )

    def assess(self, context: Context) -> Assessment:
        """Assess the hottest day; a site that states no limit is ``ok``, with its use in the reason."""
        # On a provider's site the keys of this site say nothing.
        if context.kind in self.provided:
            return self.left_to_the_provider()
        stated = context.site.of_factors
        limit, wue, hottest = stated.get(LIMIT), stated.get(WUE), stated.get(HOT_DAY)
        peak, energy = racked(context, context.machine.peak_power_w, watts="peak_w").everything, _energy(context)
        inputs = {PEAK: peak, ENERGY: energy} | ({AVAILABLE: limit} if limit is not None else {})
        if wue is None or hottest is None:
            return self.conclude(required=None, available=limit, why=UNKNOWN, inputs=inputs, is_limited=limit is not None)
        # kWh/year x L/kWh, and W x L/kWh, which becomes m3/day below.
        of_year, of_peak = times(energy, wue, unit="L/year"), times(peak, wue, hottest, unit="W L/kWh")
        # Litres to cubic metres, a year to a day.
        mean_day = explained(scaled(of_year, 1 / (1000 * DAYS_PER_YEAR), unit="m3/day"), BY_MEAN)
        # W x 24 h is Wh; / 1,000 for kWh, and again for litres to cubic metres.
        required = explained(scaled(scaled(of_peak, 24.0), 1 / 1e6, unit="m3/day"), BY_PEAK)
        inputs |= {USE: wue, HOTTEST: hottest, MEAN_DAY: mean_day}
        why = message(
            "{mean_day} on a mean day, required is the hottest day at the peak", mean_day=quantity(mean_day.value, "m3/day")
        )
        if limit is None:
            why = message("no limit is stated (site.{limit}); {why}", limit=LIMIT, why=why)
        return self.conclude(required=required, available=limit, why=why, inputs=inputs, is_limited=limit is not None)

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the water that would suffice, and the ways to need less."""
        return message(
            "{enough} ({table}.{limit}), dry heat rejection (a lower {table}.{wue}), warm-water cooling, "
            "accelerators with more throughput per watt, colocation or renting would change that",
            enough=enough(found),
            table=limits.table,
            limit=LIMIT,
            wue=WUE,
        )

    def cost_lines(self, context: Context) -> tuple[CostLine, ...]:
        """Return the water of a year where the price and the WUE are known; a provider has it in its price."""
        price, wue = (context.site.of_factors.get(key) for key in (PRICE, WUE))
        if context.kind in self.provided or price is None or wue is None:
            return ()
        energy, formula = _energy(context), message("kWh of IT x WUE / 1000 x usd/m3")
        # Prices are per cubic metre, WUE in litres.
        usd = named(scaled(times(energy, wue, price, unit="usd/year"), 1 / 1000), formula)
        fed = {ENERGY: energy, USE: wue, message("price of water"): price}
        return (CostLine(key="water", name="water", usd_per_year=usd, formula=formula, inputs=fed),)


UNKNOWN = message("the WUE of the site is unknown; state site.wue_l_per_kwh")


def _energy(context: Context) -> Estimate:
    """Return the energy of the IT in a year, as electricity is billed."""
    others = other_mean_w(context.room, context.rules)
    return energy_kwh_per_year(context.loads, num_servers=context.servers, machine=context.machine, other_w=others)


factor = WaterFactor()

"""Cost per unit: of a token, an image, a second of audio or video, a request, an accelerator-hour, a trained model.

$ per unit    (annual capex + opex) / units a year
$ per GPU-h   (annual capex + opex) / (accelerators x hours a year x utilisation)
$ per model   $ per GPU-h x GPU-hours of the training run
"""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.plan.interval import named, over, scaled, times
from aigc_bench.plan.money.offers import IS_ELASTIC, CloudTerm
from aigc_bench.plan.site.power_chain import HOURS_PER_YEAR


def usd_per_unit(usd_per_year: Estimate, *, units_per_year: Estimate, unit: str) -> Estimate | None:
    """Cost of one ``unit``; ``None`` where perhaps none at all is made."""
    if units_per_year.low <= 0:
        return None
    return named(over(usd_per_year, units_per_year, unit=f"usd/{unit}"), "cost a year / units a year")


def usd_per_million(each: Estimate) -> Estimate:
    """The cost of a million: ``usd/token`` becomes ``usd/1M tokens``."""
    _, _, unit = each.unit.partition("/")
    return scaled(each, 1e6, unit=f"usd/1M {unit}s")


def usd_per_accelerator_hour(usd_per_year: Estimate, *, num_accelerators: int, utilisation: Estimate) -> Estimate:
    """Cost of one busy hour of one accelerator."""
    assert num_accelerators > 0 and utilisation.low > 0, "somebody uses some accelerator"
    hours = scaled(utilisation, num_accelerators * HOURS_PER_YEAR, unit="accelerator-h/year")
    return named(over(usd_per_year, hours, unit="usd/accelerator-h"), "cost a year / (accelerators x hours x utilisation)")


def usd_per_trained_model(usd_per_hour: Estimate, *, accelerator_hours: Estimate) -> Estimate:
    """Cost of one training run."""
    return named(times(usd_per_hour, accelerator_hours, unit="usd/model"), "usd/accelerator-h x accelerator-hours")


def rent_usd_per_year(
    usd_per_accelerator_h: Estimate, *, num_accelerators: int, utilisation: Estimate, term: CloudTerm
) -> Estimate:
    """What renting costs a year: of elastic terms the busy hours, of reserved ones every hour."""
    hours = num_accelerators * HOURS_PER_YEAR
    if not IS_ELASTIC[term]:
        return named(scaled(usd_per_accelerator_h, hours, unit="usd/year"), "rent x accelerators x all hours of the year")
    busy = times(usd_per_accelerator_h, utilisation, unit="usd/year")
    return named(scaled(busy, hours), "rent x accelerators x hours x utilisation")

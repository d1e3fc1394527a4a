"""Hours of free cooling and the PUE of a year, from a site's hourly outdoor temperatures.

The catalogue holds no climate; a file of hourly temperatures (8,760 of a typical year) is the user's. Outdoor air or a dry
cooler serves alone while ``outdoor + approach <= supply``; between that and ``outdoor + approach <= return`` both share the load
in proportion; beyond it the chiller carries all.

    PUE = 1 / (UPS x distribution efficiency) + free / COP_free + (1 - free) / COP_chiller
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.interval import estimate

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


class AirSide(Record):
    """Temperatures of a cooling loop in degrees Celsius; ``approach_k`` is what its heat exchangers cost."""

    supply_c: float
    rise_k: float = Field(default=11.0, gt=0)
    approach_k: float = Field(default=5.0, ge=0)


def free_share(outdoor_c: Sequence[float], *, loop: AirSide) -> float:
    """Share of the year's cooling that needs no chiller, in [0, 1]."""
    return float(np.mean(_hourly_share(outdoor_c, loop=loop)))


def free_hours(outdoor_c: Sequence[float], *, loop: AirSide) -> int:
    """Hours of the given ones in which no chiller runs at all."""
    return int(np.count_nonzero(_hourly_share(outdoor_c, loop=loop) >= 1.0))


def pue_of_climate(outdoor_c: Sequence[float], *, loop: AirSide, catalogue: Catalogue, chiller: str = "cop_acc") -> Estimate:
    """PUE of a year at those temperatures; ``chiller`` is a row of cooling.csv (``cop_dx``, ``cop_acc``, ``cop_wcc``).

    Fans and pumps of the room are part of the coefficients of performance.
    """
    free = free_share(outdoor_c, loop=loop)
    ups, wires = catalogue.constant("ups_efficiency"), catalogue.constant("distribution_efficiency")
    cooler, machine = catalogue.cooling["cop_freecool"].estimate(), catalogue.cooling[chiller].estimate()

    low, value, high = (
        1 / (getattr(ups, end) * getattr(wires, end)) + free / getattr(cooler, end) + (1 - free) / getattr(machine, end)
        for end in ("high", "value", "low")
    )
    source = f"{len(outdoor_c)} hourly temperatures, {free:.0%} of the cooling without a chiller; losses + 1 / COP"
    return estimate(value, low=low, high=high, unit="ratio", basis="modelled", source=source)


def _hourly_share(outdoor_c: Sequence[float], *, loop: AirSide) -> np.ndarray:
    """For each hour the share of the rise that outdoor air takes."""
    temperatures = np.asarray(outdoor_c, dtype=float)
    assert temperatures.size > 0 and bool(np.all(np.isfinite(temperatures))), "a climate needs finite temperatures"
    warm = loop.supply_c + loop.rise_k - (temperatures + loop.approach_k)
    return np.clip(warm / loop.rise_k, 0.0, 1.0)

"""Power the racks, and remove their heat. All electrical power of IT becomes heat, watt for watt::

    heat_BTU/h = 3.412142 * W        1 ton of refrigeration = 12,000 BTU/h = 3,516.85 W
    CFM        = BTU/h / (1.08 * dT_F)                  air at sea level: 0.075 lb/ft3 * 0.24 BTU/lb/F * 60 min/h = 1.08
    L/min      = W * 60 / (rho * c_p * dT_K)            water: 4.18 kJ/(L K), 1.43 L/min per kW at 10 K

Sources: ASHRAE Handbook Fundamentals (sensible heat of air); ASHRAE TC 9.9 liquid cooling guidelines.

Feeds of each rack, and UPS capacity with its redundancy::

    feeds of a rack = ceil(rack peak / continuous load of a feed), on two paths each for the whole rack
    installed UPS   = load x (n + 1) / n, 4/3, 3/2 or 2
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from aigc_bench.core.records import Record
from aigc_bench.core.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR

BTU_PER_HOUR_PER_W = 3.412142
TON_OF_REFRIGERATION_W = 3516.853
AIR_BTU_PER_HOUR_PER_CFM_F = 1.08
WATER_J_PER_L_K = 4180.0
FAHRENHEIT_PER_KELVIN = 1.8
DESIGN_RISE_K = 20 / FAHRENHEIT_PER_KELVIN
"""20 degF across a server, the temperature rise for which vendors state airflow."""


def btu_per_hour(heat_w: float) -> float:
    """Return watts as BTU per hour."""
    return heat_w * BTU_PER_HOUR_PER_W


def heat_w(btu_per_hour: float) -> float:
    """Return BTU per hour as watts."""
    return btu_per_hour / BTU_PER_HOUR_PER_W


def tons(heat_w: float) -> float:
    """Return watts as tons of refrigeration."""
    return heat_w / TON_OF_REFRIGERATION_W


def airflow_cfm(heat_w: float, *, rise_k: float) -> float:
    """Return CFM of air that carry ``heat_w`` watts with a temperature rise of ``rise_k`` kelvin, at sea level.

    CFM = BTU/h / (1.08 x rise in degF). Source: ASHRAE Handbook Fundamentals (sensible heat of air).
    """
    assert rise_k > 0, "air must warm up to carry heat"
    return btu_per_hour(heat_w) / (AIR_BTU_PER_HOUR_PER_CFM_F * rise_k * FAHRENHEIT_PER_KELVIN)


def water_l_per_min(heat_w: float, *, rise_k: float, captured: float = 1.0) -> float:
    """Return L/min of water for the ``captured`` share of ``heat_w`` watts with a rise of ``rise_k`` kelvin.

    L/min = W x captured x 60 / (4,180 J/(L K) x rise). Source: ASHRAE TC 9.9 liquid cooling guidelines.
    """
    assert rise_k > 0 and 0 <= captured <= 1, "a rise above 0 and a captured share within [0, 1]"
    return heat_w * captured * 60.0 / (WATER_J_PER_L_K * rise_k)


def design_heat_w(max_power_w: float, *, stated_btu_per_hour: float | None = None) -> float:
    """Return the heat to size for: the larger of electrical peak and the vendor's own BTU/h (they differ, e.g. DGX H100)."""
    return max(max_power_w, heat_w(stated_btu_per_hour)) if stated_btu_per_hour is not None else max_power_w


Redundancy = Literal["N", "N+1", "4N/3", "3N/2", "2N"]
HOURS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_HOUR
SHARES: dict[Redundancy, float] = {"N": 1.0, "4N/3": 4 / 3, "3N/2": 1.5, "2N": 2.0}
"""Installed over needed capacity; N+1 depends on the number of modules."""


class Feeds(Record):
    """Feeds of one rack. ``capacity_w`` is the continuous load of one; with ``paths`` 2 either path carries the whole rack."""

    per_path: int
    paths: int = Field(ge=1, le=2)
    capacity_w: float

    @property
    def total(self) -> int:
        """Return the number of feeds, one PDU each."""
        return self.per_path * self.paths


def installed_share(redundancy: Redundancy, *, modules: int) -> float:
    """Return installed over needed capacity; of N+1 with ``modules`` needed ones (n + 1) / n."""
    assert modules >= 1, "a system has at least one module"
    return (modules + 1) / modules if redundancy == "N+1" else SHARES[redundancy]


def feeds_for(rack_peak_w: float, *, feed_w: float, is_dual: bool = True) -> Feeds:
    """Return the feeds of ``feed_w`` continuous watts that carry a rack, on two independent paths where ``is_dual``."""
    assert rack_peak_w >= 0 and feed_w > 0, "a feed has a positive capacity"
    # Either path has to carry the whole rack when the other fails.
    return Feeds(per_path=max(1, math.ceil(rack_peak_w / feed_w - 1e-9)), paths=2 if is_dual else 1, capacity_w=feed_w)

"""Heat and its removal. All electrical power of IT becomes heat, watt for watt.

    heat_BTU/h = 3.412142 * W        1 ton of refrigeration = 12,000 BTU/h = 3,516.85 W
    CFM        = BTU/h / (1.08 * dT_F)                  air at sea level: 0.075 lb/ft3 * 0.24 BTU/lb/F * 60 min/h = 1.08
    L/min      = W * 60 / (rho * c_p * dT_K)            water: 4.18 kJ/(L K), 1.43 L/min per kW at 10 K

Sources: ASHRAE Handbook Fundamentals (sensible heat of air); ASHRAE TC 9.9 liquid cooling guidelines.
"""

from __future__ import annotations

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
    """Return CFM of air that carry ``heat_w`` with a temperature rise of ``rise_k`` kelvin, at sea level."""
    assert rise_k > 0, "air must warm up to carry heat"
    return btu_per_hour(heat_w) / (AIR_BTU_PER_HOUR_PER_CFM_F * rise_k * FAHRENHEIT_PER_KELVIN)


def water_l_per_min(heat_w: float, *, rise_k: float, captured: float = 1.0) -> float:
    """Return L/min of water for the ``captured`` share of ``heat_w`` with a rise of ``rise_k`` kelvin."""
    assert rise_k > 0 and 0 <= captured <= 1, "a rise above 0 and a captured share within [0, 1]"
    return heat_w * captured * 60.0 / (WATER_J_PER_L_K * rise_k)


def design_heat_w(max_power_w: float, *, stated_btu_per_hour: float | None = None) -> float:
    """Return the heat to size for: the larger of electrical peak and the vendor's own BTU/h (they differ, e.g. DGX H100)."""
    return max(max_power_w, heat_w(stated_btu_per_hour)) if stated_btu_per_hour is not None else max_power_w

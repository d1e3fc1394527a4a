"""Why a device runs below its clocks: NVML's clocks-event reasons, a bitmask (nvml.h, ``nvmlClocksEventReasons``).

Judged as integers: a bit is set or it is not. ``SPOILING`` bits mean that the device could not run at the requested speed; a power
cap is a chosen setting: it is reported but does not spoil a number.
"""

from __future__ import annotations

APPLICATIONS_CLOCKS = 0x002
SW_POWER_CAP = 0x004
HW_SLOWDOWN = 0x008
SW_THERMAL_SLOWDOWN = 0x020
HW_THERMAL_SLOWDOWN = 0x040
HW_POWER_BRAKE_SLOWDOWN = 0x080

NAMES: dict[int, str] = {
    0x001: "gpu_idle",
    APPLICATIONS_CLOCKS: "applications_clocks",
    SW_POWER_CAP: "sw_power_cap",
    HW_SLOWDOWN: "hw_slowdown",
    0x010: "sync_boost",
    SW_THERMAL_SLOWDOWN: "sw_thermal_slowdown",
    HW_THERMAL_SLOWDOWN: "hw_thermal_slowdown",
    HW_POWER_BRAKE_SLOWDOWN: "hw_power_brake_slowdown",
    0x100: "display_clocks",
}
THERMAL = SW_THERMAL_SLOWDOWN | HW_THERMAL_SLOWDOWN
BRAKE = HW_SLOWDOWN | HW_POWER_BRAKE_SLOWDOWN
"""``HW_SLOWDOWN`` alone is an external power brake; the hardware sets it together with each of the other two as well."""
SPOILING = THERMAL | BRAKE
MAX_SPOILED_SHARE = 0.01
"""A window with more than this share under a spoiling reason is invalid."""


def throttle_names(bitmask: int) -> tuple[str, ...]:
    """The names of the bits that are set, lowest first; unknown bits by their number."""
    bits = [1 << position for position in range(bitmask.bit_length()) if bitmask >> position & 1]
    return tuple(NAMES.get(bit, f"reason_{bit:#x}") for bit in bits)

"""Machines that stand at desks: desktops and workstations, without rack, rack PDU, UPS, cooling plant or switch of their own.

A few of them run from the outlets of a room and give their heat to its air, as the other computers there do; they are plugged into
the network of the building. More, or a demand that asks for a server room (``site.server_room``), get racks and plant.
"""

from __future__ import annotations

from aigc_bench.catalog.regions import slug
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.stats.estimates import assumed

MOST_AT_DESKS = 4
"""More towers than these are put on shelves of a rack (assumed)."""
# 230 V x 16 A x 0.8: a breaker carries 80 % of its rating for hours.
OUTLET_W = 230.0 * 16 * 0.8
# 120 V x 15 A x 0.8.
SMALL_OUTLET_W = 120.0 * 15 * 0.8
_SMALL_OUTLETS = ("us", "united-states", "usa", "canada", "japan", "taiwan", "mexico")
GENERAL = message("unverified (general knowledge)")


def at_desks(machine: Machine, site: Site, *, num_servers: int) -> bool:
    """Return whether that many machines stand at desks on a site: few, each on an outlet, their heat within a room's."""
    return (
        not machine.needs_rack
        and not site.has_server_room
        and num_servers <= MOST_AT_DESKS
        and machine.peak_power_w.value <= OUTLET_W
        and num_servers * machine.design_heat_w.value <= heat_of_a_room().value
    )


def outlet() -> Estimate:
    """Return the continuous watts of an outlet."""
    return assumed(OUTLET_W, unit="W", source=message("an outlet of 230 V and 16 A, at 80 % for hours; {general}", general=GENERAL))


def heat_of_a_room() -> Estimate:
    """Return the watts of heat that the air conditioning of a room takes with its people in it: about a ton of refrigeration."""
    source = message("a room's air conditioning, about a ton of refrigeration; {general}", general=GENERAL)
    return assumed(3500.0, low=1500.0, high=7000.0, unit="W", source=source)


def circuit_question(machine: Machine, site: Site) -> str | None:
    """Return what to ask an electrician where outlets carry less than the machine draws, ``None`` where they carry it."""
    # Cloud regions begin with the name of their provider.
    region = slug(site.region or "").removeprefix("aws-").removeprefix("azure-").removeprefix("gcp-")
    has_small = any(region == name or region.startswith(f"{name}-") for name in _SMALL_OUTLETS)
    if machine.needs_rack or not has_small or machine.peak_power_w.value <= SMALL_OUTLET_W:
        return None
    return message(
        "power: it draws up to {peak:,.0f} W and needs a circuit of 240 V of its own; an outlet of 120 V and 15 A carries "
        "{outlet:,.0f} W",
        peak=machine.peak_power_w.value,
        outlet=SMALL_OUTLET_W,
    )

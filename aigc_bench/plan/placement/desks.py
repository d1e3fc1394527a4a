"""Machines that stand at desks: desktops and workstations, without rack, rack PDU, UPS, cooling plant or switch of their own.

A few of them run from the outlets of a room and give their heat to its air, as the other computers there do; they are plugged into
the network of the building. More, or a demand that asks for a server room (``site.server_room``), get racks and plant.
"""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.catalog.regions import slug
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.stats.estimates import GENERAL, assumed

MOST_AT_DESKS = 4
"""More towers than these are put on shelves of a rack (assumed)."""
MOST_ON_SHELVES = 2
"""Towers on shelves of a rack that one would still buy: more cost the height, fans and cabling of rack servers without their
remote management (assumed)."""
# 230 V x 16 A x 0.8: a breaker carries 80 % of its rating for hours.
OUTLET_W = 230.0 * 16 * 0.8
# 120 V x 15 A x 0.8.
SMALL_OUTLET_W = 120.0 * 15 * 0.8
_SMALL_OUTLETS = ("us", "united-states", "usa", "canada", "japan", "taiwan", "mexico")


def at_desks(machine: Machine, site: Site, *, num_servers: int) -> bool:
    """Return whether that many machines stand at desks on a site: few, each on an outlet, their heat within a room's."""
    return (
        not machine.needs_rack
        and not site.has_server_room
        and num_servers <= MOST_AT_DESKS
        and machine.peak_power_w.value <= OUTLET_W
        and num_servers * machine.design_heat_w.value <= heat_of_a_room().value
    )


def why_not_racked(machine: Machine, *, num_servers: int, is_at_desks: bool, is_consumer: bool, named: Sequence[str]) -> str | None:
    """Return why one would not buy machines for desks in that number, or consumer cards for a server room.

    ``None`` where one would, or where the demand names the accelerator itself.
    """
    if is_at_desks or machine.accelerator in named:
        return None
    change = message("name {accelerator} in constraints.accelerators to plan with it all the same", accelerator=machine.accelerator)
    if is_consumer:
        return message(
            "space: {name} is a consumer card: the licence of its driver excludes data centres, and its fans and power plugs are "
            "not made for racks; {change}",
            name=machine.accelerator,
            change=change,
        )
    if not machine.needs_rack and num_servers > MOST_ON_SHELVES:
        return message(
            "space: {count} towers on shelves of a rack, without remote management and rails; servers for racks carry the same "
            "cards; {change}",
            count=num_servers,
            change=change,
        )
    return None


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

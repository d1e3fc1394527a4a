"""Where the machines of an option stand, and whose limits apply to them.

owned        the site of the demand
colocated    the provider's racks: a number of kW each, powered and cooled; the demand's own room limits nothing there
rented       an unknown place: the site's uplink and storage do not apply, power and cooling are the provider's
"""

from __future__ import annotations

from aigc_bench.plan.records.demand import Colocation, Demand, OptionKind, Site
from aigc_bench.plan.records.machine import Machine


def site_for(kind: OptionKind, machine: Machine, demand: Demand) -> Site:
    """Return the demand's site, or one with the limits of whoever houses the machines. Tariff, grid and PUE are regional."""
    if kind == "owned":
        return demand.site
    elsewhere = demand.site.model_copy(update={"store_bytes": None, "store_bytes_per_s": None, "egress_bits_per_s": None})
    return _colocated(elsewhere, demand.colocation, machine) if kind == "colocated" else elsewhere


def _colocated(site: Site, offer: Colocation, machine: Machine) -> Site:
    """Return the limits of colocation racks: each kW is powered and cooled, so one density limits both."""
    is_liquid = machine.cooling == "direct_liquid"
    density = getattr(offer, density_of(machine))
    return site.model_copy(
        update={
            "power_w": offer.power_w,
            "num_racks": offer.num_racks,
            "rack_power_w": density,
            "rack_cooling_w": density,
            "rack_height_u": offer.rack_height_u,
            "cooling": offer.cooling or ("direct_liquid" if is_liquid else "air"),
            "inlet_c": None,
            "floor_kg_per_m2": None,
            "egress_bits_per_s": offer.egress_bits_per_s,
        }
    )


def density_of(machine: Machine) -> str:
    """Return the field of ``Colocation`` that limits a rack of such machines."""
    return "rack_liquid_w" if machine.cooling == "direct_liquid" else "rack_air_w"


def table_of(kind: OptionKind) -> str:
    """Return the table of a demand file that holds the limits of such an option."""
    return "colocation" if kind == "colocated" else "site"

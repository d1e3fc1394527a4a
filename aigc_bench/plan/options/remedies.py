"""Name what would resolve a shortage of each factor: a key of the demand file with the value it needs, or other hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aigc_bench.core.units import quantity
from aigc_bench.plan.factors.base import TIGHT_BELOW
from aigc_bench.plan.factors.cooling import is_too_warm
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.site.cooling_fit import TAKES


def remedy(name: str, found: Assessment, *, site: Site, machine: Machine, table: str) -> str:
    """Return what would resolve the shortage of a factor; for a third party's factor, its formula.

    ``table`` of a demand file holds the limits of the ``site``, which may be a provider's.
    """
    make = REMEDIES.get(name)
    return make(found, site, machine, table) if make else f"required by: {found.formula}"


def _enough(found: Assessment) -> float:
    """Return what would have to be available for the factor to be neither short nor tight."""
    assert found.required is not None, "a factor that is short has a requirement"
    return found.required.value / (1 - TIGHT_BELOW)


def _compute(found: Assessment, *_: object) -> str:
    return f"{quantity(_enough(found), found.unit)}, a looser SLO or a longer deadline would change that"


def _memory(found: Assessment, *_: object) -> str:
    return f"machines with {quantity(_enough(found), 'B')} of usable memory, a smaller model or a narrower format would change that"


def _network(found: Assessment, site: Site, _: Machine, table: str) -> str:
    needed = quantity(_enough(found), "bit/s")
    if found.available == site.egress_bits_per_s:
        return f"an uplink of {needed} ({table}.uplink_gbit_per_s) or smaller responses (response_kb) would change that"
    return f"a link of {needed} per machine, more machines or smaller responses (response_kb) would change that"


def _storage(found: Assessment, *_: object) -> str:
    return f"disks of {quantity(_enough(found), 'B')} per machine, or a shorter retention of responses (kept) would change that"


def _cooling(found: Assessment, site: Site, machine: Machine, table: str) -> str:
    if site.cooling not in TAKES[machine.cooling]:
        return f"{found.why}; {table}.cooling = {machine.cooling!r} or an air-cooled server would change that"
    if is_too_warm(site, machine):
        return f"{found.why}; cooler air ({table}.inlet_c) or a liquid-cooled server would change that"
    key = "rack_cooling_kw" if table == "site" else "rack_kw"
    return (
        f"racks with a cooling capacity of {quantity(_enough(found), 'W')} ({table}.{key}), another {table}.cooling, "
        "a smaller server or renting would change that"
    )


def _power(found: Assessment, site: Site, _: Machine, table: str) -> str:
    needed = quantity(_enough(found), "W")
    if found.available == site.power_w:
        return f"{needed} for IT ({table}.power_kw), accelerators with more throughput per watt, or renting would change that"
    return f"a feed of {needed} per rack ({table}.rack_kw), a smaller server or renting would change that"


REMEDIES: Mapping[str, Callable[[Assessment, Site, Machine, str], str]] = {
    "compute": _compute,
    "memory": _memory,
    "network": _network,
    "storage": _storage,
    "cooling": _cooling,
    "power": _power,
}

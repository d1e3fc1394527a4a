"""``plan --explain list``: list every key of a plan in groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aigc_bench.core.messages import message
from aigc_bench.core.trail import Trail
from aigc_bench.core.trail_text import amount_text
from aigc_bench.core.visible import visible

KEY_WIDTH = 56
HEADINGS: Mapping[str, str] = {
    "demand": "Demand",
    "growth": "Demand",
    "rules": "Rules",
    "machine": "Machine",
    "loads": "Loads",
    "pools": "Fleet",
    "factors": "Factors",
    "bill": message("Bill of materials"),
    "rent": "Rent",
    "costs": message("Cost per year"),
    "cash": message("Cash flow by year"),
    "usd_per_unit": message("Cost per unit"),
    "carbon_kg_per_unit": message("Energy and carbon"),
    "carbon_kg": message("Energy and carbon"),
    "carbon_operation_kg": message("Energy and carbon"),
    "carbon_making_kg": message("Energy and carbon"),
    "energy_kwh_per_year": message("Energy and carbon"),
    "capex_usd": "Money",
    "opex_usd_per_year": "Money",
    "tco_usd": "Money",
    "p_budget": "Risk",
    "p_slo": "Risk",
    "p_oom": "Risk",
    "certainty": "Risk",
    "replay": "Risk",
    "quotes": "Quotes",
    "owned": message("Machines that are there"),
}
OTHERS = "Fleet"
ORDER = (
    "Money", message("Cost per unit"), "Risk", "Fleet", "Factors", "Loads", "Rent", message("Cost per year"),
    message("Cash flow by year"), message("Bill of materials"), message("Energy and carbon"), "Quotes",
    message("Machines that are there"), "Machine", "Demand", "Rules",
)  # fmt: skip


def listing(trail: Trail, keys: Mapping[str, str], *, owners: Collection[str] = ()) -> str:
    """Return all keys under headings, the decisive ones first; ``keys`` maps short keys to full ones.

    ``owners`` are the names of services, jobs and data sets, which may hold dots as keys do.
    """
    groups: dict[str, list[str]] = {}
    for name in keys:
        groups.setdefault(_heading(name, owners), []).append(name)
    lines = [
        message(
            "{num_keys} numbers can be explained. A plain KEY belongs to the recommended option, options.N.KEY to option N.",
            num_keys=len(keys),
        )
    ]
    for heading in sorted(groups, key=lambda one: ORDER.index(one.partition(":")[0])):
        lines += ["", heading]
        width = min(KEY_WIDTH, max(len(name) for name in groups[heading]))
        for name in groups[heading]:
            step = trail[keys[name]]
            lines.append(f"  {name:<{width}}  {amount_text(step.value.value, step.value.unit)}  {step.title}")
    return "\n".join(map(visible, lines))


def _heading(name: str, owners: Collection[str]) -> str:
    """Return the group of a key; every factor, load, part and service has its own."""
    parts = name.split(".")
    if parts[0] == "parts":
        return message("Fleet: part {parts}", parts=parts[1])
    found = HEADINGS.get(parts[0], OTHERS)
    is_split = parts[0] in ("factors", "loads") or (parts[0] == "demand" and parts[1] in ("services", "jobs", "datasets"))
    rest = ".".join(parts[2:] if parts[0] == "demand" else parts[1:])
    return f"{found}: {_owner(rest, owners)}" if is_split else found


def _owner(rest: str, owners: Collection[str]) -> str:
    """Return the longest name that the rest of a key begins with, else what is before its first dot."""
    return max((one for one in owners if f"{rest}.".startswith(f"{one}.")), key=len, default=rest.partition(".")[0])

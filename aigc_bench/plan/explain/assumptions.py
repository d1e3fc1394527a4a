"""Everything a plan rests on that was not measured here, listed by walking its records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.demand import Arrival, Demand
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Assumption
from aigc_bench.plan.records.rules import Rules

UNIT = r"_(usd|w|kg|s|bytes|bits_per_s)$"
"""The unit at the end of a field's name, which a title does not need."""
SAID = {
    "embodied_kg": "carbon of making",
    "per_year": "growth a year",
    "electricity_usd_per_kwh": "price of electricity",
    "grid_g_per_kwh": "carbon of the grid",
    "space_usd_per_kw_month": "rent of space",
    "demand_charge_usd_per_kw_month": "demand charge",
    "staff_usd_per_year": "cost of staff",
    "checkpoint_bytes_per_param": "checkpoint bytes for a parameter",
    "pue": "PUE",
    "peak_requests_per_s": "requests/s at the peak",
    "runs_per_day": "runs a day",
    "request_bytes": "size of a request",
    "response_bytes": "size of an answer",
    "bytes_per_item": "stored size of an item",
    "size_bytes": "size",
    "beside_load": "mean over highest draw of switches and storage",
    "checkpoint_stall_s": "stall of a checkpoint",
    "restart_s": "time to restart a job",
    "hours_between_interruptions": "accelerator-hours between interruptions",
    "rack_air_w": "power and heat of a rack of air-cooled servers",
    "rack_liquid_w": "power and heat of a rack of liquid-cooled servers",
}


OWNERS = {"site": " at the site", "colocation": " in a colocation", "finance": "", "machine": " of the machine"}


def assumptions_of(demand: Demand, *, rules: Rules, machine: Machine | None) -> tuple[Assumption, ...]:
    """One entry for every figure that is not measured; the key is its path, as ``plan --explain`` takes it."""
    roots: list[tuple[str, Record]] = [("demand", demand), ("rules", rules)]
    roots += [("machine", machine)] if machine is not None else []
    found = [pair for name, record in roots for pair in _walk(record, path=(name,))]
    return tuple(
        Assumption(key=".".join(path), title=title_of(path), value=value)
        for path, value in found
        if value.basis not in ("measured", "interpolated") and "capabilities" not in path
    )


def _walk(record: Record, *, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Estimate]]:
    """Every Estimate below a record with its path, in the order of the fields; of a computed rate, what it is computed from."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(record, Arrival) and name == "peak_requests_per_s":
            continue
        if isinstance(value, Estimate):
            yield (*path, name), value
        elif isinstance(record, Arrival) and isinstance(value, Mapping):
            yield from (((*path, key.replace(" ", "_")), part) for key, part in value.items())
        elif isinstance(value, Record):
            yield from _walk(value, path=(*path, name))
        elif isinstance(value, tuple):
            for entry in value:
                if isinstance(entry, Record):
                    yield from _walk(entry, path=(*path, name, str(getattr(entry, "name", "?"))))


def title_of(path: tuple[str, ...]) -> str:
    """A path of a record in words: what it is, of what."""
    what, owner = SAID.get(path[-1]) or re.sub(UNIT, "", path[-1]).replace("_", " "), path[-2]
    if owner in ("rules", "growth", "demand", "constraints"):
        return what
    if owner in OWNERS:
        return what if what.isupper() else f"{what}{OWNERS[owner]}"
    return f"{what} of {path[-3] if owner == 'arrival' else owner}"

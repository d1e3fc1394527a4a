"""List every assumption of a plan, that is every figure not measured here, by walking its records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.demand import Arrival, Colocation, Demand, Site
from aigc_bench.plan.records.factor_keys import title_of_key
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Assumption
from aigc_bench.plan.records.rules import Rules

UNIT = r"_(usd|w|kg|s|bytes|bits_per_s)$"
"""Unit suffix of a field's name, which a title does not need."""
TITLES = {
    "embodied_kg": message("embodied carbon"),
    "per_year": message("growth per year"),
    "electricity_usd_per_kwh": message("electricity price"),
    "grid_g_per_kwh": message("grid carbon intensity"),
    "space_usd_per_kw_month": message("rent of space"),
    "demand_charge_usd_per_kw_month": message("demand charge"),
    "staff_usd_per_year": message("staff cost"),
    "checkpoint_bytes_per_param": message("checkpoint bytes per parameter"),
    "pue": message("PUE"),
    "peak_requests_per_s": message("peak requests/s"),
    "runs_per_day": message("runs per day"),
    "request_bytes": message("request size"),
    "response_bytes": message("response size"),
    "bytes_per_item": message("stored size per item"),
    "size_bytes": message("size"),
    "beside_load": message("mean over peak power of switches and storage"),
    "checkpoint_stall_s": message("checkpoint stall"),
    "restart_s": message("time to restart a job"),
    "target_utilisation": message("target utilisation"),
    "off_peak_share": message("off-peak share"),
    "machine_availability": message("machine availability"),
    "link_goodput": message("link goodput"),
    "busy_share": message("busy share"),
    "residual_share": message("residual share"),
    "discount_rate": message("discount rate"),
    "unit_usd": message("unit price"),
    "usd_per_currency": message("exchange rate to USD"),
    "support_usd_per_year": message("support per year"),
    "life_years": message("life in years"),
    "horizon_years": message("horizon in years"),
    "items_per_request": message("items per request"),
    "machines_per_server": message("machines per server"),
    "price_usd": message("price"),
    "peak_power_w": message("peak power"),
    "full_power_w": message("full power"),
    "idle_power_w": message("idle power"),
    "design_heat_w": message("design heat"),
    "active_share": message("active share"),
    "peak_factor": message("peak factor"),
    "users": message("users"),
    "requests_a_minute": message("requests per minute"),
    "duty": message("mean over peak rate"),
    "rack_height_u": message("height of a rack"),
    "plant_left_share": message("value of racks, UPS and cooling plant that is left"),
    "adders_share": message("ancillary costs over the costs that they are a share of"),
    "kept_days": message("response retention"),
    "dataset_copies": message("copies of each dataset"),
    "ups_efficiency": message("UPS efficiency"),
    "inlet_limit_c": message("highest inlet temperature"),
    "hours_between_interruptions": message("accelerator-hours between interruptions"),
}


OWNERS = {
    "site": message(" at the site"),
    "colocation": message(" in a colocation"),
    "finance": "",
    "machine": message(" of the machine"),
}


def assumptions_of(demand: Demand, *, rules: Rules, machine: Machine | None) -> tuple[Assumption, ...]:
    """Return one entry for every figure that is not measured; the key is its path, as ``plan --explain`` takes it."""
    roots: list[tuple[str, Record]] = [("demand", demand), ("rules", rules)]
    roots += [("machine", machine)] if machine is not None else []
    found = [pair for name, record in roots for pair in _walk(record, path=(name,))]
    return tuple(
        Assumption(key=".".join(path), title=title_of(path), value=value)
        for path, value in found
        # Predictions of a machine are listed elsewhere (``rests_on``); here stand the inputs.
        if value.basis not in ("measured", "interpolated") and "capabilities" not in path
    )


def _walk(record: Record, *, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Estimate]]:
    """Yield every Estimate below a record with its path, in the order of the fields; of a computed rate its inputs."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(record, Arrival) and name == "peak_requests_per_s":
            # The peak rate is computed; what it is computed from follows as its parts.
            continue
        if isinstance(value, Estimate):
            yield (*path, name), value
        elif isinstance(record, Arrival) and isinstance(value, Mapping):
            yield from (((*path, key.replace(" ", "_")), part) for key, part in value.items())
        elif isinstance(record, Demand | Site | Colocation) and name == "of_factors":
            yield from (((*path, own), amount) for own, amount in record.of_factors.items())
        elif isinstance(value, Record):
            yield from _walk(value, path=(*path, name))
        elif isinstance(value, tuple):
            for entry in value:
                if isinstance(entry, Record):
                    yield from _walk(entry, path=(*path, name, str(getattr(entry, "name", "?"))))


def title_of(path: tuple[str, ...]) -> str:
    """Return the title of a path: the quantity, and what it belongs to."""
    known = title_of_key(path[-2], path[-1]) or TITLES.get(path[-1])
    what, owner = known or re.sub(UNIT, "", path[-1]).replace("_", " "), path[-2]
    if owner in ("rules", "growth", "demand", "constraints"):
        return what
    if owner in OWNERS:
        return what if what.isupper() else joined("", (what, OWNERS[owner]))
    return message("{what} of {owner}", what=what, owner=path[-3] if owner == "arrival" else owner)

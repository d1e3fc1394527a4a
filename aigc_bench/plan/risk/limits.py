"""Limits that more servers would exceed: the site's power, its racks, the budgets, all in proportion to the servers."""

from __future__ import annotations

import math

from aigc_bench.plan.placement.room_power import other_peak_w
from aigc_bench.plan.placement.site_limits import site_for, table_of
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Option


def hindrance(option: Option, demand: Demand, *, more_servers: int) -> str | None:
    """Return the limit that forbids that number of additional servers for an option without parts, or ``None``."""
    if more_servers == 0 or option.machine is None or option.num_servers == 0:
        return None
    site, limits = site_for(option.kind, option.machine, demand), demand.constraints
    count = option.num_servers + more_servers
    times = count / option.num_servers
    is_own, where = option.kind in ("owned", "colocated"), table_of(option.kind)
    peak_w = count * option.machine.peak_power_w.value + (times * other_peak_w(option.room).value if option.room else 0.0)
    if is_own and site.power_w is not None and peak_w > site.power_w.value:
        return f"the power of the {where}"
    if is_own and site.num_racks is not None and math.ceil((option.num_racks or 0) * times - 1e-9) > site.num_racks:
        return f"the racks of the {where}"
    if limits.budget_usd is not None and option.capex_usd.value * times > limits.budget_usd:
        return "constraints.budget_usd"
    yearly = sum(line.usd_per_year.value for line in option.costs)
    if limits.budget_usd_per_year is not None and yearly * times > limits.budget_usd_per_year:
        return "constraints.budget_usd_per_year"
    return None

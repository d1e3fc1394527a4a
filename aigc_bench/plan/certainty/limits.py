"""What more servers than planned run into: the site's power, its racks, the budgets. What grows does in proportion."""

from __future__ import annotations

import math

from aigc_bench.plan.demand import Demand
from aigc_bench.plan.records import Option


def hindrance(option: Option, demand: Demand, *, more_servers: int) -> str | None:
    """What forbids so many servers more of an option without parts, or ``None``."""
    if more_servers == 0 or option.machine is None or option.num_servers == 0:
        return None
    site, limits, count = demand.site, demand.constraints, option.num_servers + more_servers
    times = count / option.num_servers
    is_own = option.kind in ("owned", "colocated")
    if is_own and site.power_w is not None and count * option.machine.peak_power_w.value > site.power_w.value:
        return "the power of the site"
    if is_own and site.num_racks is not None and math.ceil((option.num_racks or 0) * times - 1e-9) > site.num_racks:
        return "the racks of the site"
    if limits.budget_usd is not None and option.capex_usd.value * times > limits.budget_usd:
        return "constraints.budget_usd"
    yearly = sum(line.usd_per_year.value for line in option.costs)
    if limits.budget_usd_per_year is not None and yearly * times > limits.budget_usd_per_year:
        return "constraints.budget_usd_per_year"
    return None

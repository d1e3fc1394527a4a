"""The volume from which owning is cheaper than paying per use, and how probable that is at the planned volume.

    owning, per year       F + v x V                 F the fixed cost, v the running cost of one unit (electricity)
    calling, per year      c x V                     c of one unit, V units per year

    V* = F / (c - v)
    P(owning is cheaper at the plan) = share of Monte Carlo scenarios in which it is

A scenario where owning never pays off has no break-even; the figures state the share of such scenarios.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.distributions import NUM_DRAWS, Array, draws, interval_of
from aigc_bench.plan.stats.estimates import combined


class BreakEven(Record):
    """``at`` is the break-even volume over the scenarios that have one (``None`` where none has).

    ``p_own_cheaper`` is at the planned utilisation or volume; ``p_reachable`` is the share of scenarios whose break-even is within
    the capacity of the machines.
    """

    against: Sentence
    kind: Literal["utilisation", "volume"]
    at: Estimate | None
    p_own_cheaper: float = Field(ge=0, le=1)
    p_reachable: float = Field(ge=0, le=1)
    planned: float = Field(ge=0)
    why: Sentence


def against_api(
    price_usd_per_unit: Estimate,
    *,
    unit: str,
    fixed_usd_per_year: Estimate,
    running_usd_per_unit: Estimate,
    planned_units_per_year: float,
    capacity_units_per_year: float,
    name: str = "api",
    num: int = NUM_DRAWS,
    seed: int = 0,
) -> BreakEven:
    """Return owning against an API at a volume; ``capacity_units_per_year`` is the maximum of the owned machines."""
    assert planned_units_per_year >= 0 and capacity_units_per_year > 0, "a break-even needs a volume, and machines with a capacity"
    # Fixed and running cost have the same streams for every rival, so rivals are compared in equal scenarios.
    price = draws(price_usd_per_unit, name=f"{name}.price", num=num, seed=seed)
    fixed = draws(fixed_usd_per_year, name="own.fixed", num=num, seed=seed)
    running = draws(running_usd_per_unit, name="own.running", num=num, seed=seed)
    at = _crossing(fixed, price - running)
    reachable = at <= capacity_units_per_year
    basis = combined((price_usd_per_unit, fixed_usd_per_year, running_usd_per_unit))
    source = message("{num} Monte Carlo scenarios; fixed / (price - running cost of a unit)", num=num)
    owned = fixed + running * planned_units_per_year
    return BreakEven(
        against=name,
        kind="volume",
        # Quantiles over scenarios without a break-even would be infinite.
        at=interval_of(at[reachable], unit=f"{unit}s/year", basis=basis, source=source) if reachable.any() else None,
        p_own_cheaper=float(np.mean(owned < price * planned_units_per_year)),
        p_reachable=float(np.mean(reachable)),
        planned=planned_units_per_year,
        why=_why(reachable, message("within the capacity of the machines")),
    )


def _crossing(fixed: Array, margin: Array) -> Array:
    """Return the volume at which a margin recovers a fixed cost; infinite where there is none."""
    # Where a unit of one's own costs as much as a bought one, no volume recovers the fixed cost.
    found = np.full_like(fixed, np.inf)
    np.divide(fixed, margin, out=found, where=margin > 0)
    return found


def _why(reachable: Array | np.ndarray, where: str) -> str:
    share = float(np.mean(reachable))
    if share == 1.0:
        return message("owning breaks even {where} in every scenario", where=where)
    if share == 0.0:
        return message("owning breaks even {where} in no scenario", where=where)
    return message("owning breaks even {where} in {percent:.0f} % of the scenarios", where=where, percent=100 * share)

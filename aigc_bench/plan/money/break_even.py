"""From which volume on owning is cheaper than paying by use, and how probable it is at the planned one.

    owning a year       F + v x V                 F whatever is paid anyway, v the running cost of one unit (electricity)
    calling a year      c x V                     c of one unit, V units a year

    V* = F / (c - v)
    P(owning is cheaper at the plan) = share of drawn worlds in which it is

A world where owning never pays has no break-even; the figures tell in how many that is so.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.distributions import NUM_DRAWS, Array, draws, interval_of
from aigc_bench.plan.stats.estimates import combined


class BreakEven(Record):
    """``at`` is where both cost the same over the worlds in which they do (``None`` where they do in none).

    ``p_own_cheaper`` is at the planned utilisation or volume; ``p_reachable`` is the share of worlds whose break-even lies within
    what the machines can do.
    """

    against: str
    kind: Literal["utilisation", "volume"]
    at: Estimate | None
    p_own_cheaper: float = Field(ge=0, le=1)
    p_reachable: float = Field(ge=0, le=1)
    planned: float = Field(ge=0)
    why: str


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
    """Owning against an API at a volume; ``capacity_units_per_year`` is the most that the owned machines can make."""
    assert planned_units_per_year >= 0 and capacity_units_per_year > 0, "some volume, and machines that can make some"
    price = draws(price_usd_per_unit, name=f"{name}.price", num=num, seed=seed)
    fixed = draws(fixed_usd_per_year, name="own.fixed", num=num, seed=seed)
    running = draws(running_usd_per_unit, name="own.running", num=num, seed=seed)
    at = _crossing(fixed, price - running)
    reachable = at <= capacity_units_per_year
    basis = combined((price_usd_per_unit, fixed_usd_per_year, running_usd_per_unit))
    source = f"{num} drawn worlds; fixed / (price - running cost of a unit)"
    owned = fixed + running * planned_units_per_year
    return BreakEven(
        against=name,
        kind="volume",
        at=interval_of(at[reachable], unit=f"{unit}s/year", basis=basis, source=source) if reachable.any() else None,
        p_own_cheaper=float(np.mean(owned < price * planned_units_per_year)),
        p_reachable=float(np.mean(reachable)),
        planned=planned_units_per_year,
        why=_why(reachable, "within the capacity of the machines"),
    )


def _crossing(fixed: Array, margin: Array) -> Array:
    """Where a fixed cost is earned back by a margin; infinite where there is none."""
    found = np.full_like(fixed, np.inf)
    np.divide(fixed, margin, out=found, where=margin > 0)
    return found


def _why(reachable: Array | np.ndarray, where: str) -> str:
    share = float(np.mean(reachable))
    if share == 1.0:
        return f"owning breaks even {where} in every drawn world"
    if share == 0.0:
        return f"owning breaks even {where} in no drawn world"
    return f"owning breaks even {where} in {share:.0%} of the drawn worlds"

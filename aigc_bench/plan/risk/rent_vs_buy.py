"""The volume from which owning beats renting and calling an API, and how probable that is at the planned volume.

Against an API, as the volume grows::

    owning, per year       F + v x V                 F the fixed cost, v the running cost of one unit (electricity)
    calling, per year      c x V                     c of one unit, V units per year

    V* = F / (c - v)
    P(owning is cheaper at the plan) = share of Monte Carlo scenarios in which it is

A scenario where owning never pays off has no break-even; the figures state the share of such scenarios.

Against every rival, at the planned volume::

    owning, per year     F + S x v          v the volume over the planned one, S the volume-dependent part (electricity), F the rest
    renting, per year    c x v              on demand and spot; reserved: c
    calling, per year    c x v

Owned machines can serve ``1 / mean utilisation`` of the planned volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.money.option_cost import HOURS_PER_YEAR
from aigc_bench.plan.options.measure import is_refused
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.sizing.fleets import mean_utilisation
from aigc_bench.plan.stats.distributions import NUM_DRAWS, Array, draws, interval_of
from aigc_bench.plan.stats.estimates import bounded, combined, named, plus, scaled


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


RISING = ("electricity", "cooling")
RISING_SHARE = 0.5
"""Share of an owned fleet's electricity that follows the load where idle and full draw are not known."""
# 5 % to 20 times the planned volume, equal ratios apart.
VOLUMES = tuple(round(float(v), 4) for v in np.geomspace(0.05, 20, 60))
ELASTIC = ("on_demand", "spot", "per_use")


class Rival(Record):
    """An alternative to owning: its cost in a year of the planned volume, and its break-even with owning."""

    rank: int
    name: Sentence
    is_elastic: bool
    usd_per_year: Estimate
    break_even: BreakEven | None
    p_own_cheaper: tuple[float, ...]
    """At each of ``VOLUMES`` up to the capacity of the machines."""


class RentVsBuy(Record):
    """The owned option, its fixed and its volume-dependent cost, and its rivals."""

    own: Option
    fixed_usd_per_year: Estimate
    rising_usd_per_year: Estimate
    capacity: float
    """The maximum volume of the owned machines, over the planned volume."""
    rivals: tuple[Rival, ...]


def rent_vs_buy(plan: Plan) -> RentVsBuy | None:
    """Return the cheapest accepted owned or colocated option against the cheapest rent of each term and the APIs.

    ``None`` where there is none, or nothing has to be bought.
    """
    accepted = [one for one in plan.options if one.accepted and not one.parts and (one.kind == "api" or not is_refused(one))]
    own = next((one for one in accepted if one.kind in ("owned", "colocated")), None)
    if own is None or own.machine is None or own.num_servers == 0:
        return None
    whole = plus(*(line.usd_per_year for line in own.costs))
    rising = _rising(own)
    fixed = named(bounded(_less(whole, rising)), message("sum of the lines less the volume-dependent part"))
    capacity = _capacity(own)
    return RentVsBuy(
        own=own,
        fixed_usd_per_year=fixed,
        rising_usd_per_year=rising,
        capacity=capacity,
        rivals=tuple(_rival(one, fixed=fixed, rising=rising, capacity=capacity) for one in _rivals(accepted)),
    )


def _rivals(accepted: Sequence[Option]) -> list[Option]:
    """Return the cheapest rent of each term, and the cheapest API."""
    found: dict[str, Option] = {}
    for one in accepted:
        if one.kind in ("cloud", "api"):
            # Options come by rank, so the first of a term is its cheapest.
            found.setdefault(one.term, one)
    return list(found.values())


def _rising(own: Option) -> Estimate:
    """Return the volume-dependent electricity: its share of the mean draw beyond idling."""
    energy = [line.usd_per_year for line in own.costs if line.key in RISING]
    machine = own.machine
    assert machine is not None, "the caller checked that there is a machine"
    used = _mean_utilisation(own) * max(0.0, machine.full_power_w.value - machine.idle_power_w.value)
    whole_kwh = own.energy_kwh_per_year.value if own.energy_kwh_per_year is not None else 0.0
    # The part of the mean draw that follows the load over all kWh of the IT.
    share = min(1.0, own.num_servers * used * HOURS_PER_YEAR / 1000 / whole_kwh) if whole_kwh > 0 else RISING_SHARE
    return named(scaled(plus(*energy), share), message("electricity beyond idling"))


def _less(whole: Estimate, part: Estimate) -> Estimate:
    ends = {end: getattr(whole, end) - getattr(part, end) for end in ("value", "low", "high")}
    less = whole.model_copy(update={**ends, "low": min(ends["low"], ends["value"]), "high": max(ends["high"], ends["value"])})
    return record(less, Derivation("{0} - {1}", (whole, part), message("sum of the cost lines - variable cost")))


def _mean_utilisation(own: Option) -> float:
    machine = own.machine
    assert machine is not None, "the caller checked that there is a machine"
    return mean_utilisation(own.loads, num_servers=own.num_servers, machine=machine).value


def _capacity(own: Option) -> float:
    used = _mean_utilisation(own)
    return 1 / used if used > 0 else float(VOLUMES[-1])


def _rival(option: Option, *, fixed: Estimate, rising: Estimate, capacity: float) -> Rival:
    yearly, is_elastic = option.opex_usd_per_year, option.term in ELASTIC
    name = describe(option)
    found = None
    if is_elastic:
        found = against_api(
            yearly,
            unit=message("planned volume"),
            fixed_usd_per_year=fixed,
            running_usd_per_unit=rising,
            planned_units_per_year=1.0,
            capacity_units_per_year=capacity,
            name=name,
        )
    return Rival(
        rank=option.rank,
        name=name,
        is_elastic=is_elastic,
        usd_per_year=yearly,
        break_even=found,
        p_own_cheaper=_probabilities(yearly, name=name, is_elastic=is_elastic, fixed=fixed, rising=rising, capacity=capacity),
    )


def _probabilities(
    yearly: Estimate, *, name: str, is_elastic: bool, fixed: Estimate, rising: Estimate, capacity: float
) -> tuple[float, ...]:
    """Return P(owning is cheaper) by volume, over the same draws as the break-even."""
    # The names of ``break_even.against_api``, so that both figures rest on the same draws.
    price = draws(yearly, name=f"{name}.price", num=NUM_DRAWS)
    owned, running = draws(fixed, name="own.fixed", num=NUM_DRAWS), draws(rising, name="own.running", num=NUM_DRAWS)
    within = [volume for volume in VOLUMES if volume <= capacity]
    return tuple(float(np.mean(owned + running * v < (price * v if is_elastic else price))) for v in within)

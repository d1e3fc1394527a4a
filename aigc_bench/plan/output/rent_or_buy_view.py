"""Owning against renting and APIs as rows and curves: cost by volume, break-even, P(owning is cheaper)."""

from __future__ import annotations

import math

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.output.shown_number import Shown
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.rent_vs_buy import VOLUMES, RentVsBuy, Rival, rent_vs_buy
from aigc_bench.plan.stats.estimates import bounded, scaled

FIXED, RISING = "own_or_not.fixed_usd_per_year", "own_or_not.rising_usd_per_year"
"""Keys of the fixed and of the variable cost of owning."""


class Curve(Record):
    """A number by volume, as a ratio to the planned one: USD per year, or a share of the scenarios."""

    volumes: tuple[float, ...]
    values: tuple[float, ...]


class RivalRow(Record):
    """An alternative to owning; ``p_planned`` is P(owning is cheaper) at the planned volume, ``utilisation`` the break-even.

    ``cost`` is USD per year by volume, ``chance`` P(owning is cheaper) up to the capacity of the owned machines.
    """

    rival: Rival
    usd_per_year: Shown
    p_planned: float | None
    utilisation: Estimate | None
    cost: Curve
    chance: Curve


class RentOrBuyView(Record):
    """The cheapest purchase and its alternatives; owning costs ``fixed`` per year and ``rising`` at the planned volume.

    ``busy_share`` is the share of the year in which the owned machines are busy at that volume; ``cost`` ends at their capacity.
    """

    found: RentVsBuy
    own: Sentence
    busy_share: float
    fixed: Shown
    rising: Shown
    cost: Curve
    rivals: tuple[RivalRow, ...]
    ends: tuple[float, float] = (VOLUMES[0], VOLUMES[-1])


def rent_or_buy_view(plan: Plan) -> RentOrBuyView | None:
    """Return the comparison; ``None`` if no purchase is accepted, or there is no alternative to it."""
    found = rent_vs_buy(plan)
    if found is None or not found.rivals:
        return None
    fixed, rising = found.fixed_usd_per_year, found.rising_usd_per_year
    # Beyond their capacity machines would have to be bought anew, at a cost that this curve does not have.
    within = tuple(volume for volume in VOLUMES if volume <= found.capacity)
    return RentOrBuyView(
        found=found,
        own=describe(found.own),
        busy_share=1 / found.capacity,
        fixed=Shown(key=FIXED, name=message("fixed cost of owning per year"), value=fixed, unit="usd"),
        rising=Shown(key=RISING, name=message("variable cost per year"), value=rising, unit="usd"),
        cost=Curve(volumes=within, values=tuple(fixed.value + rising.value * volume for volume in within)),
        rivals=tuple(_row(one, capacity=found.capacity) for one in found.rivals),
    )


def _row(one: Rival, *, capacity: float) -> RivalRow:
    yearly = one.usd_per_year.value
    # APIs and hourly rents follow the volume, reserved machines are paid for whether busy or not.
    costs = tuple(yearly * volume if one.is_elastic else yearly for volume in VOLUMES)
    return RivalRow(
        rival=one,
        usd_per_year=Shown(key=f"options.{one.rank}.opex_usd_per_year", name=one.name, value=one.usd_per_year, unit="usd"),
        p_planned=_p_planned(one),
        utilisation=_utilisation(one, capacity=capacity),
        cost=Curve(volumes=VOLUMES, values=costs),
        chance=Curve(volumes=VOLUMES[: len(one.p_own_cheaper)], values=one.p_own_cheaper),
    )


def _p_planned(one: Rival) -> float | None:
    """Return P(owning is cheaper) at the planned volume; ``None`` if the machines lack the capacity."""
    if one.break_even is not None:
        return one.break_even.p_own_cheaper
    # The volume nearest to the planned one (1) by ratio: volumes lie on a logarithmic grid.
    at = min(range(len(VOLUMES)), key=lambda index: abs(math.log(VOLUMES[index])))
    return one.p_own_cheaper[at] if at < len(one.p_own_cheaper) else None


def _utilisation(rival: Rival, *, capacity: float) -> Estimate | None:
    """Return the break-even as a utilisation of the owned machines, at most 1."""
    at = rival.break_even.at if rival.break_even else None
    # Volumes are over the planned one, so over the capacity they are a utilisation.
    return None if at is None else bounded(scaled(at, 1 / capacity, unit="fraction"), ceiling=1.0)

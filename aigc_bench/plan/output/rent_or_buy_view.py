"""Owning against each alternative as rows: the probability that it is cheaper, and the utilisation from which it is."""

from __future__ import annotations

import math

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.rent_vs_buy import VOLUMES, RentVsBuy, Rival, rent_vs_buy
from aigc_bench.plan.stats.estimates import bounded, scaled


class RivalRow(Record):
    """An alternative to owning; ``p_planned`` is P(owning is cheaper) at the planned volume, ``utilisation`` the break-even."""

    rival: Rival
    p_planned: float | None
    utilisation: Estimate | None


class RentOrBuyView(Record):
    """The cheapest purchase and its alternatives."""

    found: RentVsBuy
    own: Sentence
    rivals: tuple[RivalRow, ...]


def rent_or_buy_view(plan: Plan) -> RentOrBuyView | None:
    """Return the comparison; ``None`` if no purchase is accepted, or there is no alternative to it."""
    found = rent_vs_buy(plan)
    if found is None or not found.rivals:
        return None
    rows = tuple(
        RivalRow(rival=one, p_planned=_p_planned(one), utilisation=_utilisation(one, capacity=found.capacity))
        for one in found.rivals
    )
    return RentOrBuyView(found=found, own=describe(found.own), rivals=rows)


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

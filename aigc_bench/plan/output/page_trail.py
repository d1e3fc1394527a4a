"""The derivation of every number that a page shows: of all options, and of owning against renting."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.core.messages import message
from aigc_bench.core.trail import Trail
from aigc_bench.plan.explain.plan_trail import trail_of
from aigc_bench.plan.output.rent_or_buy_view import FIXED, RISING, RentOrBuyView
from aigc_bench.plan.output.shown_number import key_of
from aigc_bench.plan.records.plan import Option, Plan


def page_trail(plan: Plan, *, first: Sequence[Option], rent_or_buy: RentOrBuyView | None) -> Trail:
    """Return the derivations of all options: those that come ``first``, by rank, name the numbers that they share with others."""
    rivals = [one for one in plan.options if one.accepted and not one.parts]
    # Reversed: of equal keys the last one stays, which then is the one that ranks first.
    firsts = {(one.kind in ("owned", "colocated"), one.term): one for one in reversed(rivals)}
    chosen = {one.rank: one for one in (*first, *firsts.values())}
    others = [one for one in plan.options if one.rank not in chosen]
    trail = trail_of(plan, *(chosen[rank] for rank in sorted(chosen)), *others)
    if rent_or_buy is not None:
        found, at = rent_or_buy.found, key_of(rent_or_buy.found.own)
        trail.add(RISING, message("variable cost per year"), found.rising_usd_per_year, at=at)
        trail.add(FIXED, message("fixed cost of owning per year"), found.fixed_usd_per_year, at=at)
    return trail

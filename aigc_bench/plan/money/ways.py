"""The ways to have the same work done side by side: cost a year, how often each is the cheapest, what choosing it is regretted.

Every way is computed in the same drawn worlds: a high electricity price is high for owning and for a colocation alike.

    P(cheapest)  share of worlds in which no other way costs less
    regret       mean over worlds of what the way costs more than the cheapest of that world
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.draws import NUM_DRAWS, Array, draws, interval_of
from aigc_bench.plan.interval import combined
from aigc_bench.plan.money.offers import IS_ELASTIC, CloudTerm
from aigc_bench.plan.money.opex import Tariffs, Use
from aigc_bench.plan.money.ownership import Terms
from aigc_bench.plan.money.worlds import cost_worlds
from aigc_bench.plan.site.power_chain import HOURS_PER_YEAR

WayKind = Literal["owned", "colocated", "cloud", "api"]


class Purchase(Record):
    """Equipment that is bought, in a room of one's own or in a colocation."""

    name: str
    kind: Literal["owned", "colocated"]
    use: Use
    prices: Tariffs
    terms: Terms


class Rent(Record):
    """Accelerators rented by the hour; what leaves and stays in the cloud is charged on top where it is known."""

    name: str
    term: CloudTerm
    usd_per_accelerator_h: Estimate
    num_accelerators: int = Field(gt=0)
    utilisation: Estimate
    add_ons_usd_per_year: Estimate | None = None


class Call(Record):
    """Units bought of a commercial API."""

    name: str
    usd_per_unit: Estimate
    units_per_year: Estimate


class WayCost(Record):
    """What one way costs a year, and how it stands among the others. ``regret_usd_per_year`` is 0 where it always wins."""

    name: str
    kind: WayKind
    usd_per_year: Estimate
    p_cheapest: float = Field(ge=0, le=1)
    regret_usd_per_year: float = Field(ge=0)


Way = Purchase | Rent | Call


def compare_ways(ways: Sequence[Way], *, num: int = NUM_DRAWS, seed: int = 0) -> tuple[WayCost, ...]:
    """Every way in the same worlds, the cheapest median first; names must differ. Ties share the win."""
    assert len({way.name for way in ways}) == len(ways), "ways are told apart by their names"
    if not ways:
        return ()
    costs = np.stack([_usd_per_year(way, num=num, seed=seed) for way in ways])
    cheapest = costs.min(axis=0)
    wins = costs <= cheapest * (1 + 1e-12)
    found = [
        WayCost(
            name=way.name,
            kind=_kind(way),
            usd_per_year=interval_of(row, unit="usd/year", basis=combined(_inputs(way).values()), source=f"{num} drawn worlds"),
            p_cheapest=float(np.mean(won / wins.sum(axis=0))),
            regret_usd_per_year=float(np.mean(row - cheapest)),
        )
        for way, row, won in zip(ways, costs, wins, strict=True)
    ]
    return tuple(sorted(found, key=lambda cost: (cost.usd_per_year.value, cost.name)))


def _usd_per_year(way: Way, *, num: int, seed: int) -> Array:
    """The cost of a year in every world."""
    if isinstance(way, Purchase):
        return cost_worlds(way.use, prices=way.prices, terms=way.terms, num=num, seed=seed).total_usd_per_year
    if isinstance(way, Call):
        price = draws(way.usd_per_unit, name=f"{way.name}.price", num=num, seed=seed)
        return np.asarray(price * draws(way.units_per_year, name="units_per_year", num=num, seed=seed))
    rent = draws(way.usd_per_accelerator_h, name=f"{way.name}.rent", num=num, seed=seed)
    use = draws(way.utilisation, name="utilisation", num=num, seed=seed) if IS_ELASTIC[way.term] else 1.0
    hours = way.num_accelerators * HOURS_PER_YEAR * np.minimum(use, 1.0)
    extra = 0.0 if way.add_ons_usd_per_year is None else draws(way.add_ons_usd_per_year, name="add_ons", num=num, seed=seed)
    return np.asarray(rent * hours + extra)


def _kind(way: Way) -> WayKind:
    if isinstance(way, Purchase):
        return way.kind
    return "cloud" if isinstance(way, Rent) else "api"


def _inputs(way: Way) -> Mapping[str, Estimate]:
    """Every Estimate that a way rests on, those of its records too."""
    records = (way.use, way.prices, way.terms) if isinstance(way, Purchase) else (way,)
    return {
        name: value
        for record in records
        for name in type(record).model_fields
        if isinstance(value := getattr(record, name), Estimate)
    }

"""Add the numbers of what is there already, under ``owned``, and of vendors' quotes, under ``quotes``."""

from __future__ import annotations

from aigc_bench.core.derivation import Derivation, record, restated
from aigc_bench.core.messages import filled, message
from aigc_bench.core.records import Estimate
from aigc_bench.core.trail import Trail, slug
from aigc_bench.plan.records.owned import OwnedFleet
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.records.quote import QuotedPlan
from aigc_bench.plan.stats.estimates import estimate

TOTAL = message("total cost over the life")
OVER = message("a price over another, less 1")
OF_QUOTES = {
    "unit_usd": message("unit price, {name}"),
    "market_usd": message("price of the same unit in the catalogue, {name}"),
    "capex_usd": message("purchase, {name}"),
    "opex_usd_per_year": message("running cost per year with support, {name}"),
    "support_usd_per_year": message("support per year, {name}"),
    "bridge_usd": message("rent until delivery, {name}"),
    "total_usd": message("total cost over the life, {name}"),
}
OF_FLEETS = {
    "running_usd_per_year": message("electricity per year, {name}"),
    "resale_usd": message("resale today, {name}"),
    "later_usd": message("resale at the end of the life, {name}"),
    "anew_usd": message("the same share on new machines, {name}"),
}
OF_COURSES = {
    "new_usd": message("cost of new machines alone, over the life, before resale of those there"),
    "keep_usd": message("cost of what is kept and added, over the life"),
    "replace_usd": message("cost of new machines alone, over the life, less resale of those there"),
}


def quote_key(name: str) -> str:
    """Return the key of a quote, below which its numbers stand."""
    return f"quotes.{slug(name)}"


def fleet_key(number: int) -> str:
    """Return the key of the owned machines of that number, which counts from 1 in the order of the demand."""
    return f"owned.{number}"


def add_supply(trail: Trail, plan: Plan) -> None:
    """Add the numbers of owned machines and of quotes; nothing where the demand states none."""
    if plan.owned is not None:
        for number, fleet in enumerate(plan.owned.fleets, start=1):
            _add_fleet(trail, fleet, at=fleet_key(number))
        for name, title in OF_COURSES.items():
            # Each course is another fleet, whose numbers of servers and watts must not be taken for each other's.
            _add(trail, f"owned.{name}", title, getattr(plan.owned, name), at=f"owned.{name.removesuffix('_usd')}")
    for one in plan.quotes:
        _add_quote(trail, one, plan)


def _add(trail: Trail, key: str, title: str, value: Estimate | None, *, at: str) -> None:
    if value is not None:
        trail.add(key, title, value, at=at, is_shared=True)


def _add_fleet(trail: Trail, fleet: OwnedFleet, *, at: str) -> None:
    for name, title in OF_FLEETS.items():
        _add(trail, f"{at}.{name}", filled(title, name=fleet.what), getattr(fleet, name), at=at)


def _add_quote(trail: Trail, one: QuotedPlan, plan: Plan) -> None:
    name, at = one.quote.name, quote_key(one.quote.name)
    for field, title in OF_QUOTES.items():
        value = one.quote.unit_usd if field == "unit_usd" else getattr(one, field)
        _add(trail, f"{at}.{field}", filled(title, name=name), value if isinstance(value, Estimate) else None, at=at)
    for load, cost in one.usd_per_unit.items():
        title = message("cost per {unit}, {load} on {name}", unit=cost.unit.partition("/")[2], load=load, name=name)
        _add(trail, f"{at}.usd_per_unit.{load}", title, cost, at=at)
    title = message("unit price at which {name} costs as much as the plan", name=name)
    _add(trail, f"{at}.equal_price", title, one.derived.get("equal_price"), at=at)
    _add_ratios(trail, one, plan, at=at)


def _add_ratios(trail: Trail, one: QuotedPlan, plan: Plan, *, at: str) -> None:
    """Add what the quote is compared with: the market, the recommendation and the cheapest other quote."""
    best = next((other.total_usd for other in plan.quotes if other.quote.name == one.best), None)
    first = plan.recommended
    # Under the option's own key: expanded here, its servers and watts would be taken for the quote's.
    of_plan = restated(first.tco_usd, key=f"options.{first.rank}.tco_usd", title=TOTAL) if first is not None else None
    name = one.quote.name
    compared = (
        ("over_market", one.over_market, one.quote.unit_usd, one.market_usd, message("{name} over the market, less 1", name=name)),
        ("over_recommended", one.over_recommended, one.total_usd, of_plan, message("{name} over the plan, less 1", name=name)),
        ("over_best", one.over_best, one.total_usd, best, message("{name} over the best other quote, less 1", name=name)),
    )
    for key, ratio, own, other, title in compared:
        if ratio is not None and own is not None and other is not None:
            found = record(estimate(ratio, unit="fraction", basis="modelled"), Derivation("{0} / {1} - 1", (own, other), OVER))
            trail.add(f"{at}.{key}", title, found, at=at)

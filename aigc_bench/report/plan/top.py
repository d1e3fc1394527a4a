"""Render the top of a plan's report: the demand, the recommendation, and the decisive figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from markupsafe import Markup

from aigc_bench.core.units import quantity
from aigc_bench.plan.options.wording import reserve_words, what
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.header import Header, Tile
from aigc_bench.report.markup import figure
from aigc_bench.report.plan.units import round_counts
from aigc_bench.report.plan.view import PlanView

KIND_WORDS = {"owned": "bought", "colocated": "bought and colocated", "cloud": "rented", "api": "by API"}


def plan_header(view: PlanView) -> Header:
    """Return the header above the sections."""
    plan, best = view.plan, view.best
    kinds = Counter(one.kind for one in plan.options if one.accepted)
    accepted = sum(kinds.values())
    chips: list[tuple[str, str | None]] = [(f"{accepted} of {len(plan.options)} options accepted", "ok" if accepted else "bad")]
    chips += [(f"{count} {KIND_WORDS[kind]}", None) for kind, count in kinds.items()]
    chips += [(f"{figure(plan.num_candidates)} candidates evaluated", None)] if plan.num_candidates else []
    if best is None:
        return Header(overline="Purchase plan", title=plan.demand.name, subtitle="No plan is possible", chips=chips, tiles=())
    words = what(best)
    subtitle = f"{words[:1].upper()}{words[1:]}" if best.accepted else "No option meets every requirement"
    return Header(
        overline="Purchase plan · prices as dated in the catalogue · only numbers marked ● are measured",
        title=plan.demand.name,
        subtitle=subtitle,
        chips=chips,
        tiles=tuple(_tiles(view, best)),
    )


def _tiles(view: PlanView, best: Option) -> Iterator[Tile]:
    at, shown, years = view.at(best), view.figures, figure(view.plan.demand.finance.life_years)
    sure = view.plan.demand.constraints.confidence
    if best.num_servers and not best.num_accelerators:
        yield Tile(
            title="Servers",
            value=shown(f"{at}.num_servers", unit="count"),
            note=_standing(best, confidence=sure).partition(", ")[2],
        )
    if best.num_accelerators:
        yield Tile(title="Accelerators", value=shown(f"{at}.num_accelerators", unit="count"), note=_standing(best, confidence=sure))
    yield Tile(title=f"Total cost over {years} years", value=shown(f"{at}.tco_usd"), note=shown.range(f"{at}.tco_usd"))
    yield Tile(title="Upfront", value=shown(f"{at}.capex_usd"), note=shown.range(f"{at}.capex_usd") or KIND_WORDS[best.kind])
    yield Tile(title="Per year", value=shown(f"{at}.opex_usd_per_year", unit="usd"), note=shown.range(f"{at}.opex_usd_per_year"))
    for name in list(best.usd_per_unit)[:1]:
        count, words = round_counts(best.usd_per_unit)[name]
        key = f"{at}.usd_per_unit.{name}"
        yield Tile(
            title=f"Per {words}",
            value=shown(key, times=count, unit="usd"),
            note=f"{name}, {shown.range(key, times=count, unit='usd')}",
        )
    if best.bottleneck:
        yield Tile(title="Bottleneck", value=Markup("{}").format(best.bottleneck), note=_left(best))
    for name, title, note in (("p_slo", "P(SLO)", "every SLO and deadline met, "), ("p_budget", "P(within budget)", "")):
        if f"{at}.{name}" in shown.trail:
            yield Tile(title=title, value=shown.chance(f"{at}.{name}"), note=f"{note}over Monte Carlo scenarios")
    if best.carbon_kg is not None:
        key = f"{at}.carbon_kg"
        note = shown.range(key, times=0.001, unit="t CO₂e")
        yield Tile(title="Greenhouse gases", value=shown(key, times=0.001, unit="t CO₂e"), note=f"{note} over {years} years")


def _standing(best: Option, *, confidence: float) -> str:
    """Return the servers, of these the spares and the safety margin, and the racks in words."""
    words = [f"{best.num_servers} server{'s' if best.num_servers != 1 else ''}"]
    words += [f"{best.num_racks} rack{'s' if best.num_racks != 1 else ''}"] if best.num_racks else []
    words += reserve_words(best, confidence=confidence)
    return ", ".join(words)


def _left(best: Option) -> str:
    """Return the head-room of the bottleneck, and the next bottleneck."""
    names = [name for name in (best.bottleneck, best.next_bottleneck) if name]
    rooms = [quantity(best.factors[name].headroom, "fraction") for name in names]
    after = f"next: {names[1]}, {rooms[1]}" if len(names) > 1 else "no other head-room is known"
    return f"{rooms[0]} head-room; {after}"

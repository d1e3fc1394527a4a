"""The top of a plan's report: what is asked, what to do about it, and the figures that decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from markupsafe import Markup

from aigc_bench.core.units import quantity
from aigc_bench.plan.options.wording import what
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.header import Header, Tile
from aigc_bench.report.markup import figure
from aigc_bench.report.plan.units import round_counts
from aigc_bench.report.plan.view import PlanView

KIND_WORDS = {"owned": "bought", "colocated": "bought, in a colocation", "cloud": "rented", "api": "called as an API"}


def plan_header(view: PlanView) -> Header:
    """What stands above the sections."""
    plan, best = view.plan, view.best
    kinds = Counter(one.kind for one in plan.options if one.accepted)
    accepted = sum(kinds.values())
    chips: list[tuple[str, str | None]] = [(f"{accepted} of {len(plan.options)} options accepted", "ok" if accepted else "bad")]
    chips += [(f"{count} {KIND_WORDS[kind]}", None) for kind, count in kinds.items()]
    chips += [(f"{figure(plan.num_candidates)} candidates looked at", None)] if plan.num_candidates else []
    if best is None:
        return Header(overline="Purchase plan", title=plan.demand.name, subtitle="Nothing can be planned", chips=chips, tiles=())
    words = what(best)
    subtitle = f"{words[:1].upper()}{words[1:]}" if best.accepted else "No option meets every requirement"
    return Header(
        overline="Purchase plan · prices as dated in the catalogue · nothing here was measured unless marked so",
        title=plan.demand.name,
        subtitle=subtitle,
        chips=chips,
        tiles=tuple(_tiles(view, best)),
    )


def _tiles(view: PlanView, best: Option) -> Iterator[Tile]:
    at, shown, years = view.at(best), view.figures, figure(view.plan.demand.finance.life_years)
    if best.num_servers and not best.num_accelerators:
        yield Tile(title="Servers", value=shown(f"{at}.num_servers", unit="count"), note=_standing(best).partition(", ")[2])
    if best.num_accelerators:
        yield Tile(title="Accelerators", value=shown(f"{at}.num_accelerators", unit="count"), note=_standing(best))
    yield Tile(title=f"Total over {years} years", value=shown(f"{at}.tco_usd"), note=shown.range(f"{at}.tco_usd"))
    yield Tile(title="At once", value=shown(f"{at}.capex_usd"), note=shown.range(f"{at}.capex_usd") or KIND_WORDS[best.kind])
    yield Tile(title="A year", value=shown(f"{at}.opex_usd_per_year", unit="usd"), note=shown.range(f"{at}.opex_usd_per_year"))
    for name in list(best.usd_per_unit)[:1]:
        count, words = round_counts(best.usd_per_unit)[name]
        key = f"{at}.usd_per_unit.{name}"
        yield Tile(
            title=f"Per {words}",
            value=shown(key, times=count, unit="usd"),
            note=f"{name}, {shown.range(key, times=count, unit='usd')}",
        )
    if best.bottleneck:
        yield Tile(title="Binds first", value=Markup("{}").format(best.bottleneck), note=_left(best))
    for name, title in (("p_slo", "Does what is asked"), ("p_budget", "Within the budget")):
        if f"{at}.{name}" in shown.trail:
            note = {"p_slo": "every SLO and deadline, ", "p_budget": ""}[name] + "in drawn worlds"
            yield Tile(title=title, value=shown.chance(f"{at}.{name}"), note=note)
    if best.carbon_kg is not None:
        key = f"{at}.carbon_kg"
        note = shown.range(key, times=0.001, unit="t CO₂e")
        yield Tile(title="Greenhouse gases", value=shown(key, times=0.001, unit="t CO₂e"), note=f"{note} over {years} years")


def _standing(best: Option) -> str:
    """In how many servers, of them spare, in how many racks."""
    words = [f"{best.num_servers} server{'s' if best.num_servers != 1 else ''}"]
    words += [f"{best.num_spares} spare"] if best.num_spares else []
    words += [f"{best.num_margin} for what is not known"] if best.num_margin else []
    words += [f"{best.num_racks} rack{'s' if best.num_racks != 1 else ''}"] if best.num_racks else []
    return ", ".join(words)


def _left(best: Option) -> str:
    """The head-room of what binds first, and of what binds then."""
    names = [name for name in (best.bottleneck, best.next_bottleneck) if name]
    rooms = [quantity(best.factors[name].headroom, "fraction") for name in names]
    after = f"then {names[1]}, {rooms[1]}" if len(names) > 1 else "nothing else is known"
    return f"{rooms[0]} left; {after}"

"""Render the top of a plan's report: the demand, the recommendation, and the decisive figures."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from aigc_bench.core.messages import capitalized, joined, message, plural
from aigc_bench.core.units import figure, quantity
from aigc_bench.plan.output.recommendation_view import RecommendationView
from aigc_bench.report.header import Header, Tile
from aigc_bench.report.plan.view import PlanPage

KIND_WORDS = {
    "owned": message("bought"),
    "colocated": message("bought and colocated"),
    "cloud": message("rented"),
    "api": message("by API"),
}


def plan_header(page: PlanPage) -> Header:
    """Return the header above the sections."""
    plan, best = page.view.plan, page.view.recommendation
    kinds = page.view.options.num_by_kind
    accepted = sum(count for _, count in kinds)
    chips: list[tuple[str, str | None]] = [
        (
            message("{accepted} of {num_options} options accepted", accepted=accepted, num_options=len(plan.options)),
            "ok" if accepted else "bad",
        )
    ]
    chips += [(message("{count} {kind}", count=count, kind=KIND_WORDS[kind]), None) for kind, count in kinds]
    chips += (
        [(message("{num_candidates} candidates evaluated", num_candidates=figure(plan.num_candidates)), None)]
        if plan.num_candidates
        else []
    )
    if best is None:
        return Header(
            overline=message("Purchase plan"),
            title=plan.demand.name,
            subtitle=message("No plan is possible"),
            chips=chips,
            tiles=(),
        )
    subtitle = capitalized(best.what) if best.is_recommended else message("No plan is confirmed")
    return Header(
        overline=message("Purchase plan · prices as dated in the catalogue · only numbers marked ● are measured"),
        title=plan.demand.name,
        subtitle=subtitle,
        chips=chips,
        tiles=tuple(_tiles(page, best)),
    )


def _tiles(page: PlanPage, best: RecommendationView) -> Iterator[Tile]:
    view, shown, option = page.view, page.figures, best.option
    years, money = figure(view.plan.demand.finance.life_years), view.totals
    if option.num_servers and not option.num_accelerators:
        # The note without its first part, "N servers", which is the tile's value.
        yield Tile(title=message("Servers"), value=shown.show(best.servers), note=_standing(best).partition(", ")[2])
    if option.num_accelerators:
        yield Tile(title=message("Accelerators"), value=shown.show(best.accelerators), note=_standing(best))
    assert money is not None, "an option has a cost"
    yield Tile(
        title=message("Total cost over {years} years", years=years), value=shown.show(money.total), note=shown.ends(money.total)
    )
    if money.expected.value is not None:
        yield Tile(title=message("Expected cost"), value=shown.show(money.expected), note=_ranked_by(page))
    yield Tile(title=message("Upfront"), value=shown.show(money.upfront), note=shown.ends(money.upfront) or KIND_WORDS[option.kind])
    yield Tile(title=message("Per year"), value=shown.show(money.per_year), note=shown.ends(money.per_year))
    for one in view.unit_costs[:1]:
        yield Tile(
            title=message("Per {unit}", unit=one.per),
            value=shown.show(one.cost),
            note=joined(", ", (one.name, shown.ends(one.cost))),
        )
    if best.bottlenecks:
        yield Tile(title=message("Bottleneck"), value=Markup("{}").format(best.bottlenecks[0].name), note=_left(best))
    known = best.probabilities
    for chance, title, note in (
        (known.slo, "P(SLO)", message("every SLO and deadline met, ")),
        (known.budget, message("P(within budget)"), ""),
    ):
        if chance.share is not None:
            yield Tile(title=title, value=shown.share(chance), note=message("{note}over Monte Carlo scenarios", note=note))
    if option.carbon_kg is not None:
        note = message("{ends} over {years} years", ends=shown.ends(money.carbon), years=years)
        yield Tile(title=message("Greenhouse gases"), value=shown.show(money.carbon), note=note)


def _ranked_by(page: PlanPage) -> str:
    """Return how the expected cost was computed, and by what options are ranked where that is another measure."""
    limits = page.view.plan.demand.constraints
    mean = message("mean over Monte Carlo scenarios") if limits.confidence > 0 else message("at central values")
    if limits.risk == "expected":
        return message("{mean}; options are ranked by it", mean=mean)
    return message("{mean}; options are ranked by {measure}", mean=mean, measure=page.view.options.measure)


def _standing(best: RecommendationView) -> str:
    """Return the servers, of these the spares and the safety margin, and the racks in words."""
    servers, racks = best.option.num_servers, best.option.num_racks
    words = [plural("{count} server", "{count} servers", count=servers)]
    words += [plural("{count} rack", "{count} racks", count=racks)] if racks else []
    return joined(", ", [*words, *best.reserve])


def _left(best: RecommendationView) -> str:
    """Return the head-room of the bottleneck, and the next bottleneck."""
    rooms = [quantity(one.headroom, "fraction") for one in best.bottlenecks]
    after = (
        message("next: {name}, {headroom}", name=best.bottlenecks[1].name, headroom=rooms[1])
        if len(rooms) > 1
        else message("no other head-room is known")
    )
    return message("{headroom} head-room; {after}", headroom=rooms[0], after=after)

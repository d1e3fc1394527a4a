"""Render the recommendation: what to do, why, the loads it serves, the bottleneck; without one, what rules options out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.units import probability_text, quantity
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.output.recommendation_view import Bottleneck, LoadRow, RecommendationView
from aigc_bench.report.markup import template
from aigc_bench.report.plan.basis import in_a_line
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-recommendation"
TITLE = message("Recommendation")


def render(page: PlanPage) -> str | None:
    """Return what to buy or rent; if nothing is accepted, the factors that rule options out."""
    view, best = page.view, page.view.recommendation
    values = {
        "best": best,
        "figures": page.figures,
        "bound": bound(best.bottlenecks) if best else "",
        "settings": [(load, setting_words(load)) for load in best.loads] if best else [],
        "costs": {one.name: one for one in view.unit_costs},
        "obstacles": view.obstacles if best and not best.is_recommended else None,
        "why_none": view.obstacles.why,
        "risk": list(confidence_words(view, best)) if best and best.is_recommended else [],
    }
    return template("plan_recommendation.html.j2", values)


def confidence_words(view: PlanView, best: RecommendationView) -> Iterator[str]:
    """Yield the interval of the total cost, its basis, whether the simulation agrees, and the known probabilities."""
    cost = best.option.tco_usd
    if cost.low < cost.high:
        yield message("total cost {low} to {high} (P10 to P90)", low=quantity(cost.low, "usd"), high=quantity(cost.high, "usd"))
    basis = in_a_line(view.basis)
    if basis:
        yield basis
    if view.check is not None:
        yield (
            message("the simulation of the peak confirms the plan")
            if view.check.is_met
            else message("the simulation of the peak does not confirm the plan")
        )
    yield from view.money_notes
    for one in (best.probabilities.slo, best.probabilities.budget):
        if one.share is not None:
            yield f"{one.name} {probability_text(one.share)}"


def bound(bottlenecks: Sequence[Bottleneck]) -> str:
    """Return the bottleneck and the next one, with their head-room."""
    words = [
        message("{name} ({headroom} head-room)", name=one.name, headroom=quantity(one.headroom, "fraction")) for one in bottlenecks
    ]
    if len(words) > 1:
        return message("Bottleneck: {first}; next bottleneck: {second}", first=words[0], second=words[1])
    return message("Bottleneck: {first}", first=words[0]) if words else ""


def setting_words(load: LoadRow) -> str:
    """Return how a load runs: model, engine, precision, accelerators per replica, batch."""
    one = load.setting
    if one is None:
        return ""
    words = [f"{one.workload} {one.preset}", one.engine or "", one.precision or ""]
    words += [
        plural("{count} accelerator per replica", "{count} accelerators per replica", count=one.num_per_replica),
        message("batch {batch_size}", batch_size=one.batch_size),
    ]
    words += [message("power limit {power_cap}", power_cap=quantity(one.power_cap, "fraction"))] if one.power_cap < 1 else []
    return joined(" · ", (word for word in (*words, *one.options) if word))

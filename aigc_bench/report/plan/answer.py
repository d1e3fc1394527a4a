"""Render the recommendation: what to do, why, the loads it serves, the bottleneck; without one, what rules options out."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.units import chance, quantity
from aigc_bench.plan.options.refusals import forbidding, in_the_way
from aigc_bench.plan.options.wording import what, why
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.markup import template
from aigc_bench.report.plan.rests_on import in_a_line
from aigc_bench.report.plan.units import round_counts
from aigc_bench.report.plan.view import PlanView

NAME = "plan-answer"
TITLE = "Recommendation"


def render(view: PlanView) -> str | None:
    """Return what to buy or rent; if nothing is accepted, the factors that rule options out."""
    best = view.best
    values = {
        "plan": view.plan,
        "best": best,
        "at": view.at(best) if best else "",
        "figures": view.figures,
        "what": what(best) if best else "",
        "why": why(view.plan) if view.plan.recommended else "",
        "bound": bound(best) if best else "",
        "settings": settings(best) if best else [],
        "rounds": round_counts(best.usd_per_unit) if best else {},
        "services": [one.name for one in view.plan.demand.services],
        "obstacle": in_the_way(view.plan) if best and not best.accepted else None,
        "forbidding": forbidding(view.plan) if best and not best.accepted else (),
        "describe": what,
        "risk": list(confidence_words(view, best)) if best and best.accepted else [],
    }
    return template("plan_answer.html.j2", values)


def confidence_words(view: PlanView, best: Option) -> Iterator[str]:
    """Yield the interval of the total cost, its basis, whether the simulation agrees, and the known probabilities."""
    cost = best.tco_usd
    if cost.low < cost.high:
        yield f"total cost {quantity(cost.low, 'usd')} to {quantity(cost.high, 'usd')} (P10 to P90)"
    basis = in_a_line(view.plan)
    if basis:
        yield basis
    if best.replay is not None:
        yield f"the simulation of the peak {'confirms' if best.replay.is_met else 'does not confirm'} the plan"
    for share, words in ((best.p_slo, "P(every SLO and deadline met)"), (best.p_budget, "P(within budget)")):
        if share is not None:
            yield f"{words} {chance(share)}"


def bound(option: Option) -> str:
    """Return the bottleneck and the next one, with their head-room."""
    names = [name for name in (option.bottleneck, option.next_bottleneck) if name]
    words = [f"{name} ({quantity(option.factors[name].headroom, 'fraction')} head-room)" for name in names]
    return "" if not words else f"Bottleneck: {words[0]}" + (f"; next bottleneck: {words[1]}" if len(words) > 1 else "")


def settings(option: Option) -> list[tuple[str, str, str]]:
    """Return name, item and setting of each load: engine, precision, accelerators per replica, batch."""
    found = []
    machines = [option.machine] if option.machine else [part.machine for part in option.parts if part.machine]
    for load in option.loads:
        capability = next((one for machine in machines for one in machine.capabilities if one.case == load.case), None)
        words = []
        if capability is not None:
            words = [f"{capability.workload} {capability.preset}", capability.engine or "", capability.precision or ""]
            words += [
                f"{capability.machines_per_replica} accelerator{'s' if capability.machines_per_replica > 1 else ''} per replica"
            ]
            words += [f"batch {capability.batch_size}"]
            words += [f"power limit {quantity(capability.power_cap, 'fraction')}"] if capability.power_cap < 1 else []
        found.append((load.name, load.item, " · ".join(word for word in words if word)))
    return found

"""The recommendation in one glance: what to do, why, what it carries, what binds next; without one, what forbids it."""

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
    """What to buy or rent; where nothing is accepted, the reasons of the best refused option."""
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
        "way": in_the_way(view.plan) if best and not best.accepted else None,
        "forbidding": forbidding(view.plan) if best and not best.accepted else (),
        "what_of": what,
        "sure": list(confidence_words(view, best)) if best and best.accepted else [],
    }
    return template("plan_answer.html.j2", values)


def confidence_words(view: PlanView, best: Option) -> Iterator[str]:
    """How wide the total is, what it rests on, whether a simulation agrees, and the probabilities that are known."""
    cost = best.tco_usd
    if cost.low < cost.high:
        yield f"the total lies between {quantity(cost.low, 'usd')} and {quantity(cost.high, 'usd')}"
    basis = in_a_line(view.plan)
    if basis:
        yield basis
    if best.replay is not None:
        yield f"a simulation of the peak {'agrees' if best.replay.is_met else 'does not agree'}"
    for share, words in ((best.p_slo, "every SLO and deadline is kept"), (best.p_budget, "it stays within the budget")):
        if share is not None:
            yield f"{words} with a probability of {chance(share)}"


def bound(option: Option) -> str:
    """What binds, and what binds once that is relieved, with the share that is left."""
    names = [name for name in (option.bottleneck, option.next_bottleneck) if name]
    told = [f"{name} ({quantity(option.factors[name].headroom, 'fraction')} left)" for name in names]
    return "" if not told else f"{told[0]} binds first" + (f", then {told[1]}" if len(told) > 1 else "")


def settings(option: Option) -> list[tuple[str, str, str]]:
    """Each load, its key among the loads, and how it runs: engine, format, accelerators a replica, batch."""
    found = []
    machines = [option.machine] if option.machine else [part.machine for part in option.parts if part.machine]
    for load in option.loads:
        capability = next((one for machine in machines for one in machine.capabilities if one.case == load.case), None)
        words = []
        if capability is not None:
            words = [f"{capability.workload} {capability.preset}", capability.engine or "", capability.precision or ""]
            words += [
                f"{capability.machines_per_replica} accelerator{'s' if capability.machines_per_replica > 1 else ''} a replica"
            ]
            words += [f"batch {capability.batch_size}"]
            words += [f"power limit {quantity(capability.power_cap, 'fraction')}"] if capability.power_cap < 1 else []
        found.append((load.name, load.item, " · ".join(word for word in words if word)))
    return found

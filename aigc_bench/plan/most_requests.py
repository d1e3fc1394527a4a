"""Find the most that a budget, a power feed or a number of racks carries: the largest multiple of the demand that is accepted.

    scale       every service's rate (without services every job's items) x one factor; the mix, the SLOs and the jobs stay
    guess       least over the limits of limit / use at the stated demand, by option, over the share of its machines that is busy
    search      from the guess of the best few kinds outwards until one scale is accepted and a larger one is not, then halved
                in the logarithm down to ``FINE``

Kinds of procurement that no limit bounds are left out: a purchase budget limits no rent, and the power of the own site none either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from aigc_bench.core.messages import joined, message
from aigc_bench.core.units import digits, quantity
from aigc_bench.plan.owned_machines import Planner, scaled_demand
from aigc_bench.plan.records.demand import Demand, OptionKind
from aigc_bench.plan.records.plan import MostRequests, Option, Plan

FINE = 1.03
"""Ratio of the smallest refused scale to the largest accepted one at which the search ends."""
NUM_KINDS = 4
"""Kinds of accelerators with the largest guesses, among which the scale is searched."""
NUM_SHOWN = 10
"""Kinds that are planned at the scale that was found, as alternatives."""
MOST_STEPS = 12
SMALLEST, LARGEST = 1e-4, 1e6
UNBOUNDED: Mapping[OptionKind, tuple[str, str]] = {
    "owned": (message("buying for the own site"), "constraints.budget_usd"),
    "colocated": (message("buying for a colocation"), "constraints.budget_usd"),
    "cloud": (message("renting"), "constraints.budget_usd_per_year"),
    "api": (message("calling an API"), "constraints.budget_usd_per_year"),
}
"""What each kind is called, and the key that would bound it."""
BACK = 0.95
"""Step back where the simulation does not confirm what the formulae accept."""
NUM_BACK = 4


def most_requests(demand: Demand, *, planner: Planner) -> Plan:
    """Return the plan of the largest multiple of a demand within its limits, with that multiple."""
    left_out = _unbounded(demand)
    without = tuple(dict.fromkeys((*demand.constraints.without, *left_out)))
    bounded = demand.model_copy(update={"constraints": demand.constraints.model_copy(update={"without": without})})
    coarse = bounded.model_copy(update={"constraints": bounded.constraints.model_copy(update={"confidence": 0.0})})
    guesses = _guesses(planner(coarse, is_brief=True), bounded)
    if not guesses:
        return planner(bounded)
    best = list(dict.fromkeys(name for _, name in guesses))
    low, high, refused = _bracket(
        bounded, guesses[0][0], planner=lambda one: planner(one, accelerators=best[:NUM_KINDS], is_brief=True)
    )
    plan = planner(_times(bounded, low), accelerators=best[:NUM_SHOWN])
    for _ in range(NUM_BACK):
        if plan.recommended is not None:
            break
        high, low = low, low * BACK
        plan = planner(_times(bounded, low), accelerators=best[:NUM_SHOWN])
    return plan.model_copy(update={"most": _found(demand, plan, low, high, refused=refused, left_out=left_out)})


def _unbounded(demand: Demand) -> tuple[OptionKind, ...]:
    """Return the kinds of procurement whose number no limit of the demand bounds."""
    limits, site, colocation = demand.constraints, demand.site, demand.colocation
    if limits.budget_usd_per_year is not None:
        return ()
    found: list[OptionKind] = ["cloud", "api"]
    if limits.budget_usd is None and colocation.amount("power_w") is None and colocation.num_racks is None:
        found.append("colocated")
    if limits.budget_usd is None and site.amount("power_w") is None and site.num_racks is None:
        found.append("owned")
    return tuple(found)


def _times(demand: Demand, scale: float) -> Demand:
    names = [one.name for one in demand.services] or [one.name for one in demand.jobs]
    return scaled_demand(demand, dict.fromkeys(names, scale))


def _guesses(plan: Plan, demand: Demand) -> list[tuple[float, str]]:
    """Return the scale that each option's limits allow, the largest first, with its accelerator."""
    found = []
    for option in plan.options:
        if option.accelerator is None or option.parts or option.num_servers == 0 or not _is_only_large(option):
            continue
        busy = option.num_machines.value / max(1, option.num_accelerators)
        ratios = [limit / use for limit, use in _uses(option, demand) if use > 0]
        if ratios:
            found.append((min(ratios) / max(busy, 1e-3), option.accelerator))
    return sorted(found, reverse=True)


def _is_only_large(option: Option) -> bool:
    """Return whether an option is accepted, or refused for its size alone: money, power, racks."""
    return option.accepted or all(
        reason.startswith(("money:", "power:", "space:", "cooling:")) or " is unknown: " in reason for reason in option.reasons
    )


def _uses(option: Option, demand: Demand) -> list[tuple[float, float]]:
    """Return each limit with what the option takes of it."""
    limits, site = demand.constraints, demand.site
    yearly = sum(line.usd_per_year.value for line in option.costs)
    found = [(limits.budget_usd, option.capex_usd.value), (limits.budget_usd_per_year, yearly)]
    if option.kind == "owned" and option.machine is not None:
        power = site.amount("power_w")
        found.append((power.value if power else None, option.num_servers * option.machine.peak_power_w.value))
        found.append((site.num_racks, float(option.num_racks or 0)))
    return [(float(limit), use) for limit, use in found if limit is not None]


def _bracket(demand: Demand, guess: float, *, planner: Callable[[Demand], Plan]) -> tuple[float, float, Plan | None]:
    """Return an accepted scale and a refused one above it, at most ``FINE`` apart, and the plan that was refused."""
    low, high, refused, step = 0.0, math.inf, None, 1.6
    scale = min(LARGEST, max(SMALLEST, guess))
    for _ in range(MOST_STEPS):
        plan = planner(_times(demand, scale))
        if any(one.accepted and not one.misses_confidence for one in plan.options):
            low = scale
        else:
            high, refused = scale, plan
        if low > 0 and high / low <= FINE:
            break
        if low == 0:
            scale, step = high / step, step * step
        elif high == math.inf:
            scale, step = low * step, step * step
        else:
            scale = math.sqrt(low * high)
    return (low or SMALLEST), (high if high < math.inf else low * FINE), refused


def _found(
    demand: Demand, plan: Plan, scale: float, beyond: float, *, refused: Plan | None, left_out: Sequence[OptionKind]
) -> MostRequests:
    peaks = {one.name: one.arrival.peak_requests_per_s.value for one in plan.demand.services}
    users = {one.name: one.arrival.parts["users"].value * scale for one in demand.services if "users" in one.arrival.parts}
    limits = tuple(_limits(demand))
    carried = [
        message("{name} {peak} requests/s at the peak", name=name, peak=digits(peak))
        + (message(" ({users} users)", users=digits(users[name])) if name in users else "")
        for name, peak in peaks.items()
    ]
    verdict = message(
        "Within {limits}, the most is {scale} times the stated demand: {carried}.",
        limits=joined(" and ", limits),
        scale=digits(scale),
        carried=joined(", ", carried),
    )
    if plan.recommended is None:
        verdict = message("No multiple of the demand is carried within {limits}.", limits=joined(" and ", limits))
    return MostRequests(
        scale=scale,
        next_scale=beyond,
        peak_requests_per_s=peaks,
        users=users,
        limits=limits,
        binding=_binding(refused, plan.recommended),
        left_out=tuple(
            message("{what} is left out: no limit bounds it; {key} would", what=UNBOUNDED[kind][0], key=UNBOUNDED[kind][1])
            for kind in left_out
        ),
        verdict=verdict,
    )


def _limits(demand: Demand) -> list[str]:
    limits, site = demand.constraints, demand.site
    found = []
    if limits.budget_usd is not None:
        found.append(message("a purchase of {budget}", budget=quantity(limits.budget_usd, "usd")))
    if limits.budget_usd_per_year is not None:
        found.append(message("{budget} a year", budget=quantity(limits.budget_usd_per_year, "usd")))
    power = site.amount("power_w")
    if power is not None:
        found.append(message("{power} of IT", power=quantity(power.value, "W")))
    if site.num_racks is not None:
        found.append(message("{racks} racks", racks=site.num_racks) if site.num_racks != 1 else message("one rack"))
    return found


def _binding(refused: Plan | None, best: Option | None) -> tuple[str, ...]:
    """Return why the same kind of machines is refused at the next larger scale, else what refuses the first option there."""
    if refused is None or not refused.options:
        return ()
    alike = [
        one
        for one in refused.options
        if best is not None and (one.kind, one.accelerator, one.server) == (best.kind, best.accelerator, best.server)
    ]
    first = (alike or list(refused.options))[0]
    if first.accepted:
        confidence = 100 * refused.demand.constraints.confidence
        return (
            message("no number of them within the limits keeps the SLOs with {confidence:g} % confidence", confidence=confidence),
        )
    return first.reasons[:2]

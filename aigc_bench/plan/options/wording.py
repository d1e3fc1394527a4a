"""Describe options, the choice among them, and the factors that rule options out."""

from __future__ import annotations

from aigc_bench.core import registry
from aigc_bench.core.messages import capitalized, joined, message, plural
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.money.offers import AN_INDEX, IS_ELASTIC
from aigc_bench.plan.options.measure import NAMES, compared_cost, is_refused, measure_of, misses
from aigc_bench.plan.records.demand import RiskMeasure
from aigc_bench.plan.records.plan import Option, Plan, Rent

ELASTIC = frozenset(term for term, is_elastic in IS_ELASTIC.items() if is_elastic)
"""Terms that are paid by the hour in use."""

CLOSE = 1.25
"""Highest cost of a tied option over the lowest cost, however wide the interval: most of it is common to both (assumed)."""


def describe(option: Option) -> str:
    """Return an option in a line: ``buy 2 x dgx_h200 (16 x h200_sxm_141gb)``, ``rent 8 x l4 at ...``; of a mixed one every part."""
    if option.kind == "api":
        return (
            message("call a commercial API ({provider})", provider=option.provider)
            if option.provider
            else message("call a commercial API")
        )
    if option.parts:
        return joined(message(" and "), [describe(part) for part in option.parts])
    if option.kind == "cloud":
        return _rented(option)
    verbs = {"owned": message("buy"), "colocated": message("buy and colocate")}
    verb = message("keep") if option.term == "kept" else verbs[option.kind]
    name = option.server or option.accelerator
    # An assumed host is named by its content (``8x_l40s``), which would be said twice.
    each = option.num_accelerators // option.num_servers if option.num_servers else 0
    if name == f"{each}x_{option.accelerator}":
        hosts = (
            message("a host") if option.num_servers == 1 else message("{num_servers} hosts, each", num_servers=option.num_servers)
        )
        return message(
            "{verb} {hosts} with {each} x {accelerator}", verb=verb, hosts=hosts, each=each, accelerator=option.accelerator
        )
    held = f" ({option.num_accelerators} x {option.accelerator})" if option.accelerator else ""
    return message("{verb} {count} x {name}{held}", verb=verb, count=option.num_servers, name=name, held=held)


def _rented(option: Option) -> str:
    name, term = option.server or option.accelerator, option.term.replace("_", " ")
    if name is not None and name.startswith(AN_INDEX):
        return message(
            "rent {count} x {accelerator} at {name} ({term})",
            count=option.num_accelerators,
            accelerator=option.accelerator,
            name=name,
            term=term,
        )
    return message(
        "rent {num_servers} x {name} ({count} x {accelerator}, {term})",
        num_servers=option.num_servers,
        name=name,
        count=option.num_accelerators,
        accelerator=option.accelerator,
        term=term,
    )


def rent_words(option: Option) -> list[str]:
    """Return for each kind of rented instance what is reserved, what is paid in the mean, at which price and from whom."""
    return [_rent_words(rent) for rent in (() if option.rent is None else option.rent.lines or (option.rent,))]


def _rent_words(rent: Rent) -> str:
    each, size = rent.usd_per_accelerator_hour.value, rent.accelerators_per_instance.value
    most = plural("{count:,} instance", "{count:,} instances", count=rent.instances_at_most)
    of = "" if size == 1 else message(" of {size:g} accelerators", size=size)
    price, provider = quantity(each, "usd/accelerator-h"), rent.provider or message("a provider")
    region = f" ({rent.region})" if rent.region else ""
    if rent.term not in ELASTIC:
        return message(
            "reserve {most}{of}, pay for all of them at all hours at {price} from {provider}{region}",
            most=most,
            of=of,
            price=price,
            provider=provider,
            region=region,
        )
    return message(
        "reserve up to {most}{of}, pay for {mean} in the mean at {price} from {provider}{region}",
        most=most,
        of=of,
        mean=f"{rent.instances_mean.value:.3g}",
        price=price,
        provider=provider,
        region=region,
    )


def reserve_words(option: Option, *, confidence: float) -> list[str]:
    """Return how many of the servers are spares and how many safety margin: ``3 spares``, ``23 safety margin (P80)``."""
    words = [plural("{count} spare", "{count} spares", count=option.num_spares)] if option.num_spares else []
    margin = (
        [message("{num_margin} safety margin (P{confidence:g})", num_margin=option.num_margin, confidence=100 * confidence)]
        if option.num_margin
        else []
    )
    return [*words, *margin]


def statistically_tied(plan: Plan) -> tuple[Option, ...]:
    """Return the options that are statistically tied with the recommended one, by rank.

    They are accepted, no worse in confidence, and within both the upper end of its interval and ``CLOSE`` times its cost.
    """
    best, risk = plan.recommended, plan.demand.constraints.risk
    if best is None:
        return ()
    return tuple(one for one in plan.options if _rivals(one, best) and _is_close(one, best, risk))


def _rivals(one: Option, best: Option) -> bool:
    """Return whether an option is an alternative: accepted, and no worse in confidence."""
    # False <= True: where the best misses the confidence, others may miss it, too.
    return one.accepted and one is not best and is_refused(one) <= is_refused(best)


def _is_close(option: Option, best: Option, risk: RiskMeasure) -> bool:
    cost = compared_cost(best, risk)
    # A P90 is its own upper end, so the band alone decides.
    high = cost * CLOSE if risk == "p90" else best.tco_usd.high
    return compared_cost(option, risk) <= min(high, CLOSE * cost)


def times_of(option: Option, best: Option, risk: RiskMeasure) -> float:
    """Return an option's cost over that of another."""
    # An empty demand costs nothing.
    return compared_cost(option, risk) / max(compared_cost(best, risk), 1e-9)


def tie(plan: Plan) -> str | None:
    """Return the options that are statistically tied with the recommended one as a sentence; ``None`` if there are none."""
    best, near = plan.recommended, statistically_tied(plan)
    if best is None or not near:
        return None
    times = times_of(near[0], best, plan.demand.constraints.risk)
    more = plural("; {count} more option is tied", "; {count} more options are tied", count=len(near) - 1) if len(near) > 1 else ""
    return message("statistically tied: {what} at {times:.2f} times the cost{more}", what=describe(near[0]), times=times, more=more)


def why(plan: Plan) -> str:
    """Return why the option is recommended, compared with the next accepted one of another kind or accelerator."""
    best, risk = plan.recommended, plan.demand.constraints.risk
    assert best is not None, "only a plan with a recommendation has a reason for it"
    mine = (best.kind, best.accelerator)
    # The same accelerator on other terms is not much of an alternative.
    later = [one for one in plan.options if _rivals(one, best) and (one.kind, one.accelerator) != mine]
    if not later:
        return (
            message("the only accepted option that meets the required confidence")
            if any(is_refused(one) for one in plan.options)
            else message("the only accepted option")
        )
    close = message(", statistically tied") if _is_close(later[0], best, risk) else ""
    is_mixed = any(one.accepted and is_refused(one) for one in plan.options)
    those = message("options that meet the required confidence") if is_mixed else message("accepted options")
    return message(
        "lowest {measure} of all {those}; the best alternative is to {what}, at {times:.2f} times the {cost}{close}",
        measure=NAMES[risk],
        those=those,
        what=describe(later[0]),
        times=times_of(later[0], best, risk),
        cost=NAMES["p90" if risk == "p90" else "expected"],
        close=close,
    )


BESIDES_FACTORS = ("space", "money", "availability", "simulation")
"""Names other than those of factors that a reason may begin with, or have after its service or job."""
CONSTRAINTS, OTHER = "constraints", message("market availability")


class Forbidding(Record):
    """A factor that rules out ``count`` options, ``alone`` of them for no other reason; ``nearest`` has the fewest reasons."""

    factor: Sentence
    count: int
    alone: int
    nearest: Option
    reason: Sentence


def forbidding(plan: Plan) -> tuple[Forbidding, ...]:
    """Return every factor that rules out an option, first those that alone rule out most; the demand's exclusions come last."""
    refused = [(option, reasons) for option in plan.options if (reasons := reasons_of(option))]
    found = []
    for factor in dict.fromkeys(factor for _, reasons in refused for factor in reasons):
        mine = [pair for pair in refused if factor in pair[1]]
        # The option with the fewest other obstacles shows best what the factor costs.
        nearest, reasons = min(mine, key=lambda pair: (len(pair[1]), pair[0].rank))
        alone = sum(len(reasons) == 1 for _, reasons in mine)
        found.append(Forbidding(factor=factor, count=len(mine), alone=alone, nearest=nearest, reason=reasons[factor]))
    return tuple(sorted(found, key=lambda one: (not _is_named(one.factor), -one.alone, -one.count, one.factor)))


def in_the_way(plan: Plan) -> str | None:
    """Return the factor that is the main obstacle as a sentence; ``None`` if no factor alone is one."""
    first = next((one for one in forbidding(plan) if one.alone), None)
    if first is None:
        return None
    if first.factor == CONSTRAINTS:
        return message(
            "Constraints are the obstacle: without them, {alone} of {num_options} options would meet the demand",
            alone=first.alone,
            num_options=len(plan.options),
        )
    return message(
        "{name} is the obstacle: without it, {alone} of {num_options} options would meet the demand",
        name=capitalized(first.factor),
        alone=first.alone,
        num_options=len(plan.options),
    )


def reasons_of(option: Option) -> dict[str, str]:
    """Return the first reason of each factor for which an option is refused; an unknown factor refuses nothing."""
    found: dict[str, str] = {}
    for reason in () if option.accepted else option.reasons:
        # Open questions stand among the reasons of a refused option without being one.
        if " is unknown: " not in reason:
            found.setdefault(factor_of(reason), reason)
    return found


def factor_of(reason: str) -> str:
    """Return ``power`` of ``power: ...``, ``compute`` of ``chat: compute: ...``; else one of ``CONSTRAINTS`` and ``OTHER``."""
    # Reasons are texts "factor: ..." or "load: factor: ..."; a load may have any name, so both places are looked at.
    named = next((part for part in reason.split(": ")[:2] if _is_named(part)), None)
    return named or (CONSTRAINTS if reason.startswith(CONSTRAINTS) else OTHER)


def _is_named(word: str) -> bool:
    return word in BESIDES_FACTORS or word in registry.names("factors")


def nearest_option(plan: Plan) -> Option | None:
    """Return the option of a plan without a recommendation that misses least; ``None`` without options.

    First those whose limits hold, by what they reach of the confidence and of the SLOs in the simulation, else those with the
    fewest reasons against them; of equal ones the first by the measure.
    """
    limits = plan.demand.constraints
    held = [one for one in plan.options if one.accepted or (one.confirmed is False and one.replay is not None)]
    if held:
        # Rounded: a hundredth of a percentage point is less than the sampling error of a scenario.
        return max(held, key=lambda one: (round(_reached(one, confidence=limits.confidence), 4), -measure_of(one, limits.risk)))
    return min(plan.options, key=_far, default=None)


def _far(option: Option) -> tuple[bool, int, int]:
    """Return the key of how far a refused option is; what the demand itself excludes is the last resort."""
    reasons = reasons_of(option)
    return CONSTRAINTS in reasons, len(reasons), option.rank


def _reached(option: Option, *, confidence: float) -> float:
    """Return the smallest share of what is required that the option reaches, in [0, 1]; 0 where a provider promises nothing."""
    if option.p_slo is None and option.misses_confidence:
        return 0.0
    shares = [option.p_slo / confidence] if option.p_slo is not None and confidence > 0 else []
    if option.replay is not None:
        shares += [(one.simulated_share or 0.0) / one.asked_share for one in option.replay.services if not one.is_met]
        shares += [one.share_in_time for one in option.replay.jobs if not one.is_met]
    return min([1.0, *shares])


def why_none(plan: Plan) -> str | None:
    """Return why a plan recommends nothing: the nearest option and what it misses."""
    near = nearest_option(plan)
    if near is None:
        # Without an option the reasons stand with the loads and accelerators that were left out.
        gap = next((joined(": ", (one.name, one.reason)) for one in plan.unplanned), None)
        return gap or next((one.reason for one in plan.refused), None)
    main = None if near.accepted else in_the_way(plan)
    found = message(
        "The nearest option is to {what}: {missed}",
        what=describe(near),
        missed=joined("; ", missed(near, confidence=plan.demand.constraints.confidence)),
    )
    return joined(". ", (main, found)) if main else found


def missed(option: Option, *, confidence: float) -> list[str]:
    """Return what an option that is not confirmed misses; each as a phrase."""
    found = list(reasons_of(option).values())
    if option.p_slo is not None and misses(option, confidence=confidence):
        found.append(
            message(
                "every SLO and deadline is met in {reached} of the scenarios, {asked} is required (constraints.confidence)",
                # A decimal, so that 79.6 % does not read as the 80 % that it misses.
                reached=f"{100 * option.p_slo:.1f} %",
                asked=f"{100 * confidence:g} %",
            )
        )
    elif option.misses_confidence:
        found += option.reasons
    if option.accepted and option.replay is not None and not option.replay.is_met:
        found += [reason for reason in option.reasons if reason.startswith("simulation")]
    return found or [message("it was not simulated")]

"""The option that comes nearest to a demand which none is confirmed for, and what it misses, in words."""

from __future__ import annotations

from aigc_bench.core.messages import joined, message
from aigc_bench.plan.options.measure import measure_of, misses
from aigc_bench.plan.options.wording import CONSTRAINTS, describe, in_the_way, reasons_of
from aigc_bench.plan.records.plan import Option, Plan


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

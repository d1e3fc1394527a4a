"""Describe options and the choice among them in words."""

from __future__ import annotations

from aigc_bench.plan.money.offers import AN_INDEX
from aigc_bench.plan.records.plan import Option, Plan

CLOSE = 1.25
"""Highest cost of a tied option over the lowest cost, however wide the interval: most of it is common to both (assumed)."""


def what(option: Option) -> str:
    """Return an option in a line: ``buy 2 x dgx_h200 (16 x h200_sxm_141gb)``, ``rent 8 x l4 at ...``; of a mixed one every part."""
    if option.kind == "api":
        return f"call a commercial API ({option.provider})" if option.provider else "call a commercial API"
    verb = {"owned": "buy", "colocated": "buy and colocate", "cloud": "rent"}[option.kind]
    if option.parts:
        return " and ".join(what(part) for part in option.parts)
    name = option.server or option.accelerator
    if option.kind == "cloud":
        term = option.term.replace("_", " ")
        if name is not None and name.startswith(AN_INDEX):
            return f"{verb} {option.num_accelerators} x {option.accelerator} at {name} ({term})"
        return f"{verb} {option.num_servers} x {name} ({option.num_accelerators} x {option.accelerator}, {term})"
    each = option.num_accelerators // option.num_servers if option.num_servers else 0
    if name == f"{each}x_{option.accelerator}":
        hosts = "a host" if option.num_servers == 1 else f"{option.num_servers} hosts, each"
        return f"{verb} {hosts} with {each} x {option.accelerator}"
    held = f" ({option.num_accelerators} x {option.accelerator})" if option.accelerator else ""
    return f"{verb} {option.num_servers} x {name}{held}"


def reserve_words(option: Option, *, confidence: float) -> list[str]:
    """Return how many of the servers are spares and how many safety margin: ``3 spares``, ``23 safety margin (P80)``."""
    words = [f"{option.num_spares} spare{'s' if option.num_spares != 1 else ''}"] if option.num_spares else []
    margin = [f"{option.num_margin} safety margin (P{100 * confidence:g})"] if option.num_margin else []
    return [*words, *margin]


def as_good_as(plan: Plan) -> tuple[Option, ...]:
    """Return the options that are statistically tied with the recommended one, by rank.

    They are accepted, no worse in confidence, and within both the upper end of its interval and ``CLOSE`` times its cost.
    """
    best = plan.recommended
    if best is None:
        return ()
    return tuple(one for one in plan.options if _rivals(one, best) and _is_close(one, best))


def _rivals(one: Option, best: Option) -> bool:
    """Return whether an option is an alternative: accepted, and no worse in confidence."""
    return one.accepted and one is not best and one.misses_confidence <= best.misses_confidence


def _is_close(option: Option, best: Option) -> bool:
    return option.tco_usd.value <= min(best.tco_usd.high, CLOSE * best.tco_usd.value)


def tie(plan: Plan) -> str | None:
    """Return the options that are statistically tied with the recommended one as a sentence; ``None`` if there are none."""
    best, near = plan.recommended, as_good_as(plan)
    if best is None or not near:
        return None
    times = near[0].tco_usd.value / max(best.tco_usd.value, 1e-9)
    more = f"; {len(near) - 1} more options are tied" if len(near) > 1 else ""
    return f"statistically tied: {what(near[0])} at {times:.2f} times the cost{more}"


def why(plan: Plan) -> str:
    """Return why the option is recommended, compared with the next accepted one of another kind or accelerator."""
    best = plan.recommended
    assert best is not None, "only a plan with a recommendation has a reason for it"
    mine = (best.kind, best.accelerator)
    later = [one for one in plan.options if _rivals(one, best) and (one.kind, one.accelerator) != mine]
    if not later:
        return (
            "the only accepted option that meets the required confidence"
            if any(one.misses_confidence for one in plan.options)
            else "the only accepted option"
        )
    times = later[0].tco_usd.value / max(best.tco_usd.value, 1e-9)
    close = ", statistically tied" if _is_close(later[0], best) else ""
    is_mixed = any(one.accepted and one.misses_confidence for one in plan.options)
    those = "options that meet the required confidence" if is_mixed else "accepted options"
    return f"lowest total cost of all {those}; the best alternative is to {what(later[0])}, at {times:.2f} times the cost{close}"

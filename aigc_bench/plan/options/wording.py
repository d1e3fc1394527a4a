"""Options and the choice among them in words."""

from __future__ import annotations

from aigc_bench.plan.money.offers import AN_INDEX
from aigc_bench.plan.records.plan import Option, Plan

CLOSE = 1.25
"""What costs more than this many times the best is no tie, however wide the interval: much of it is common to both (assumed)."""


def what(option: Option) -> str:
    """An option in a line: ``buy 2 x dgx_h200 (16 x h200_sxm_141gb)``, ``rent 8 x l4 at ...``; of a mixed one every part."""
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


def as_good_as(plan: Plan) -> tuple[Option, ...]:
    """Other accepted options, as sure, whose total cost lies within the recommended one's interval and is close to it, by rank."""
    best = plan.recommended
    if best is None:
        return ()
    return tuple(one for one in plan.options if _rivals(one, best) and _is_close(one, best))


def _rivals(one: Option, best: Option) -> bool:
    """Whether it could be taken instead: accepted, and as sure."""
    return one.accepted and one is not best and one.misses_confidence <= best.misses_confidence


def _is_close(option: Option, best: Option) -> bool:
    return option.tco_usd.value <= min(best.tco_usd.high, CLOSE * best.tco_usd.value)


def tie(plan: Plan) -> str | None:
    """What costs as good as the same as the recommended option, in a sentence; ``None`` where the next one is clearly dearer."""
    best, near = plan.recommended, as_good_as(plan)
    if best is None or not near:
        return None
    times = near[0].tco_usd.value / max(best.tco_usd.value, 1e-9)
    more = f"; {len(near) - 1} more are within it" if len(near) > 1 else ""
    return f"as good within the interval of its cost: {what(near[0])}, {times:.2f} times the cost{more}"


def why(plan: Plan) -> str:
    """Why the recommended option, beside the next accepted one of another kind or accelerator."""
    best = plan.recommended
    assert best is not None, "asked for plans with a recommendation only"
    mine = (best.kind, best.accelerator)
    later = [one for one in plan.options if _rivals(one, best) and (one.kind, one.accelerator) != mine]
    if not later:
        return (
            "the only accepted option that is sure enough"
            if any(one.misses_confidence for one in plan.options)
            else "the only accepted option"
        )
    times = later[0].tco_usd.value / max(best.tco_usd.value, 1e-9)
    close = ", as good within the interval" if _is_close(later[0], best) else ""
    those = "that are sure enough" if any(one.accepted and one.misses_confidence for one in plan.options) else "accepted"
    return f"lowest total cost of those {those}; the next other one is to {what(later[0])}, {times:.2f} times the cost{close}"

"""Options and the choice among them in words."""

from __future__ import annotations

from aigc_bench.plan.records import Option, Plan


def what(option: Option) -> str:
    """An option in a line: ``buy 2 x dgx_h200 (16 x h200_sxm_141gb)``, ``rent 8 x l4 at ...``."""
    if option.kind == "api":
        return "call a commercial API"
    verb = {"owned": "buy", "colocated": "buy and colocate", "cloud": "rent"}[option.kind]
    if option.parts:
        return f"{verb} {option.server}"
    name = option.server or option.accelerator
    if option.kind == "cloud":
        return f"{verb} {option.num_accelerators} x {option.accelerator} at {name} ({option.term.replace('_', ' ')})"
    each = option.num_accelerators // option.num_servers if option.num_servers else 0
    if name == f"{each}x_{option.accelerator}":
        hosts = "a host" if option.num_servers == 1 else f"{option.num_servers} hosts, each"
        return f"{verb} {hosts} with {each} x {option.accelerator}"
    held = f" ({option.num_accelerators} x {option.accelerator})" if option.accelerator else ""
    return f"{verb} {option.num_servers} x {name}{held}"


def why(plan: Plan) -> str:
    """Why the recommended option, beside the next accepted one of another kind or accelerator."""
    best = plan.recommended
    assert best is not None, "asked for plans with a recommendation only"
    mine = (best.kind, best.accelerator)
    later = [one for one in plan.options if one.accepted and one.rank > best.rank and (one.kind, one.accelerator) != mine]
    if not later:
        return "the only accepted option"
    times = later[0].tco_usd.value / max(best.tco_usd.value, 1e-9)
    return f"lowest total cost of those accepted; the next other one is to {what(later[0])}, {times:.2f} times the cost"


FORBIDDING = ("compute", "memory", "network", "storage", "cooling", "power", "space", "money", "availability", "simulation")
"""What a reason may name at its beginning, or after the service or job that it is of."""


def forbidden_by(option: Option) -> dict[str, str]:
    """The reasons of a refused option by the factor that each names, the first of a factor."""
    found: dict[str, str] = {}
    for reason in () if option.accepted else option.reasons:
        if " is unknown: " not in reason:
            found.setdefault(factor_of(reason), reason)
    return found


def factor_of(reason: str) -> str:
    """``power`` of ``power: ...``, ``compute`` of ``chat: compute: ...``; ``constraints``, else ``what is offered``."""
    named = next((part for part in reason.split(": ")[:2] if part in FORBIDDING), None)
    return named or ("constraints" if reason.startswith("constraints") else "what is offered")

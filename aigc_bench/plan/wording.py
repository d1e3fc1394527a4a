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

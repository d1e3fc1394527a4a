"""What forbids a demand: the factors that refuse its options, how many each, and the option that comes nearest."""

from __future__ import annotations

from aigc_bench.core.records import Record
from aigc_bench.plan.records.plan import Option, Plan

NAMED = ("compute", "memory", "network", "storage", "cooling", "power", "space", "money", "availability", "simulation")
"""What a reason may name at its beginning, or after the service or job that it is of."""
CONSTRAINTS, OTHER = "constraints", "what is offered"


class Forbidding(Record):
    """A factor that refuses ``count`` options, ``alone`` of them for no other reason; of these, ``nearest`` has fewest others."""

    factor: str
    count: int
    alone: int
    nearest: Option
    reason: str


def forbidding(plan: Plan) -> tuple[Forbidding, ...]:
    """Every factor that refuses an option, first those that alone refuse most; what the demand itself excludes comes last."""
    refused = [(option, reasons) for option in plan.options if (reasons := reasons_of(option))]
    found = []
    for factor in dict.fromkeys(factor for _, reasons in refused for factor in reasons):
        mine = [pair for pair in refused if factor in pair[1]]
        nearest, reasons = min(mine, key=lambda pair: (len(pair[1]), pair[0].rank))
        alone = sum(len(reasons) == 1 for _, reasons in mine)
        found.append(Forbidding(factor=factor, count=len(mine), alone=alone, nearest=nearest, reason=reasons[factor]))
    return tuple(sorted(found, key=lambda one: (one.factor not in NAMED, -one.alone, -one.count, one.factor)))


def in_the_way(plan: Plan) -> str | None:
    """The factor that stands in the way, in a sentence; ``None`` where no factor alone does."""
    first = next((one for one in forbidding(plan) if one.alone), None)
    if first is None:
        return None
    verb = "stand" if first.factor == CONSTRAINTS else "stands"
    name = f"{first.factor[0].upper()}{first.factor[1:]}"
    return f"{name} {verb} in the way: without that, {first.alone} of {len(plan.options)} options would do"


def reasons_of(option: Option) -> dict[str, str]:
    """The reasons of a refused option by the factor that each names, the first of a factor; what is unknown refuses nothing."""
    found: dict[str, str] = {}
    for reason in () if option.accepted else option.reasons:
        if " is unknown: " not in reason:
            found.setdefault(factor_of(reason), reason)
    return found


def factor_of(reason: str) -> str:
    """``power`` of ``power: ...``, ``compute`` of ``chat: compute: ...``; ``constraints``, else ``what is offered``."""
    named = next((part for part in reason.split(": ")[:2] if part in NAMED), None)
    return named or (CONSTRAINTS if reason.startswith(CONSTRAINTS) else OTHER)

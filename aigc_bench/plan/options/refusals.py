"""Summarise why no option meets a demand: the factors that rule options out, how many each, and the nearest option."""

from __future__ import annotations

from aigc_bench.core import registry
from aigc_bench.core.records import Record
from aigc_bench.plan.records.plan import Option, Plan

BESIDES_FACTORS = ("space", "money", "availability", "simulation")
"""Names other than those of factors that a reason may begin with, or have after its service or job."""
CONSTRAINTS, OTHER = "constraints", "market availability"


class Forbidding(Record):
    """A factor that rules out ``count`` options, ``alone`` of them for no other reason; ``nearest`` has the fewest reasons."""

    factor: str
    count: int
    alone: int
    nearest: Option
    reason: str


def forbidding(plan: Plan) -> tuple[Forbidding, ...]:
    """Return every factor that rules out an option, first those that alone rule out most; the demand's exclusions come last."""
    refused = [(option, reasons) for option in plan.options if (reasons := reasons_of(option))]
    found = []
    for factor in dict.fromkeys(factor for _, reasons in refused for factor in reasons):
        mine = [pair for pair in refused if factor in pair[1]]
        nearest, reasons = min(mine, key=lambda pair: (len(pair[1]), pair[0].rank))
        alone = sum(len(reasons) == 1 for _, reasons in mine)
        found.append(Forbidding(factor=factor, count=len(mine), alone=alone, nearest=nearest, reason=reasons[factor]))
    return tuple(sorted(found, key=lambda one: (not _is_named(one.factor), -one.alone, -one.count, one.factor)))


def in_the_way(plan: Plan) -> str | None:
    """Return the factor that is the main obstacle as a sentence; ``None`` if no factor alone is one."""
    first = next((one for one in forbidding(plan) if one.alone), None)
    if first is None:
        return None
    verb = "are" if first.factor == CONSTRAINTS else "is"
    name = f"{first.factor[0].upper()}{first.factor[1:]}"
    it = "them" if first.factor == CONSTRAINTS else "it"
    return f"{name} {verb} the obstacle: without {it}, {first.alone} of {len(plan.options)} options would meet the demand"


def reasons_of(option: Option) -> dict[str, str]:
    """Return the first reason of each factor for which an option is refused; an unknown factor refuses nothing."""
    found: dict[str, str] = {}
    for reason in () if option.accepted else option.reasons:
        if " is unknown: " not in reason:
            found.setdefault(factor_of(reason), reason)
    return found


def factor_of(reason: str) -> str:
    """Return ``power`` of ``power: ...``, ``compute`` of ``chat: compute: ...``; else one of ``CONSTRAINTS`` and ``OTHER``."""
    named = next((part for part in reason.split(": ")[:2] if _is_named(part)), None)
    return named or (CONSTRAINTS if reason.startswith(CONSTRAINTS) else OTHER)


def _is_named(word: str) -> bool:
    return word in BESIDES_FACTORS or word in registry.names("factors")

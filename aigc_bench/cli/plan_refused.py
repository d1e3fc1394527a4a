"""A demand that nothing meets, on one screen: which factor forbids how many options, the nearest of them, what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.records.plan import Plan

MOST = 8


def nothing(plan: Plan) -> Iterator[str]:
    """What stands in the way, every factor that forbids some option, then what could not be planned at all."""
    from aigc_bench.plan.options.refusals import CONSTRAINTS, forbidding, in_the_way
    from aigc_bench.plan.options.wording import what

    way = in_the_way(plan)
    yield from wrapped(f"No option meets this demand.{f' {way}.' if way else ''}", indent=0)
    yield ""
    for one in forbidding(plan)[:MOST]:
        verb = "forbid" if one.factor == CONSTRAINTS else "forbids"
        yield f"  {one.factor} {verb} {one.count} of {len(plan.options)}{f', {one.alone} of them alone' if one.alone else ''}"
        yield from wrapped(f"{what(one.nearest)}: {one.reason}", indent=4)
    for gap in plan.unplanned:
        yield from wrapped(f"{gap.name}: {gap.reason}", indent=2)
    if not plan.options:
        for reason in list(dict.fromkeys(one.reason for one in plan.refused))[:MOST]:
            yield from wrapped(reason, indent=2)

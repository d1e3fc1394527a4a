"""Print why no option meets a demand: the factors that rule options out, the nearest option of each, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.records.plan import Plan

MOST = 8


def nothing(plan: Plan) -> Iterator[str]:
    """Yield the main obstacle, every factor that rules an option out, then the loads that could not be planned."""
    from aigc_bench.plan.options.refusals import CONSTRAINTS, forbidding, in_the_way
    from aigc_bench.plan.options.wording import what

    way = in_the_way(plan)
    yield from wrapped(f"No option meets this demand.{f' {way}.' if way else ''}", indent=0)
    yield ""
    for one in forbidding(plan)[:MOST]:
        verb = "rule" if one.factor == CONSTRAINTS else "rules"
        alone = f", {one.alone} for this reason alone" if one.alone else ""
        yield f"  {one.factor} {verb} out {one.count} of {len(plan.options)} options{alone}"
        yield from wrapped(f"{what(one.nearest)}: {one.reason}", indent=4)
    for gap in plan.unplanned:
        yield from wrapped(f"{gap.name}: {gap.reason}", indent=2)
    if not plan.options:
        for reason in list(dict.fromkeys(one.reason for one in plan.refused))[:MOST]:
            yield from wrapped(reason, indent=2)

"""Print why no option meets a demand: the factors that rule options out, the nearest option of each, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView

MOST = 8


def nothing(view: PlanView) -> Iterator[str]:
    """Yield the main obstacle, every factor that rules an option out, then the loads that could not be planned."""
    from aigc_bench.plan.options.wording import CONSTRAINTS, what

    plan, found = view.plan, view.obstacles
    yield from wrapped(f"No option meets this demand.{f' {found.main}.' if found.main else ''}", indent=0)
    yield ""
    for one in found.factors[:MOST]:
        verb = "rule" if one.factor == CONSTRAINTS else "rules"
        alone = f", {one.alone} for this reason alone" if one.alone else ""
        yield f"  {one.factor} {verb} out {one.count} of {found.num_options} options{alone}"
        yield from wrapped(f"{what(one.nearest)}: {one.reason}", indent=4)
    for gap in plan.unplanned:
        yield from wrapped(f"{gap.name}: {gap.reason}", indent=2)
    if not plan.options:
        for reason in list(dict.fromkeys(one.reason for one in view.options.never))[:MOST]:
            yield from wrapped(reason, indent=2)

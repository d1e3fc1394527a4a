"""Print why no option meets a demand: the factors that rule options out, the nearest option of each, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped
from aigc_bench.core.messages import message

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView

# The screen is about forty lines; --json lists every reason.
MOST = 8


def nothing(view: PlanView) -> Iterator[str]:
    """Yield the main obstacle, every factor that rules an option out, then the loads that could not be planned."""
    plan, found = view.plan, view.obstacles
    head = (
        message("No option meets this demand.")
        if not any(one.accepted for one in plan.options)
        else message("No plan is confirmed.")
    )
    yield from wrapped(message("{head} {why}.", head=head, why=found.why) if found.why else head, indent=0)
    yield ""
    for one in found.factors[:MOST]:
        verb = "rule" if one.is_stated else "rules"
        alone = message(", {alone} for this reason alone", alone=one.alone) if one.alone else ""
        yield message(
            "  {factor} {verb} out {count} of {num_options} options{alone}",
            factor=one.factor,
            verb=verb,
            count=one.count,
            num_options=found.num_options,
            alone=alone,
        )
        yield from wrapped(message("{what}: {reason}", what=one.what, reason=one.reason), indent=4)
    for gap in plan.unplanned:
        yield from wrapped(message("{name}: {reason}", name=gap.name, reason=gap.reason), indent=2)
    if not plan.options:
        # Many hosts are refused for one reason: each is printed once.
        for reason in list(dict.fromkeys(one.reason for one in view.options.never))[:MOST]:
            yield from wrapped(reason, indent=2)

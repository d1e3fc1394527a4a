"""A demand that nothing meets, on one screen: which factor forbids how many options, the nearest of them, what would change it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aigc_bench.plan.records import Option, Plan

WIDTH = 108
MOST = 8


def nothing(plan: Plan) -> Iterator[str]:
    """The factors by how many options they forbid; then what could not be planned at all."""
    from aigc_bench.plan.wording import forbidden_by, what

    if not plan.options:
        yield "Nothing can be planned."
    else:
        yield f"No option meets this demand. {len(plan.options)} were looked at:"
    refused = [(option, forbidden_by(option)) for option in plan.options]
    factors = list(dict.fromkeys(factor for _, reasons in refused for factor in reasons))
    counts = {name: sum(name in reasons for _, reasons in refused) for name in factors}
    for name in sorted(factors, key=lambda one: (-counts[one], one))[:MOST]:
        nearest, reason = _nearest(name, refused)
        alone = sum(set(reasons) == {name} for _, reasons in refused)
        yield f"  {name} forbids {counts[name]}{f', {alone} of them alone' if alone else ''}"
        yield from _wrap(f"{what(nearest)}: {reason}", by=4)
    for gap in plan.unplanned:
        yield from _wrap(f"{gap.name}: {gap.reason}", by=2)
    reasons = list(dict.fromkeys(one.reason for one in plan.refused))
    for text in reasons[: MOST if not plan.options else 0]:
        yield from _wrap(text, by=2)


def _nearest(name: str, refused: list[tuple[Option, dict[str, str]]]) -> tuple[Option, str]:
    """The option that fewest other factors forbid, then the cheapest, and its reason."""
    option, reasons = min((pair for pair in refused if name in pair[1]), key=lambda pair: (len(pair[1]), pair[0].rank))
    return option, reasons[name]


def _wrap(text: str, *, by: int) -> list[str]:
    return textwrap.wrap(text, width=WIDTH, initial_indent=" " * by, subsequent_indent=" " * (by + 2), break_long_words=False)

"""Print the most that the limits of a demand carry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped
from aigc_bench.core.messages import message, translated

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView


def most(view: PlanView) -> Iterator[str]:
    """Yield the multiple of the demand and what stops it; nothing where least cost is asked."""
    from aigc_bench.core.units import digits

    found = view.plan.most
    if found is None:
        return
    yield from wrapped(translated(found.verdict), indent=0)
    for reason in found.binding:
        yield from wrapped(
            message("At {scale} times: {reason}.", scale=digits(found.next_scale), reason=translated(reason)), indent=2
        )
    for reason in found.left_out:
        text = translated(reason)
        yield from wrapped(f"{text[:1].upper()}{text[1:]}.", indent=2)
    yield ""

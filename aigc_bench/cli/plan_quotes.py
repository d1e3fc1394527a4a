"""Print the vendors' quotes of a plan: each with its total, the comparisons, and what would change them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped
from aigc_bench.core.messages import capitalized, message, translated

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView

NUM_NOTES = 4
"""Notes of a quote on the screen; the page and plan.json have them all."""


def quotes(view: PlanView) -> Iterator[str]:
    """Yield the lines of the quotes; none without any."""
    from aigc_bench.core.units import quantity

    found = view.quotes
    if found is None:
        return
    yield ""
    yield from wrapped(message("Quotes: {verdict}", verdict=translated(found.verdict)), indent=2)
    for row in found.rows:
        total = row.found.total_usd
        cost = quantity(total.value, "usd") if total is not None else "–"
        standing = "" if row.found.accepted else message(", does not meet the demand")
        yield from wrapped(
            message(
                "{title}: {unit}, total {cost}{standing}", title=row.title, unit=translated(row.unit), cost=cost, standing=standing
            ),
            indent=2,
        )
        yield from wrapped(f"{translated(row.compared)}.", indent=4)
        for note in row.notes[:NUM_NOTES]:
            text = translated(note)
            yield from wrapped(message("{text}.", text=capitalized(text)), indent=4)

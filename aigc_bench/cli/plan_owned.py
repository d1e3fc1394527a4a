"""Print what a plan does with the machines that are there already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped
from aigc_bench.core.messages import message, translated

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView


def owned(view: PlanView) -> Iterator[str]:
    """Yield the lines of owned machines; none without any."""
    found = view.owned
    if found is None:
        return
    yield ""
    yield from wrapped(message("Owned: {verdict}", verdict=translated(found.verdict)), indent=2)
    for row in found.rows:
        yield from wrapped(
            message("{title}: carries {carries}", title=translated(row.title), carries=translated(row.carries)), indent=4
        )
        for note in (row.decision, *row.notes):
            yield from wrapped(translated(note), indent=6)
    for note in (*found.questions, *([found.rest] if found.rest else [])):
        text = translated(note)
        yield from wrapped(f"{text[:1].upper()}{text[1:]}".rstrip(".") + ".", indent=4)

"""How many servers more make an option as sure as is asked: the fewest with which it serves in that share of the worlds.

The same worlds as everywhere, so what needs more in each of them never gets a smaller margin.
"""

from __future__ import annotations

import numpy as np

from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.fleet_service import serves
from aigc_bench.plan.risk.scenario_context import ScenarioContext

MOST_TIMES = 4
"""Beyond this many times the planned servers it is the machine that is wrong, not their number."""


def servers_more(option: Option, context: ScenarioContext, *, confidence: float) -> int | None:
    """Servers beside the planned ones; ``None`` where no number up to ``MOST_TIMES`` times the planned ones is enough."""

    def is_sure(more: int) -> bool:
        """Whether so many servers more keep SLOs and deadlines in the asked share of worlds."""
        capability = serves(option, context, more_servers=more)
        return capability is None or float(np.mean(capability)) >= confidence

    if is_sure(0):
        return 0
    few, many = 0, MOST_TIMES * option.num_servers
    if not is_sure(many):
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_sure(middle) else (middle, many)
    return many

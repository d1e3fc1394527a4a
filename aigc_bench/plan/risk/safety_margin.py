"""Servers added for the demanded confidence: the fewest with which an option serves in that share of the scenarios.

The scenarios are the same everywhere, so an option that needs more machines in each of them never gets a smaller margin.
"""

from __future__ import annotations

import numpy as np

from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.risk.fleet_service import serves
from aigc_bench.plan.risk.scenario_context import ScenarioContext

MOST_TIMES = 4
"""Beyond this many times the planned servers the kind of machine is the problem, not their number."""


def servers_more(option: Option, context: ScenarioContext, *, confidence: float) -> int | None:
    """Return the servers to add; ``None`` where no number up to ``MOST_TIMES`` times the planned ones is enough."""

    def is_enough(more: int) -> bool:
        """Return whether that number of added servers keeps SLOs and deadlines in the demanded share of scenarios."""
        capability = serves(option, context, more_servers=more)
        return capability is None or float(np.mean(capability)) >= confidence

    if is_enough(0):
        return 0
    few, many = 0, MOST_TIMES * option.num_servers
    if not is_enough(many):
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return many

"""Find the servers or the option that reach a higher confidence.

A safety margin is the fewest added servers with which an option serves in the demanded share of the scenarios. These are the same
everywhere, so an option that needs more machines in each of them never gets a smaller margin.

Where the recommendation's P(SLO) is too low, the cheapest accepted option that reaches it is named, and the servers that would.
These cost the same as planned ones: purchase and every line grow in proportion to their number. A rent by the hour is paid for
active hours, so servers that only the busiest scenarios need add nothing to it at the central values of all inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.risk import MoreServers, Safer, SaferOption
from aigc_bench.plan.risk.costs import ELASTIC
from aigc_bench.plan.risk.fleet_service import hindrance, serves
from aigc_bench.plan.risk.probabilities import SampledOption
from aigc_bench.plan.risk.scenarios import Flags, ScenarioContext

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
    # Bisection: a larger fleet serves wherever a smaller one does.
    few, many = 0, MOST_TIMES * option.num_servers
    if not is_enough(many):
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return many


BELOW, WANTED = 0.75, 0.9
SEARCHED_TIMES = 8
"""The search stops at this many times the planned servers."""
STEPS = 50
"""Large fleets grow by this fraction of themselves per step."""


def safer(options: Sequence[SampledOption], best: SampledOption, context: ScenarioContext) -> Safer | None:
    """Return what makes the recommendation safer; ``None`` where its P(SLO) is high enough or a provider is responsible."""
    if best.p_slo is None or (best.p_slo >= BELOW and not best.option.misses_confidence):
        return None
    return Safer(
        p_slo=best.p_slo,
        below=BELOW,
        wanted=WANTED,
        option=_option(options),
        more_servers=more_servers(best.option, context),
    )


def _option(options: Sequence[SampledOption]) -> SaferOption | None:
    for one in sorted(options, key=lambda one: one.option.rank):
        if one.p_slo is not None and one.p_slo >= WANTED and one.option.accepted:
            return SaferOption(rank=one.option.rank, what=describe(one.option), p_slo=one.p_slo, tco_usd=one.option.tco_usd.value)
    return None


def more_servers(option: Option, context: ScenarioContext) -> MoreServers | None:
    """Return the fewest added servers; each goes to the part that falls short most often."""
    parts = option.parts or (option,)
    added = [0] * len(parts)
    capability = [_capability(part, context, 0) for part in parts]
    most = SEARCHED_TIMES * option.num_servers
    limits = [_capability(part, context, most) for part in parts]
    if np.mean(np.logical_and.reduce(limits)) < WANTED:
        return None
    while np.mean(np.logical_and.reduce(capability)) < WANTED:
        # Parts that more servers can still improve.
        better = [index for index, one in enumerate(capability) if one.sum() < limits[index].sum()]
        at = min(better, key=lambda index: (int(capability[index].sum()), index))
        # One server at a time would take thousands of steps in large fleets.
        added[at] += max(1, parts[at].num_servers // STEPS)
        capability[at] = _capability(parts[at], context, added[at])
    hindrances = [hindrance(part, context.demand, more_servers=more) for part, more in zip(parts, added, strict=True)]
    return MoreServers(
        count=sum(added),
        num_servers=option.num_servers + sum(added),
        p_slo=float(np.mean(np.logical_and.reduce(capability))),
        tco_usd=sum(_tco_usd(part, more) for part, more in zip(parts, added, strict=True)),
        hindrance=next(filter(None, hindrances), None),
    )


def _capability(part: Option, context: ScenarioContext, more: int) -> Flags:
    found = serves(part, context, more_servers=more)
    return np.ones(context.scenarios.num, dtype=bool) if found is None else found


def _tco_usd(part: Option, more: int) -> float:
    # Paid by use: the busy hours of central values stay as they are.
    if part.term in ELASTIC or part.num_servers == 0:
        return part.tco_usd.value
    return part.tco_usd.value * (1 + more / part.num_servers)

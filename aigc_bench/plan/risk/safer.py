"""Where the recommendation is not sure enough: the cheapest accepted option that is, and how many servers more make it so.

More servers cost what those that are there cost: purchase and every line in proportion to their number. A rent by the hour is paid
for the hours at work, so servers that are kept for the busiest worlds add nothing to it at the middle of all inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_bench.plan.options.wording import what
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.risk import MoreServers, Safer, SaferOption
from aigc_bench.plan.risk.cost_lines import ELASTIC
from aigc_bench.plan.risk.fleet_service import serves
from aigc_bench.plan.risk.limits import hindrance
from aigc_bench.plan.risk.probabilities import Seen
from aigc_bench.plan.risk.scenario_context import ScenarioContext
from aigc_bench.plan.risk.scenarios import Flags

BELOW, WANTED = 0.75, 0.9
MOST_TIMES = 8
"""More than this many times the planned servers are not looked for."""
STEPS = 50
"""Large fleets grow by this part of themselves at a time."""


def surer(options: Sequence[Seen], best: Seen, context: ScenarioContext) -> Safer | None:
    """What makes the recommendation surer; ``None`` where it is sure enough or a provider answers for it."""
    if best.p_slo is None or (best.p_slo >= BELOW and not best.option.misses_confidence):
        return None
    return Safer(
        p_slo=best.p_slo,
        below=BELOW,
        wanted=WANTED,
        option=_option(options),
        more_servers=more_servers(best.option, context),
    )


def _option(options: Sequence[Seen]) -> SaferOption | None:
    for one in sorted(options, key=lambda one: one.option.rank):
        if one.p_slo is not None and one.p_slo >= WANTED and one.option.accepted:
            return SaferOption(rank=one.option.rank, what=what(one.option), p_slo=one.p_slo, tco_usd=one.option.tco_usd.value)
    return None


def more_servers(option: Option, context: ScenarioContext) -> MoreServers | None:
    """The fewest servers more, one after the other to the part that falls short most often."""
    parts = option.parts or (option,)
    added = [0] * len(parts)
    capability = [_capability(part, context, 0) for part in parts]
    most = MOST_TIMES * option.num_servers
    limits = [_capability(part, context, most) for part in parts]
    if np.mean(np.logical_and.reduce(limits)) < WANTED:
        return None
    while np.mean(np.logical_and.reduce(capability)) < WANTED:
        better = [index for index, one in enumerate(capability) if one.sum() < limits[index].sum()]
        at = min(better, key=lambda index: (int(capability[index].sum()), index))
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
    if part.term in ELASTIC or part.num_servers == 0:
        return part.tco_usd.value
    return part.tco_usd.value * (1 + more / part.num_servers)

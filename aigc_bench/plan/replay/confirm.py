"""The verdict of the simulation on an option: confirmed, confirmed with more machines, or refused with what it misses.

One that does not hold is planned again with the replicas that the simulation requires; it costs more then, so the caller ranks it
anew. One that no number of replicas confirms is refused, with its share. Of an API, or of a load whose time is not known, nothing
can be simulated: the confidence has decided then, before it came here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aigc_bench.core.messages import message
from aigc_bench.plan.options.mixed import combined
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.replay import Replay
from aigc_bench.plan.replay.replayer import Replayer
from aigc_bench.plan.replay.services import ReplayedPeak, is_enough, replicas_that_hold

MOST_TIMES = 4
"""Beyond this many times its analytic count an option's kind of machine is the problem, not the number."""
MOST_TURNS = 4
"""Settings of one option that are simulated before it is refused; each takes tenths of a second."""

Floors = Mapping[str, int]
"""Minimum machines of a load, by its case (``Load.case``)."""


class Planner(Protocol):
    """Function that plans an option again, with floors: the options of its kind, term and accelerator, by rank.

    With ``is_same`` its loads keep their settings, else each has the cheapest with the floors.
    """

    def __call__(self, demand: Demand, part: Option, /, *, floors: Floors, is_same: bool) -> Sequence[Option]: ...


def confirming(replayer: Replayer, planner: Planner) -> Callable[[Option], Option]:
    """Return the function that gives an option the verdict of its simulation; ``planner`` plans it again with more machines."""

    def confirm(option: Option) -> Option:
        """Return the option with its replay and ``confirmed``, enlarged where that makes it hold."""
        # What falls short is simulated at its likely speed alone until it holds: the ends of the interval decide nothing.
        grown = _grown(option, replayer=replayer, planner=planner) if option.kind != "api" and replayer.missed(option) else None
        if grown is not None:
            return grown
        replay = None if option.kind == "api" else replayer.replay(option)
        if replay is None:
            return option.model_copy(update={"confirmed": True})
        return option.model_copy(update={"replay": replay, "confirmed": True}) if replay.is_met else _refused(option, replay)

    return confirm


def _refused(option: Option, replay: Replay) -> Option:
    changes = {"replay": replay, "accepted": False, "confirmed": False, "reasons": (*option.reasons, *_shortfalls(replay))}
    return option.model_copy(update=changes)


def _shortfalls(replay: Replay) -> tuple[str, ...]:
    services = (
        message(
            "simulation: {name} answers {simulated_share:.1f} % of requests in time, {asked_share:.4g} % is "
            "required; up to {most_times} times as many machines of this kind would not change that; a "
            "looser SLO or a smaller batch may",
            name=one.name,
            simulated_share=100 * (one.simulated_share or 0.0),
            asked_share=100 * one.asked_share,
            most_times=MOST_TIMES,
        )
        for one in replay.services
        if not one.is_met
    )
    jobs = (
        message(
            "simulation: {name} meets its deadline in {percent:.1f} % of its windows",
            name=one.name,
            percent=100 * one.share_in_time,
        )
        for one in replay.jobs
        if not one.is_met
    )
    return (*services, *jobs)


def _grown(option: Option, *, replayer: Replayer, planner: Planner) -> Option | None:
    """Return the option with the machines that the simulation requires, replayed; ``None`` where that does not help.

    A setting that no number of machines makes hold is replaced by the next cheapest, which is simulated in turn.
    """
    whole, floors, added = option, dict[str, int](), dict[str, int]()
    for _ in range(MOST_TURNS):
        short = [peak for part in whole.parts or (whole,) for peak in replayer.peaks(part) if not is_enough(peak)]
        # More replicas of a service do not help a job.
        if not short:
            return None
        counts = {peak.capability.case: replicas_that_hold(peak, most=_most(peak)) for peak in short}
        for peak in short:
            case, size = peak.capability.case, peak.capability.machines_per_replica
            # With a minimum beyond all that were simulated another setting costs less, where there is one.
            count = counts[case] or _most(peak) + 1
            floors[case], added[case] = count * size, (count - peak.num_replicas) * size
        grown = _planned(whole, floors, is_same=None not in counts.values(), replayer=replayer, planner=planner)
        # Planned with the same settings again: none is left that could hold.
        if grown is None or not grown.accepted or _cases(grown) & {case for case, count in counts.items() if count is None}:
            return None
        whole = grown
        if not replayer.missed(whole):
            after = replayer.replay(whole)
            assert after is not None, "what has a peak is replayed"
            names = {load.name: added[load.case] for load in whole.loads if load.case in added}
            return whole.model_copy(update={"replay": after.model_copy(update={"added_machines": names}), "confirmed": True})
    return None


def _most(peak: ReplayedPeak) -> int:
    """Return the most replicas that are tried: a few more for the smallest fleets."""
    return MOST_TIMES * peak.num_replicas + 2


def _cases(option: Option) -> set[str]:
    return {load.case for load in option.loads}


def _planned(whole: Option, floors: Floors, *, is_same: bool, replayer: Replayer, planner: Planner) -> Option | None:
    """Return the option planned with floors; ``None`` where one of its parts is not planned again."""
    parts: list[Option] = []
    # Parts share nothing, so each is planned again on its own.
    for part in whole.parts or (whole,):
        is_short = not _cases(part).isdisjoint(floors)
        again = _again(part, floors, is_same=is_same, replayer=replayer, planner=planner) if is_short else part
        if again is None:
            return None
        parts.append(again)
    return combined(parts) if whole.parts else parts[0]


def _again(part: Option, floors: Floors, *, is_same: bool, replayer: Replayer, planner: Planner) -> Option | None:
    """Return the same option planned with floors: same machine, terms and server."""
    if part.accelerator is None:
        return None
    names = {load.name for load in part.loads}
    workloads: list[Service | Job] = [*replayer.demand.services, *replayer.demand.jobs]
    demand = replayer.demand
    if len(names) < len(workloads):
        demand = demand.model_copy(
            update={
                "services": tuple(one for one in demand.services if one.name in names),
                "jobs": tuple(one for one in demand.jobs if one.name in names),
                "datasets": demand.datasets if workloads[0].name in names else (),
            }
        )
    found = planner(demand, part, floors=floors, is_same=is_same)
    return next((one for one in found if _identity(one) == _identity(part) and not one.parts), None)


def _identity(one: Option) -> tuple[object, ...]:
    """Return the identity of a procurement of one accelerator; the instances of a rent may be larger than before."""
    # A larger fleet may be cheaper in another size of instance, even at another provider.
    where = None if one.kind == "cloud" else (one.provider, one.server)
    return one.kind, one.term, where, one.placement

"""The verdict of the simulation on an option: confirmed, confirmed with more machines, or refused with what it misses.

One that does not hold is planned again with the replicas that the simulation requires; it costs more then, so the caller ranks it
anew. One that no number of replicas confirms is refused, with its share. Of an API, or of a load whose time is not known, nothing
can be simulated: the confidence has decided then, before it came here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from aigc_bench.core.messages import message
from aigc_bench.plan.options.mixed import combined
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Load
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.replay import Replay
from aigc_bench.plan.replay.replayer import Replayer
from aigc_bench.plan.replay.services import replicas_that_hold

MOST_TIMES = 4
"""Beyond this many times its analytic count an option's kind of machine is the problem, not the number."""

Floors = Mapping[str, int]
"""Minimum machines of a load, by its case (``Load.case``)."""


class Planner(Protocol):
    """Function that plans a demand on one accelerator with floors."""

    def __call__(self, demand: Demand, /, *, accelerator: str, floors: Floors) -> Plan: ...


def confirming(replayer: Replayer, planner: Planner) -> Callable[[Option], Option]:
    """Return the function that gives an option the verdict of its simulation; ``planner`` plans it again with more machines."""

    def confirm(option: Option) -> Option:
        """Return the option with its replay and ``confirmed``, enlarged where that makes it hold."""
        replay = None if option.kind == "api" else replayer.replay(option)
        if replay is None:
            return option.model_copy(update={"confirmed": True})
        if replay.is_met:
            return option.model_copy(update={"replay": replay, "confirmed": True})
        return _grown(option, replay, replayer=replayer, planner=planner) or _refused(option, replay)

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


def _grown(option: Option, replay: Replay, *, replayer: Replayer, planner: Planner) -> Option | None:
    """Return the option with the machines that the simulation requires, replayed; ``None`` where that does not help."""
    # More replicas of a service do not help a job.
    if any(not job.is_met for job in replay.jobs):
        return None
    parts: list[Option] = []
    added: dict[str, int] = {}
    for part in option.parts or (option,):
        # Parts share nothing, so each is planned again on its own.
        floors = _floors(part, replay, replayer)
        if floors is None:
            return None
        again = _again(part, floors, replayer=replayer, planner=planner) if floors else part
        if again is None:
            return None
        parts.append(again)
        added |= {name: floors[load.case] - before for name, load, before in _before(part, replayer) if load.case in floors}
    whole = combined(parts) if option.parts else parts[0]
    after = replayer.replay(whole)
    if after is None or not after.is_met or not whole.accepted:
        return None
    return whole.model_copy(update={"replay": after.model_copy(update={"added_machines": added}), "confirmed": True})


def _before(part: Option, replayer: Replayer) -> list[tuple[str, Load, int]]:
    return [(load.name, load, replayer.replicas(load) * load.machines_per_replica) for load in part.loads]


def _floors(part: Option, replay: Replay, replayer: Replayer) -> dict[str, int] | None:
    """Return the machines that each service that fell short needs; ``None`` where no count is enough."""
    missed = {one.name for one in replay.services if not one.is_met}
    floors: dict[str, int] = {}
    for peak in replayer.peaks(part):
        if peak.service.name not in missed:
            continue
        count = replicas_that_hold(peak, most=MOST_TIMES * peak.num_replicas + 2)
        if count is None:
            return None
        # By case and not by load: the search knows a setting by its case.
        floors[peak.capability.case] = count * peak.capability.machines_per_replica
    return floors


def _again(part: Option, floors: Floors, *, replayer: Replayer, planner: Planner) -> Option | None:
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
    found = planner(demand, accelerator=part.accelerator, floors=floors).options
    return next((one for one in found if _identity(one) == _identity(part) and not one.parts), None)


def _identity(one: Option) -> tuple[object, ...]:
    """Return the identity of a procurement of one accelerator; the instances of a rent may be larger than before."""
    # A larger fleet may be cheaper in another size of instance, even at another provider.
    where = None if one.kind == "cloud" else (one.provider, one.server)
    return one.kind, one.term, where, one.placement

"""Jobs replayed: windows of a night in which they run one after the other, the earliest deadline first, while servers fail.

Servers fail and are repaired independently (exponential times whose ratio is the machine availability); spares replace failed ones
while there are any. A job runs on whole replicas at its measured or predicted rate; a batch loses the work of a failed server, a
training job the time since its last checkpoint, half an interval on average, and the time to restart; its checkpoints slow it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from aigc_bench.plan.records.demand import Job
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.records.replay import ReplayedJob

REPAIR_S = 24 * 3600.0
"""Mean time until a server is repaired (assumed); with an availability of 0.995 one fails after 199 days."""
# A share of 0.95 then has a standard error of 1.5 percentage points.
WINDOWS = 200
MANY_SERVERS = 100_000
"""Above this many servers the working share is practically constant, and some server fails every minute."""


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Checkpoints of a training job: the seconds between two of them (``sizing.checkpoints``) and the stall of one."""

    every_s: float
    stall_s: float

    @property
    def service_rate(self) -> float:
        """Return the speed over that without checkpoints."""
        return self.every_s / (self.every_s + self.stall_s)


@dataclass(frozen=True, kw_only=True)
class Night:
    """Resources of the jobs: serving and spare servers, machines per server, and machines that services keep by night.

    ``restart_s`` is the time until an interrupted job runs again; ``savings`` are those of training jobs, by name.
    """

    num_serving: int
    num_spares: int
    machines_per_server: float
    kept_by_services: float
    machine_availability: float
    restart_s: float = 600.0
    savings: Mapping[str, Saving] = field(default_factory=dict)
    seed: int = 0


def replay_jobs(jobs: Sequence[tuple[Job, Capability]], night: Night) -> tuple[ReplayedJob, ...]:
    """Simulate every job over ``WINDOWS`` windows; each job needs its run to end within its own window."""
    random = np.random.default_rng(night.seed)
    # Earliest deadline first, which meets all deadlines wherever any order does.
    order = sorted(range(len(jobs)), key=lambda index: jobs[index][0].window_s)
    ends = np.full((WINDOWS, len(jobs)), np.inf)
    for window in range(WINDOWS):
        clock = 0.0
        for index in order:
            # Jobs of a window share the machines one after the other, so each starts where the last ended.
            clock = _finish_s(*jobs[index], night, start_s=clock, random=random)
            ends[window, index] = clock
    return tuple(_outcome(job, capability, night, ends[:, index]) for index, (job, capability) in enumerate(jobs))


def _outcome(job: Job, capability: Capability, night: Night, ends: np.ndarray) -> ReplayedJob:
    known = ends[np.isfinite(ends)]
    share = float(np.mean(ends <= job.window_s))
    return ReplayedJob(
        name=job.name,
        window_s=job.window_s,
        analytic_s=_alone_s(job, capability, night),
        median_s=float(np.median(known)) if known.size else None,
        slowest_s=float(known.max()) if known.size == ends.size else None,
        num_windows=WINDOWS,
        share_in_time=share,
        # The SLO's usual share; a demand states none for jobs.
        is_met=share >= 0.95,
    )


def _rate(capability: Capability, machines: float) -> float:
    """Return items/s of the whole replicas of that number of machines."""
    return (
        # A replica needs all its machines; the rest idles.
        math.floor(machines / capability.machines_per_replica + 1e-9)
        * capability.machines_per_replica
        * capability.throughput.value
    )


def _alone_s(job: Job, capability: Capability, night: Night) -> float | None:
    """Return the seconds of the job alone on all machines available to jobs, without failures; ``None`` if no replica fits."""
    rate = _rate(capability, night.num_serving * night.machines_per_server - night.kept_by_services)
    return job.items.value / rate if rate > 0 else None


def _finish_s(job: Job, capability: Capability, night: Night, *, start_s: float, random: np.random.Generator) -> float:
    """Return the end of a run that starts then: from event to event, an event being a failure or a repair.

    An empty job ends immediately; without servers a job never ends.
    """
    if job.items.value <= 0:
        return start_s
    if night.num_serving == 0:
        return math.inf
    saving = night.savings.get(job.name)
    left, clock = job.items.value / (saving.service_rate if saving else 1.0), start_s
    servers, fails_s = (
        night.num_serving + night.num_spares,
        # Availability is up / (up + repair), solved for the mean time up.
        REPAIR_S * night.machine_availability / (1 - night.machine_availability),
    )
    if servers > MANY_SERVERS:
        usual = min(night.num_serving, servers * night.machine_availability)
        rate = _rate(capability, usual * night.machines_per_server - night.kept_by_services)
        return start_s + left / rate if rate > 0 else math.inf
    # The window opens in the steady state, not with all servers working.
    up = int(random.binomial(servers, night.machine_availability))
    # A run that takes twice its window has missed it; later events do not matter.
    while clock <= 2 * job.window_s:
        rate = _rate(capability, min(up, night.num_serving) * night.machines_per_server - night.kept_by_services)
        # Exponential times add their rates, and the next event is exponential, too (a Markov chain).
        events_per_s = up / fails_s + (servers - up) / REPAIR_S
        gap = float(random.exponential(1 / events_per_s)) if events_per_s > 0 else math.inf
        if rate > 0 and left / rate <= gap:
            return clock + left / rate
        left, clock = left - rate * gap, clock + gap
        # Which of them it is follows from their shares of the rate: a server in use fails, an idle spare fails, or one is repaired.
        drawn = random.random() * events_per_s * fails_s
        is_interrupted = drawn < min(up, night.num_serving)
        up += -1 if drawn < up else 1
        if is_interrupted:
            # Half an interval of work since the last checkpoint is lost on average.
            clock += night.restart_s + (saving.every_s / 2 if saving else 0.0)
    return math.inf

"""What a replay says: for every service the share of requests in time by simulation beside the analytic one, for jobs the runs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from aigc_bench.core.records import Record


class Percentile(Record):
    """A latency at the percentile ``share``, in seconds, simulated and reckoned; ``limit_s`` is the SLO. ``None``: not known."""

    share: float
    simulated_s: float | None
    analytic_s: float | None
    limit_s: float | None


class ReplayedService(Record):
    """A service at its peak on its own replicas, spares left out. Shares are of requests that keep all bounds of the SLO.

    ``simulated_share`` is with all replicas at work, ``share_with_failures`` over the states of the fleet by their probability.
    ``share_interval`` holds the simulated share on the fast and on the slow end of the performance model; ``None`` without an SLO.
    """

    name: str
    asked_share: float
    simulated_share: float | None
    share_interval: tuple[float, float] | None = None
    analytic_share: float | None
    share_with_failures: float | None
    percentiles: Mapping[str, Percentile] = Field(default_factory=dict)
    rate_per_s: float
    num_replicas: int
    num_simulated_replicas: int
    num_requests: int
    method: str
    is_met: bool
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float | None:
        """Simulated minus analytic share."""
        if self.simulated_share is None or self.analytic_share is None:
            return None
        return self.simulated_share - self.analytic_share


class ReplayedJob(Record):
    """A job's runs in simulated windows: the share that ended in time, and how long they took beside the analytic time.

    A time is ``None`` where the machines that jobs have hold no replica, or a run never ended.
    """

    name: str
    window_s: float
    analytic_s: float | None
    median_s: float | None
    slowest_s: float | None
    num_windows: int
    share_in_time: float
    is_met: bool


class Replay(Record):
    """The replay of an option. ``added_machines`` by service: given beyond the analytic count until the simulation held."""

    seed: int
    services: tuple[ReplayedService, ...] = ()
    jobs: tuple[ReplayedJob, ...] = ()
    added_machines: Mapping[str, int] = Field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        """Whether every service and job holds."""
        return all(one.is_met for one in self.services) and all(one.is_met for one in self.jobs)

"""Results of a replay: each service's share of requests in time, simulated and analytic; each job's runs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record


class Percentile(Record):
    """A latency at the percentile ``share``, in seconds, simulated and analytic; ``limit_s`` is the SLO. ``None``: not known."""

    share: float
    simulated_s: float | None
    analytic_s: float | None
    limit_s: float | None


class ReplayedService(Record):
    """A service at its peak on its own replicas, without spares. Shares are of requests that keep all bounds of the SLO.

    ``simulated_share`` is with all replicas working, ``share_with_failures`` over the states of the fleet by their probability.
    ``share_interval`` is the simulated share at the slow and the fast end of the performance model; ``None`` without an SLO.
    """

    name: str
    # The required share, a key of plan --json.
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
    method: Sentence
    is_met: bool
    notes: tuple[Sentence, ...] = ()

    @property
    def gap(self) -> float | None:
        """Return the simulated minus the analytic share."""
        if self.simulated_share is None or self.analytic_share is None:
            return None
        return self.simulated_share - self.analytic_share


class ReplayedJob(Record):
    """A job's runs in simulated windows: the share that ended in time, and their simulated and analytic time.

    A time is ``None`` where the machines available to jobs hold no replica, or a run never ended.
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
    """The replay of an option. ``added_machines`` by service: added beyond the analytic count until the simulation held."""

    seed: int
    services: tuple[ReplayedService, ...] = ()
    jobs: tuple[ReplayedJob, ...] = ()
    added_machines: Mapping[str, int] = Field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        """Return whether every service and job holds."""
        return all(one.is_met for one in self.services) and all(one.is_met for one in self.jobs)

"""The load of services and jobs on machines, and the machines that carry it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record

Placement = Literal["pooled", "shared", "dedicated"]
"""``pooled``: each machine carries all loads. ``shared``: one at a time, jobs by night. ``dedicated``: one load per machine."""


class Load(Record):
    """The load of one service or job on this kind of machine: ``busy_machines`` at its peak and in the mean of the year.

    ``lost_share`` of a training job's time goes into checkpoints and interruptions. ``derived`` are its counts as Estimates that
    know how they were computed, by key.
    """

    name: str
    case: str
    item: str
    rate_items_per_s: Estimate
    busy_machines: Estimate
    mean_machines: Estimate
    items_per_year: Estimate
    latency_s: Estimate | None = None
    latency_slo_s: float | None = None
    lost_share: Estimate | None = None
    machines_per_replica: int = 1
    machines_for_wait: int = 0
    p_slo: float | None = None
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)


class Pool(Record):
    """Machines that share loads: how many they need, and how many of the serving machines belong to them."""

    loads: tuple[str, ...]
    required_machines: Estimate
    available_machines: Estimate


class Fleet(Record):
    """The pools of an option and the servers that hold them; a spare can replace any server that fails.

    ``margin`` of the ``serving`` ones are the safety margin for uncertain demand and speed. ``derived`` are the counts as
    Estimates that know how they were computed, by key.
    """

    pools: tuple[Pool, ...]
    serving: int
    spares: int
    margin: int = 0
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)

    @property
    def num_servers(self) -> int:
        """Servers bought."""
        return self.serving + self.spares


class Unplanned(Record):
    """A service or job that is not in the plan, and why."""

    name: str
    reason: Sentence

"""Define a deployment factor: what an option requires of it, what is available, and the head-room between them.

A factor's file offers ``factor = ...``; its formula and source are stated next to the arithmetic. An unknown value stays
``None`` and makes the verdict ``unknown``, with what would settle it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.core.records import Estimate
from aigc_bench.plan.placement.site_limits import site_for
from aigc_bench.plan.records.assessment import Assessment, FactorVerdict
from aigc_bench.plan.records.demand import Demand, Job, OptionKind, Service, Site
from aigc_bench.plan.records.loads import Fleet, Load, Placement, Pool
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room

TIGHT_BELOW = 0.1
"""Head-room below which a factor is called tight (assumed); the risk over its interval is in the probabilities."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Hold an option before it is assessed: the demand, the machine, the loads, and the fleet that serves them."""

    demand: Demand
    rules: Rules
    machine: Machine
    loads: tuple[Load, ...]
    fleet: Fleet
    placement: Placement = "pooled"
    kind: OptionKind = "owned"
    servers_per_rack: int | None
    room: Room | None = None

    @property
    def site(self) -> Site:
        """Return the site whose limits apply: the demand's, or a provider's."""
        return site_for(self.kind, self.machine, self.demand)

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Return the pools that serve the loads."""
        return self.fleet.pools

    @property
    def num_servers(self) -> int:
        """Return the number of servers."""
        return self.fleet.num_servers

    def loads_of(self, pool: Pool) -> tuple[Load, ...]:
        """Return the loads of a pool, in the order of the demand."""
        return tuple(load for load in self.loads if load.name in pool.loads)

    def service(self, load: Load) -> Service | None:
        """Return the service of a load, or ``None`` if it is a job."""
        return next((service for service in self.demand.services if service.name == load.name), None)

    def job(self, load: Load) -> Job | None:
        """Return the job of a load, or ``None`` if it is a service."""
        return next((job for job in self.demand.jobs if job.name == load.name), None)

    def capability(self, load: Load) -> Capability:
        """Return the machine's capability for a load."""
        return next(capability for capability in self.machine.capabilities if capability.case == load.case)


class Factor(ABC):
    """One deployment factor."""

    title: ClassVar[str]
    unit: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def assess(self, context: Context) -> Assessment:
        """Return what the option requires of this factor, what is available, and the verdict."""

    def conclude(
        self, *, required: Estimate | None, available: Estimate | None, why: str, inputs: Mapping[str, Estimate]
    ) -> Assessment:
        """Return the assessment with head-room and verdict computed from what is required and available."""
        headroom, verdict = judge(required, available)
        return Assessment(
            factor=type(self).__module__.rpartition(".")[2],
            title=self.title,
            required=required,
            available=available,
            unit=self.unit,
            headroom=headroom,
            verdict=verdict,
            why=why,
            formula=self.formula,
            source=self.source,
            inputs=inputs,
        )


def judge(required: Estimate | None, available: Estimate | None) -> tuple[float | None, FactorVerdict]:
    """Return the head-room ``1 - required / available`` and the verdict.

    ``short`` if required exceeds available; ``tight`` if less than ``TIGHT_BELOW`` is left; ``unknown`` if either is unknown.
    Zero required of zero available is ``ok`` and has no head-room.
    """
    if required is None or available is None:
        return None, "unknown"
    if available.value <= 0:
        return (None, "ok") if required.value <= 0 else (None, "short")
    headroom = 1 - required.value / available.value
    if headroom < 0:
        return headroom, "short"
    return headroom, "tight" if headroom < TIGHT_BELOW else "ok"


def scarcest(pairs: Mapping[str, tuple[Estimate, Estimate]]) -> str | None:
    """Return the name of the pair of required and available with the least head-room, the first among equals.

    A requirement with zero available is scarcest of all; zero required of zero available is skipped.
    """
    judged = {name: judge(*pair) for name, pair in pairs.items()}
    ranked = {
        name: -math.inf if headroom is None else headroom
        for name, (headroom, verdict) in judged.items()
        if headroom is not None or verdict == "short"
    }
    return min(ranked, key=lambda name: ranked[name], default=None)

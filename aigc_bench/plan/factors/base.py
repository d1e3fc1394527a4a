"""Define a deployment factor: what an option requires of it, what is available, and the head-room between them.

A factor's file offers ``factor = ...`` and holds all that is particular to it: its place in a report, the kinds of option in which
the provider is responsible, its keys in a demand file, its formula and source next to the arithmetic, its remedy, its cost lines.
An unknown value stays ``None`` and makes the verdict ``unknown``, with what would settle it.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.core import registry
from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.money.kept_and_sent import Transfers
from aigc_bench.plan.placement.site_limits import site_for, table_of
from aigc_bench.plan.records.demand import Demand, Job, OptionKind, Service, Site
from aigc_bench.plan.records.factor_keys import ColocationKey, DemandKey, SiteKey
from aigc_bench.plan.records.machine import Capability, Fleet, Load, Machine, Placement, Pool
from aigc_bench.plan.records.plan import Assessment, CostLine, FactorVerdict
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room
from aigc_bench.plan.stats.estimates import estimate

TIGHT_BELOW = 0.1
"""Head-room below which a factor is called tight (assumed); the risk over its interval is in the probabilities."""

_NAMED = re.compile(r"\{([^{}]+)\}")
PROVIDED = message("the provider's responsibility, included in the price")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Hold whose limits an option meets: a site, the table of the demand file that states them, and the option's machine.

    ``machine`` is ``None`` for a commercial API, which has no machine of its own.
    """

    site: Site
    table: str
    machine: Machine | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """Hold an option before it is assessed: the demand, the machine, the loads, and the fleet that serves them.

    ``transfers`` are a provider's prices of storage and egress.
    """

    demand: Demand
    rules: Rules
    machine: Machine
    loads: tuple[Load, ...]
    fleet: Fleet
    placement: Placement = "pooled"
    kind: OptionKind = "owned"
    servers_per_rack: int | None
    room: Room | None = None
    transfers: Transfers | None = None

    @property
    def site(self) -> Site:
        """Return the site whose limits apply: the demand's, or a provider's."""
        return site_for(self.kind, self.machine, self.demand)

    @property
    def limits(self) -> Limits:
        """Return whose limits apply, as a remedy names them."""
        return Limits(site=self.site, table=table_of(self.kind), machine=self.machine)

    @property
    def is_at_desks(self) -> bool:
        """Return whether the machines stand at desks, on outlets and in the air of a room that is there."""
        return self.room is not None and self.room.is_at_desks

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Return the pools that serve the loads."""
        return self.fleet.pools

    @property
    def num_servers(self) -> int:
        """Return the number of servers."""
        return self.fleet.num_servers

    @property
    def servers(self) -> Estimate:
        """Return the number of servers, which knows how it was computed."""
        return self.fleet.derived.get("num_servers") or estimate(self.num_servers, unit="servers", basis="modelled")

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
        # By case: on a pooled machine several loads may run as the same case.
        return next(capability for capability in self.machine.capabilities if capability.case == load.case)


class Factor(ABC):
    """One deployment factor.

    ``order`` is its place in every report; factors of the same order follow by name. On machines of a kind in ``provided`` the
    provider is responsible: the factor is not judged there. ``demand_keys``, ``site_keys`` and ``colocation_keys`` are its own keys
    at the top, in the site and in the colocation of a demand file.
    What ``assess`` computes by the arithmetic on Estimates (``plan.stats.estimates``) is explained by it.
    """

    title: ClassVar[str]
    unit: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    order: ClassVar[int] = 1000
    provided: ClassVar[frozenset[OptionKind]] = frozenset()
    demand_keys: ClassVar[tuple[DemandKey, ...]] = ()
    site_keys: ClassVar[tuple[SiteKey, ...]] = ()
    colocation_keys: ClassVar[tuple[ColocationKey, ...]] = ()

    @abstractmethod
    def assess(self, context: Context) -> Assessment:
        """Return what the option requires of this factor, what is available, and the verdict."""

    def assess_api(self, demand: Demand) -> Assessment:
        """Return the assessment of calling commercial APIs for a demand; by default the provider's responsibility."""
        return self.left_to_the_provider()

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return what would resolve a shortage: a key of the demand file with the value it needs, or other hardware."""
        return message("required by: {formula}", formula=found.formula)

    def cost_lines(self, context: Context) -> tuple[CostLine, ...]:
        """Return the lines that this factor adds to a year's cost of an option; by default none."""
        return ()

    @property
    def name(self) -> str:
        """Return the name of its file; an entry point may register it under another."""
        # The registry names a factor by its file; the class cannot know an entry point's name.
        return type(self).__module__.rpartition(".")[2]

    def left_to_the_provider(self) -> Assessment:
        """Return the assessment of an option in which the provider is responsible and nothing is known of its side."""
        return Assessment(
            factor=self.name,
            title=self.title,
            unit=self.unit,
            verdict="provider",
            why=PROVIDED,
            formula=self.formula,
            source=self.source,
        )

    def conclude(
        self,
        *,
        required: Estimate | None,
        available: Estimate | None,
        why: str,
        inputs: Mapping[str, Estimate],
        is_limited: bool = True,
    ) -> Assessment:
        """Return the assessment with head-room and verdict computed from what is required and available.

        Where nothing limits the factor (``is_limited``) the verdict is ``ok`` whatever is required, and there is no head-room.
        """
        # Central values decide; what the ends of the intervals mean is in the probabilities.
        headroom, verdict = judge(required, available) if is_limited else (None, "ok")
        return Assessment(
            factor=self.name,
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
            derived={} if headroom is None or required is None or available is None else _headroom(headroom, required, available),
        )


def all_factors() -> dict[str, Factor]:
    """Return every registered factor by name, in the order of a report; third parties' are among them."""
    found: dict[str, Factor] = {name: registry.load("factors", name) for name in registry.names("factors")}
    return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[0])))


def in_order(factors: Mapping[str, Assessment]) -> list[str]:
    """Return the names of assessments in the order of a report; last those whose factor is not registered here."""
    order = list(all_factors())
    return sorted(factors, key=lambda name: (order.index(name) if name in order else len(order), name))


def enough(found: Assessment) -> str:
    """Return what would have to be available for the factor to be neither short nor tight, with its unit."""
    assert found.required is not None, "a factor that is short has a requirement"
    # Solves 1 - required / available = TIGHT_BELOW for what is available.
    return quantity(found.required.value / (1 - TIGHT_BELOW), found.unit)


def shortages(factors: Mapping[str, Assessment], limits: Limits) -> tuple[str, ...]:
    """Return the factors that are short, each with what would resolve it."""
    return tuple(
        message(
            "{name}: {required} required, {available} available; {remedy}",
            name=name,
            required=quantity(found.required.value, found.unit),
            available=quantity(found.available.value, found.unit),
            remedy=all_factors()[name].remedy(found, limits),
        )
        for name, found in factors.items()
        if found.verdict == "short" and found.required is not None and found.available is not None
    )


def _headroom(headroom: float, required: Estimate, available: Estimate) -> dict[str, Estimate]:
    """Return the head-room as an Estimate that knows how it was computed."""
    found = estimate(headroom, unit="fraction", basis="modelled")
    return {"headroom": record(found, Derivation("1 - {0} / {1}", (required, available), "1 - required / available"))}


def judge(required: Estimate | None, available: Estimate | None) -> tuple[float | None, FactorVerdict]:
    """Return the head-room ``1 - required / available`` and the verdict.

    ``short`` if required exceeds available; ``tight`` if less than ``TIGHT_BELOW`` is left; ``unknown`` if either is unknown.
    Zero required of zero available is ``ok`` and has no head-room.
    """
    if required is None or available is None:
        return None, "unknown"
    # The ratio is undefined without anything available.
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

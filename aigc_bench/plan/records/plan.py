"""One way to meet a demand (Option), and the answer to the demand (Plan)."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.plan.records.cost_line import CostLine
from aigc_bench.plan.records.demand import Demand, OptionKind
from aigc_bench.plan.records.loads import Load, Placement, Pool, Unplanned
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.replay import Replay
from aigc_bench.plan.records.risk import Certainty
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room


class Option(Record):
    """One way to meet the demand, with the assessment of every factor. A refused option stays, with its reasons.

    ``num_machines`` counts the machines that carry the loads; ``num_servers`` is what is bought or rented, spares and margin
    included. ``misses_confidence``: no margin reaches the demanded confidence of SLOs and deadlines.
    ``tco_usd`` and ``carbon_kg`` are over the life of the servers. ``parts`` are the options that a mixed one is made of.
    """

    rank: int
    kind: OptionKind = "owned"
    term: str = "purchase"
    provider: str | None = None
    placement: Placement
    accelerator: str | None
    server: str | None
    machine: Machine | None = None
    loads: tuple[Load, ...] = ()
    room: Room | None = None
    parts: tuple[Option, ...] = ()
    num_machines: Estimate
    num_servers: int
    num_spares: int
    num_margin: int = 0
    misses_confidence: bool = False
    num_accelerators: int
    num_racks: int | None
    pools: tuple[Pool, ...]
    accepted: bool
    reasons: tuple[str, ...] = ()
    factors: Mapping[str, Assessment]
    bottleneck: str | None
    next_bottleneck: str | None
    capex_usd: Estimate
    opex_usd_per_year: Estimate
    tco_usd: Estimate
    costs: tuple[CostLine, ...]
    usd_per_unit: Mapping[str, Estimate]
    energy_kwh_per_year: Estimate | None
    carbon_kg: Estimate | None
    carbon_kg_per_unit: Mapping[str, Estimate]
    p_slo: float | None = None
    p_budget: float | None = None
    p_oom: float | None = None
    replay: Replay | None = None


class Assumption(Record):
    """An assumption of the plan that was not measured here, under its explain key."""

    key: str
    title: str
    value: Estimate


class Refusal(Record):
    """Something that was examined and never became an option, and why."""

    accelerator: str
    reason: str


class Plan(Record):
    """The answer: options by rank, the loads they carry, and all assumptions."""

    schema_version: int = 1
    demand: Demand
    rules: Rules
    machine: Machine | None = None
    options: tuple[Option, ...]
    num_candidates: int = 0
    refused: tuple[Refusal, ...] = ()
    recommendation: int | None
    assumptions: tuple[Assumption, ...]
    unplanned: tuple[Unplanned, ...] = ()
    not_included: tuple[str, ...] = ()
    certainty: Certainty | None = None
    notes: tuple[str, ...] = ()
    """Warnings for the reader, such as invalid measurements that were left out."""
    method: str

    @property
    def loads(self) -> tuple[Load, ...]:
        """The loads of the recommended option, or of the best of the refused ones."""
        option = self.recommended or next(iter(self.options), None)
        return option.loads if option else ()

    @property
    def recommended(self) -> Option | None:
        """Return the recommended option, or ``None`` where no option is accepted."""
        return next((option for option in self.options if option.rank == self.recommendation), None)

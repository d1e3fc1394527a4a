"""One way to meet a demand (Option), and the answer to the demand (Plan)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.overview import Overview, shown
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.assessment import Assessment, CostLine
from aigc_bench.plan.records.demand import Demand, OptionKind
from aigc_bench.plan.records.loads import Load, Placement, Pool, Unplanned
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.most import MostRequests
from aigc_bench.plan.records.owned import OwnedPlan
from aigc_bench.plan.records.quote import QuotedPlan
from aigc_bench.plan.records.rent import Rent
from aigc_bench.plan.records.replay import Replay
from aigc_bench.plan.records.risk import PlanRisk
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room

if TYPE_CHECKING:
    import pandas as pd


class Option(Record):
    """One way to meet the demand, with the assessment of every factor. A refused option stays, with its reasons.

    ``num_machines`` counts the machines that carry the loads; ``num_servers`` is what is bought or rented, spares and margin
    included. ``misses_confidence``: no margin reaches the demanded confidence of SLOs and deadlines. ``other_model``: an API of
    another model than the one asked for, which is compared and never recommended. ``accepted``: it keeps every limit at central
    values. ``confirmed``: P(SLO) reaches the confidence and the simulation of the peak holds; ``False`` where one of them refuses
    it, ``None`` where it was not simulated because a cheaper option was confirmed, or limits refuse it.
    ``tco_usd`` and ``carbon_kg`` are over the life of the servers. ``rent`` is of what is rented, ``None`` where nothing is.
    ``parts`` are the options that a mixed one is made of.
    """

    rank: int
    kind: OptionKind = "owned"
    term: str = "purchase"
    provider: Sentence | None = None
    placement: Placement
    accelerator: str | None
    server: Sentence | None
    machine: Machine | None = None
    loads: tuple[Load, ...] = ()
    room: Room | None = None
    parts: tuple[Option, ...] = ()
    num_machines: Estimate
    num_servers: int
    num_spares: int
    num_margin: int = 0
    misses_confidence: bool = False
    other_model: bool = False
    num_accelerators: int
    num_racks: int | None
    pools: tuple[Pool, ...]
    accepted: bool
    reasons: tuple[Sentence, ...] = ()
    factors: Mapping[str, Assessment]
    bottleneck: str | None
    next_bottleneck: str | None
    capex_usd: Estimate
    opex_usd_per_year: Estimate
    tco_usd: Estimate
    # USD over the life in the scenarios: mean, P10, P90, and the mean excess over the cheapest option that serves; None until then.
    expected_cost_usd: float | None = None
    cost_p10_usd: float | None = None
    cost_p90_usd: float | None = None
    expected_regret_usd: float | None = None
    costs: tuple[CostLine, ...]
    rent: Rent | None = None
    usd_per_unit: Mapping[str, Estimate]
    energy_kwh_per_year: Estimate | None
    carbon_kg: Estimate | None
    carbon_kg_per_unit: Mapping[str, Estimate]
    # Probabilities come after the options, from scenarios; None until then, or where a provider is responsible.
    p_slo: float | None = None
    p_budget: float | None = None
    p_oom: float | None = None
    confirmed: bool | None = None
    replay: Replay | None = None
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)
    """Its plain numbers, and others of it that are explained, as Estimates that know how they were computed, by key."""

    @property
    def cells(self) -> list[object]:
        """Return the cells of ``OPTION_COLUMNS``: of an estimate its value, the reasons in one line."""
        # Reasons are a tuple and become one cell.
        found = [getattr(self, name) for name in OPTION_COLUMNS[:-1]]
        return [*(getattr(cell, "value", cell) for cell in found), "; ".join(self.reasons)]


class Assumption(Record):
    """An assumption of the plan that was not measured here, under its explain key."""

    key: str
    title: Sentence
    value: Estimate


class Refusal(Record):
    """Something that was examined and never became an option, and why."""

    accelerator: str
    reason: Sentence


OPTION_COLUMNS = (
    "rank", "kind", "term", "provider", "accelerator", "server", "num_servers", "num_accelerators", "accepted", "bottleneck",
    "next_bottleneck", "capex_usd", "opex_usd_per_year", "tco_usd", "p_slo", "p_budget", "p_oom", "reasons",
)  # fmt: skip
"""The columns of ``options.csv``."""


@shown
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
    why_none: Sentence | None = None
    """Why nothing is recommended: the nearest option and what it misses."""
    assumptions: tuple[Assumption, ...]
    unplanned: tuple[Unplanned, ...] = ()
    not_included: tuple[Sentence, ...] = ()
    certainty: PlanRisk | None = None
    quotes: tuple[QuotedPlan, ...] = ()
    owned: OwnedPlan | None = None
    most: MostRequests | None = None
    notes: tuple[Sentence, ...] = ()
    """Warnings for the reader, such as invalid measurements that were left out."""
    method: Sentence

    @property
    def loads(self) -> tuple[Load, ...]:
        """The loads of the recommended option, or of the best of the refused ones."""
        option = self.recommended or next(iter(self.options), None)
        return option.loads if option else ()

    @property
    def recommended(self) -> Option | None:
        """Return the recommended option, or ``None`` where no option is accepted and confirmed."""
        return next((option for option in self.options if option.rank == self.recommendation), None)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per option by rank, with the columns of ``options.csv``; of an estimate its value alone."""
        import pandas as pd

        return pd.DataFrame([option.cells for option in self.options], columns=list(OPTION_COLUMNS))

    @property
    def overview(self) -> Overview:
        """Return the options by rank with their cost over the life of the servers."""
        best = self.recommended
        return Overview(
            title=message(
                "Plan {name}: {more}",
                name=self.demand.name,
                more=message("option {rank} is recommended", rank=best.rank) if best else message("no option is accepted"),
            ),
            notes=self.notes[:MOST_NOTES],
            rows=tuple(_cells(option) for option in self.options),
            right=("rank", "servers", "TCO", "low", "high"),
        )


MOST_NOTES = 3


def _cells(option: Option) -> dict[str, str]:
    cost = option.tco_usd
    return {
        "rank": str(option.rank),
        "kind": option.kind,
        "machine": option.server or option.accelerator or option.provider or "–",
        "servers": str(option.num_servers),
        "TCO": f"${cost.value:,.0f}",
        "low": f"${cost.low:,.0f}",
        "high": f"${cost.high:,.0f}",
        "bottleneck": option.bottleneck or "–",
        "accepted": "yes" if option.accepted else "no",
    }

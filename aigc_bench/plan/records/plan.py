"""Record an option, which is one way to meet a demand, with its rent, costs and assessments, and the plan, which is the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.overview import Overview, Shown
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR
from aigc_bench.plan.records.demand import Demand, OptionKind
from aigc_bench.plan.records.machine import Load, Machine, Placement, Pool, Unplanned
from aigc_bench.plan.records.owned import OwnedPlan
from aigc_bench.plan.records.quote import QuotedPlan
from aigc_bench.plan.records.replay import Replay
from aigc_bench.plan.records.risk import PlanRisk
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.site.room import Room

if TYPE_CHECKING:
    import pandas as pd


HOURS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_HOUR


class Rent(Record):
    """A rented fleet: ``instances_mean`` x ``usd_per_instance_hour`` x hours of a year is ``usd_per_year``, its line of the costs.

    ``instances_at_most`` are reserved: those of the peak at the end of the horizon, spares and safety margin included.
    ``instances_by_year`` are the mean ones of each year of the horizon, ``years`` the lengths of these. A fleet of several kinds of
    instances has the sums, means weighted by instances, and its ``lines``.
    """

    provider: str | None
    region: str | None
    term: str
    instance: str | None
    accelerators_per_instance: Estimate
    instances_at_most: int = Field(ge=0)
    instances_mean: Estimate
    usd_per_instance_hour: Estimate
    usd_per_accelerator_hour: Estimate
    usd_per_year: Estimate
    instances_by_year: tuple[Estimate, ...] = ()
    years: tuple[float, ...] = ()
    lines: tuple[Rent, ...] = ()


class CostLine(Record):
    """One line of a year's cost, with its formula and the formula's inputs by name."""

    key: str
    name: Sentence
    usd_per_year: Estimate
    formula: Sentence
    inputs: Mapping[Sentence, Estimate] = Field(default_factory=dict)


FactorVerdict = Literal["ok", "tight", "short", "unknown", "provider"]
"""``provider``: the provider is responsible, such as a cloud for its cooling."""


class Assessment(Record):
    """One factor's assessment of an option. ``headroom`` is ``1 - required / available``; ``None`` where either is unknown.

    ``inputs`` are the named Estimates of the formula, so that the number can be recomputed by hand.
    """

    factor: str
    title: Sentence
    required: Estimate | None = None
    available: Estimate | None = None
    unit: str
    headroom: float | None = None
    verdict: FactorVerdict
    why: Sentence
    formula: Sentence
    source: Sentence
    inputs: Mapping[Sentence, Estimate] = Field(default_factory=dict)
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)
    """``headroom`` as an Estimate that knows how it was computed."""


class MostRequests(Record):
    """How many times the stated demand the limits carry: ``scale``, with requests/s at the peak and users by service.

    At ``next_scale`` no option is accepted any more, for ``binding``, the reasons of those that come nearest. ``limits`` are the
    limits in words, ``left_out`` the kinds of procurement that none of them bounds.
    """

    scale: float
    next_scale: float
    peak_requests_per_s: Mapping[str, float]
    users: Mapping[str, float]
    limits: tuple[Sentence, ...]
    binding: tuple[Sentence, ...] = ()
    left_out: tuple[Sentence, ...] = ()
    verdict: Sentence


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


class Plan(Shown, Record):
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

"""What every option of a plan shares: the demand, the rules, the Monte Carlo scenarios, the yearly volatility of prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.loads import Load
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.scenarios import Scenarios
from aigc_bench.plan.stats.distributions import Array

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


@dataclass(frozen=True, kw_only=True)
class Drifts:
    """Standard deviation of a price's logarithm in a year, and the price of an output token over that of an input token."""

    rent: Estimate
    api: Estimate
    output_over_input: float


@dataclass(frozen=True, kw_only=True)
class LoadSamples:
    """One load on one kind of machine in all scenarios.

    ``by_day`` is infinite where no number of machines keeps the SLO, and 0 for a job. ``busy`` are machines that a job keeps busy
    for its whole window, and that a service keeps busy at its peak.
    """

    name: str
    is_service: bool
    machines_per_replica: int
    by_day: Array
    busy: Array
    mean_machines: Array
    items_per_year: Array


@dataclass(frozen=True, kw_only=True)
class ScenarioContext:
    """Demand, rules and scenarios. ``known`` caches a load on an accelerator for all procurements of that accelerator."""

    demand: Demand
    rules: Rules
    scenarios: Scenarios
    drifts: Drifts
    known: dict[tuple[str, str, str, int], LoadSamples] = field(default_factory=dict, repr=False)

    def service(self, name: str) -> Service | None:
        """Return the service of that name."""
        return next((one for one in self.demand.services if one.name == name), None)

    def job(self, name: str) -> Job | None:
        """Return the job of that name."""
        return next((one for one in self.demand.jobs if one.name == name), None)


def drifts_from(catalogue: Catalogue) -> Drifts:
    """Return the catalogue's drifts, and the median of its language models' output over input prices."""
    rows = [row for row in catalogue.api_prices.values() if row.modality == "chat" and row.input_usd and row.output_usd]
    ratios = sorted((row.output_usd or 0.0) / (row.input_usd or 1.0) for row in rows)
    return Drifts(
        rent=catalogue.constant("rent_drift"),
        api=catalogue.constant("api_price_drift"),
        output_over_input=ratios[len(ratios) // 2] if ratios else 1.0,
    )


def capability_of(option: Option, load: Load) -> Capability | None:
    """Return the capability that a load of an option without parts runs with."""
    machine = option.machine
    return next((one for one in machine.capabilities if one.case == load.case), None) if machine else None

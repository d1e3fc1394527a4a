"""Sample the inputs of a plan in Monte Carlo scenarios that all its options share.

Every input has a random stream of its own that depends on its name and the seed alone. So every option is computed in the same
scenarios, whatever the other options and their order. A fraction is cut off at 1. The first scenarios of a large number are those
of a small number.

A price that is renegotiated over the life of a plan moves::

    ln p(t)      a random walk with the catalogue's drift (standard deviation of the logarithm in a year) from today's price
    factor       mean of p over the life / p(0); between two contracts the price is constant

On-demand, spot and API prices follow the market every quarter, a reserved rent is renegotiated when it expires. All terms of an
accelerator follow the same walk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from aigc_bench.core.identity import Same
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Capability, Load
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.stats.distributions import Array, normals, spread

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


Flags: TypeAlias = npt.NDArray[np.bool_]
"""Per scenario, whether something holds."""
NUM_SCENARIOS = 2048
"""Scenarios of the closely computed options: a probability of 0.9 has a standard error of 0.7 percentage points."""


class Scenarios:
    """``num`` scenarios. ``inputs`` records what was sampled, by name.

    An input's samples are seeded by its ``stream``, by default its name: a name can be worded anew without another draw.
    """

    def __init__(self, num: int = NUM_SCENARIOS, *, seed: int = 0) -> None:
        self.num, self.seed = num, seed
        self.inputs: dict[str, Array] = {}
        self._normals: dict[str, Array] = {}
        self._drawn: dict[tuple[str, float, float, float, str], Array] = {}
        self.demands: dict[Same[Service], DemandSamples] = {}
        """Services that were sampled already: every option asks for the same ones."""

    def of(self, name: str, estimate: Estimate, *, stream: str | None = None) -> Array:
        """Return an estimate in every scenario, in its unit. An exact value is the same in all."""
        stream = name if stream is None else stream
        key = (stream, estimate.low, estimate.value, estimate.high, estimate.unit)
        if key not in self._drawn:
            found = self._draw(stream, estimate)
            # Arrays are shared by all options; an accidental += would change every later one.
            found.setflags(write=False)
            self._drawn[key] = found
        # Exact inputs cannot drive anything, so the tornado need not look at them.
        if estimate.low < estimate.high:
            self.inputs[name] = self._drawn[key]
        return self._drawn[key]

    def ratio(self, name: str, estimate: Estimate, *, stream: str | None = None) -> Array:
        """Return the samples over the central value; 1 where that is 0."""
        if estimate.value == 0:
            return np.ones(self.num)
        return np.asarray(self.of(name, estimate, stream=stream) / estimate.value)

    def normals(self, stream: str) -> Array:
        """Return standard normal samples of a stream."""
        if stream not in self._normals:
            self._normals[stream] = normals(stream, num=self.num, seed=self.seed)
        return self._normals[stream]

    def _draw(self, stream: str, estimate: Estimate) -> Array:
        if estimate.low == estimate.high:
            return np.full(self.num, estimate.value)
        found = spread(estimate, self.normals(stream))
        # A lognormal has no upper end, but a share has.
        return np.minimum(found, 1.0) if estimate.unit == "fraction" else found


class Middle(Scenarios):
    """The single scenario in which every input has its central value."""

    def __init__(self) -> None:
        super().__init__(1)

    def of(self, name: str, estimate: Estimate, *, stream: str | None = None) -> Array:
        """Return the central value."""
        return np.full(1, estimate.value)

    def normals(self, stream: str) -> Array:
        """Return 0, the median of the normal distribution."""
        return np.zeros(1)


@dataclass(frozen=True, kw_only=True)
class Drifts:
    """Standard deviation of a price's logarithm in a year, and the price of an output token over that of an input token."""

    rent: Estimate
    api: Estimate
    output_over_input: float


@dataclass(frozen=True, kw_only=True)
class DemandSamples:
    """A service in every scenario: requests/s at today's peak, mean over peak, answer and prompt over their central sizes."""

    requests_per_s: Array
    duty: Array
    answer: Array
    prompt: Array


@dataclass(frozen=True, kw_only=True)
class LoadSamples:
    """One load on one kind of machine in all scenarios.

    ``by_day`` is infinite where no number of machines keeps the SLO, and 0 for a job; ``usual_by_day`` is it at the central values
    of all inputs. ``busy`` are machines that a job keeps busy for its whole window, and that a service keeps busy at its peak.
    ``day`` are the 24 shares of the peak that a service has in the hours of a day, of shape (24, scenarios) or (24, 1).
    """

    name: str
    is_service: bool
    machines_per_replica: int
    by_day: Array
    busy: Array
    mean_machines: Array
    items_per_year: Array
    usual_by_day: float = 0.0
    day: Array | None = None


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


STEPS_PER_YEAR = 4
LOCKED_YEARS = {"reserved_1y": 1.0, "reserved_3y": 3.0}
"""Years for which a price is fixed, by term; others are renegotiated every quarter."""


def price_factor(name: str, *, drift: Estimate, term: str, years: float, scenarios: Scenarios) -> Array:
    """Return the mean price over some years over today's, in every scenario; ``name`` identifies the price."""
    # Steps for which the price of a contract holds.
    locked = max(1, round(LOCKED_YEARS.get(term, 1 / STEPS_PER_YEAR) * STEPS_PER_YEAR))
    count = max(1, math.ceil(years * STEPS_PER_YEAR - 1e-9))
    sigma = scenarios.of(message("volatility of {name}", name=name), drift) / math.sqrt(STEPS_PER_YEAR)
    scenarios.inputs.pop(message("volatility of {name}", name=name), None)  # it is reported with the walk that it belongs to
    log, paid = np.zeros(scenarios.num), np.zeros(scenarios.num)
    price = np.ones(scenarios.num)
    for step in range(count):
        if step:
            log = log + sigma * scenarios.normals(message("{name}, quarter {step}", name=name, step=step))
        # A contract takes the market price of the day when it begins.
        if step % locked == 0:
            price = np.exp(log)
        paid = paid + price
    factor = paid / count
    # A price that is fixed for the whole life has no walk to report.
    if count > locked:
        scenarios.inputs[message("{name} over the years", name=name)] = factor
    return factor

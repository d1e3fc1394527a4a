"""Choose the setting of a service together with its safety margin: the least cost at the demanded confidence.

    accelerators at the confidence    the fewest that keep the SLO in that share of the scenarios, by ``risk.load_samples``
    cost of a setting                 ``search.selection`` with at least as many accelerators

A large batch needs few accelerators at central values and many in slow scenarios, a small one is the other way round. A setting
that is chosen by the slow end of the prediction, and then gets a margin, would pay for the same uncertainty twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from aigc_bench.plan.hardware.hosts import Host
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.load_samples import machines_by_day
from aigc_bench.plan.risk.scenarios import ScenarioContext
from aigc_bench.plan.search.candidates import Candidates
from aigc_bench.plan.search.selection import SelectionTerms, costs_of
from aigc_bench.plan.sizing.fleets import service_load
from aigc_bench.plan.stats.distributions import Array


@dataclass(frozen=True, kw_only=True)
class JointSettings:
    """The scenarios in which settings are compared; ``needs`` caches accelerators, which all hosts of one accelerator share."""

    rules: Rules
    context: ScenarioContext
    needs: dict[tuple[str, str, int, float], Array] = field(default_factory=dict, repr=False)
    """Accelerators in every scenario, in rising order: any confidence is read from them."""

    def best(
        self,
        workload: Service | Job,
        found: Candidates,
        rows: Sequence[tuple[int, float]],
        *,
        host: Host,
        demand: Demand,
        terms: SelectionTerms,
        confidence: float,
        cheapest: Capability,
        capability: Callable[[int], Capability],
    ) -> Capability:
        """Return the setting of least cost with the accelerators of that confidence; ``cheapest`` where none reaches it.

        ``rows`` are those of ``settings_by_slack``, ``capability`` returns that of a row.
        """
        best, least = cheapest, math.inf
        for row, usd in rows:
            # With its margin a setting costs no less than without one, and the next ones cost more.
            if usd >= least:
                break
            one = capability(row)
            needed = self._at_confidence(confidence, workload, one, host=host, demand=demand, row=row)
            if math.isinf(needed):
                continue
            costs = costs_of(workload, found, host=host, demand=demand, terms=terms, rules=self.rules, at_least=needed)
            if costs[row] < least:
                best, least = one, float(costs[row])
        return best

    def _at_confidence(
        self, confidence: float, workload: Service | Job, capability: Capability, *, host: Host, demand: Demand, row: int
    ) -> float:
        """Return the accelerators that keep the SLO in that share of the scenarios; infinite where no number does. A job: 0."""
        if isinstance(workload, Job):
            return 0.0
        key = (workload.name, host.spec.id, row, workload.arrival.peak_requests_per_s.value)
        if key not in self.needs:
            load = service_load(workload, capability, growth=demand.growth)
            by_day = machines_by_day(workload, load, capability, host.machine, replace(self.context, demand=demand))
            self.needs[key] = np.sort(by_day)
        found = self.needs[key]
        # The fewest machines that are enough in that share of the scenarios.
        return float(found[max(0, math.ceil(confidence * len(found)) - 1)])

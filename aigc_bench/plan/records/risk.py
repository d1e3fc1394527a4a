"""Risk of a plan. Amounts are of the same Monte Carlo scenarios; probabilities are shares of them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record


class Swing(Record):
    """How far one input moves the recommendation: means over the scenarios in its lowest and in its highest tenth.

    ``low`` and ``high`` are the input's own 10th and 90th percentile over its median. ``p_slo_*`` is ``None`` for an API.
    """

    name: Sentence
    low: float
    high: float
    tco_low_usd: float
    tco_high_usd: float
    p_slo_low: float | None = None
    p_slo_high: float | None = None

    @property
    def tco_width_usd(self) -> float:
        """Return the difference of the two costs."""
        return abs(self.tco_high_usd - self.tco_low_usd)

    @property
    def p_slo_width(self) -> float:
        """Return the difference of the two probabilities."""
        return 0.0 if self.p_slo_low is None or self.p_slo_high is None else abs(self.p_slo_high - self.p_slo_low)


class Tornado(Record):
    """The inputs that significantly move the cost of the recommendation, and those that move P(SLO), each the widest first.

    ``mean_tco_usd`` and ``p_slo`` are over all scenarios of which the swings take tenths.
    """

    mean_tco_usd: float
    p_slo: float | None
    cost: tuple[Swing, ...]
    slo: tuple[Swing, ...]


class Regret(Record):
    """One option among all closely computed ones, in scenarios in which at least one of them meets the demand.

    ``num_worlds`` counts these. ``regret_usd`` is the mean over them of the extra cost over the cheapest that meets the
    demand there; a scenario in which it is cheaper because it falls short counts as zero. ``p_cheapest``: it meets the demand, and
    no other that does costs less.
    """

    rank: int
    what: Sentence
    p_slo: float | None
    num_worlds: int
    p_cheapest: float = Field(ge=0, le=1)
    regret_usd: float = Field(ge=0)
    tco_usd: Estimate
    expected_cost_usd: float
    cost_p90_usd: float


class SaferOption(Record):
    """The cheapest accepted option that reaches the wanted P(SLO)."""

    rank: int
    what: Sentence
    p_slo: float
    tco_usd: float


class MoreServers(Record):
    """Additional servers of the recommended kind; of a mixed option over all its parts. The rest of the bill grows with them.

    ``hindrance`` is the limit of the site or of the budget that they exceed, ``None`` where they exceed none.
    """

    count: int = Field(gt=0)
    num_servers: int
    p_slo: float
    tco_usd: float
    hindrance: Sentence | None = None


class Safer(Record):
    """Safer choices where the recommendation meets the demand in less than ``below`` of the scenarios. ``None``: no such choice."""

    p_slo: float
    below: float
    wanted: float
    option: SaferOption | None
    more_servers: MoreServers | None


class PathYear(Record):
    """The fleet that is needed at the end of a year, and the cost of having it from that year's start.

    ``p_slo`` is the probability that the staged fleet meets the demand at the end of the year. Cash is spending less resale in the
    year, bought in stages and bought upfront; ``None`` where nothing is bought. ``rented`` are the instances of a rent that are
    paid in the mean of the year, ``rent_usd`` what they cost in it; ``None`` where nothing is rented.
    """

    year: int
    num_servers: int
    num_accelerators: int
    bought: int
    p_slo: float | None
    staged_usd: Estimate | None
    at_once_usd: Estimate | None
    rented: Estimate | None = None
    rent_usd: Estimate | None = None


class GrowthPath(Record):
    """The years of the horizon, the sums, and the ratio of next year's hardware price to this year's."""

    years: tuple[PathYear, ...]
    staged_usd: Estimate | None
    at_once_usd: Estimate | None
    rent_usd: Estimate | None = None
    price_ratio: Estimate
    note: Sentence


class PlanRisk(Record):
    """Risk of the recommendation. ``median_tco_usd`` is the median scenario's cost, which may differ from the sum of the lines."""

    num_worlds: int
    seed: int
    num_close: int
    """Options whose limits hold, which were computed in all scenarios; the others in a part of them."""
    median_tco_usd: float
    tornado: Tornado
    regret: tuple[Regret, ...]
    surer: Safer | None
    growth_path: GrowthPath | None
    derived: Mapping[str, Estimate] = Field(default_factory=dict, exclude=True, repr=False)
    """All of these numbers as Estimates that know their scenarios and inputs, by explain key."""

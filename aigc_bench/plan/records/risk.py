"""What is said of how sure a plan is. Amounts are of the same drawn worlds; probabilities are shares of them."""

from __future__ import annotations

from pydantic import Field

from aigc_bench.core.records import Estimate, Record


class Swing(Record):
    """How far one input moves the recommendation: means of the worlds in its lowest and in its highest tenth.

    ``low`` and ``high`` are the input's own 10th and 90th percentile over its median. ``p_slo_*`` is ``None`` for an API.
    """

    name: str
    low: float
    high: float
    tco_low_usd: float
    tco_high_usd: float
    p_slo_low: float | None = None
    p_slo_high: float | None = None

    @property
    def tco_width_usd(self) -> float:
        """Distance of the two costs."""
        return abs(self.tco_high_usd - self.tco_low_usd)

    @property
    def p_slo_width(self) -> float:
        """Distance of the two probabilities."""
        return 0.0 if self.p_slo_low is None or self.p_slo_high is None else abs(self.p_slo_high - self.p_slo_low)


class Tornado(Record):
    """The inputs that visibly move the cost of the recommendation, and those that move P(SLO), each the widest first.

    ``mean_tco_usd`` and ``p_slo`` are of all the worlds that the swings are parts of.
    """

    mean_tco_usd: float
    p_slo: float | None
    cost: tuple[Swing, ...]
    slo: tuple[Swing, ...]


class Regret(Record):
    """One option among all that were looked at closely, in worlds in which at least one of them does what is asked.

    ``num_worlds`` counts these. ``regret_usd`` is the mean over them of what it costs more than the cheapest that does what is
    asked there; a world in which it is cheaper because it falls short counts nothing. ``p_cheapest``: it does what is asked, and
    nothing that does costs less.
    """

    rank: int
    what: str
    p_slo: float | None
    num_worlds: int
    p_cheapest: float = Field(ge=0, le=1)
    regret_usd: float = Field(ge=0)
    tco_usd: Estimate


class SaferOption(Record):
    """The cheapest accepted option that is sure enough."""

    rank: int
    what: str
    p_slo: float
    tco_usd: float


class MoreServers(Record):
    """As many servers more of the recommended kind; of a mixed option over all its parts. The rest of the bill grows with them.

    ``hindrance`` is the limit of the site or of the budget that they run into, ``None`` where they do not.
    """

    count: int = Field(gt=0)
    num_servers: int
    p_slo: float
    tco_usd: float
    hindrance: str | None = None


class Safer(Record):
    """What it takes where the recommendation keeps its SLO in fewer than ``below`` of the worlds. ``None``: nothing does."""

    p_slo: float
    below: float
    wanted: float
    option: SaferOption | None
    more_servers: MoreServers | None


class PathYear(Record):
    """The fleet that the end of a year asks for, and what it takes to have it from that year's start.

    ``p_slo`` is that the staged fleet does what is asked at the end of the year. Cash is what leaves in the year less what comes
    back, bought in stages and bought at once; ``None`` where nothing is bought.
    """

    year: int
    num_servers: int
    num_accelerators: int
    bought: int
    p_slo: float | None
    staged_usd: Estimate | None
    at_once_usd: Estimate | None


class GrowthPath(Record):
    """The years of the horizon, the sums, and what next year's hardware costs over this year's."""

    years: tuple[PathYear, ...]
    staged_usd: Estimate | None
    at_once_usd: Estimate | None
    price_ratio: Estimate
    note: str


class Certainty(Record):
    """How sure the recommendation is. ``median_tco_usd`` is the middle world's cost, beside the value that the lines add up to."""

    num_worlds: int
    seed: int
    num_close: int
    """Options that were looked at in all worlds; the others in a part of them."""
    median_tco_usd: float
    tornado: Tornado
    regret: tuple[Regret, ...]
    surer: Safer | None
    growth_path: GrowthPath | None

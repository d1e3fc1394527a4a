"""What options are ranked by (``constraints.risk``), and what refuses one whose limits hold."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.messages import message
from aigc_bench.plan.records.demand import RiskMeasure
from aigc_bench.plan.records.plan import Option

FIELDS: Mapping[RiskMeasure, str] = {
    "expected": "expected_cost_usd",
    "p90": "cost_p90_usd",
    "regret": "expected_regret_usd",
}
NAMES: Mapping[RiskMeasure, str] = {
    "expected": message("expected cost"),
    "p90": message("P90 of the cost"),
    "regret": message("expected regret"),
}
"""The measures in words."""


def measure_of(option: Option, risk: RiskMeasure = "expected") -> float:
    """Return the USD that an option is ranked by; its cost at central values where no scenario was computed."""
    found: float | None = getattr(option, FIELDS[risk])
    return option.tco_usd.value if found is None else found


def compared_cost(option: Option, risk: RiskMeasure = "expected") -> float:
    """Return the USD by which costs are compared in words and tables: P90 where that is the measure, else the expected cost."""
    # A ratio of regrets says little: that of the best option is often near 0.
    return measure_of(option, "p90" if risk == "p90" else "expected")


def is_refused(option: Option) -> bool:
    """Return whether P(SLO) or the simulation refuses an option."""
    return option.misses_confidence or option.confirmed is False


def misses(option: Option, *, confidence: float) -> bool:
    """Return whether the option falls short of the confidence, or promises none where one is required."""
    return option.misses_confidence or (option.p_slo is not None and option.p_slo < confidence)

"""One line of a year's cost."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from aigc_bench.core.records import Estimate, Record


class CostLine(Record):
    """One line of a year's cost, with its formula and the formula's inputs by name."""

    key: str
    name: str
    usd_per_year: Estimate
    formula: str
    inputs: Mapping[str, Estimate] = Field(default_factory=dict)

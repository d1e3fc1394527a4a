"""One factor's assessment of an option, and one line of its cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record


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

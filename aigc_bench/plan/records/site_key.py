"""A key that a factor adds to the site of a demand file, and its values at a site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_bench.core import registry
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.demand import Site

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


@dataclass(frozen=True, kw_only=True)
class SiteKey:
    """One amount in ``[site]``: its name in the file, its title in a plan, its meaning, its unit and the range that it takes.

    ``default`` returns its value at a site that does not state it; without one, a value that is not stated is unknown.
    ``Site.of_factors`` holds the values by name, in the unit of the file.
    """

    name: str
    title: Sentence
    meaning: Sentence
    unit: str
    low: float
    high: float
    is_zero_allowed: bool = False
    default: Callable[[Catalogue, Site], Estimate | None] | None = None


def site_keys() -> dict[str, SiteKey]:
    """Return the keys that registered factors add to a site, by name."""
    return {key.name: key for name in registry.names("factors") for key in registry.load("factors", name).keys}

"""What a rented option reserves, what it pays for in the mean, and at which price."""

from __future__ import annotations

from pydantic import Field

from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import SECONDS_PER_HOUR, SECONDS_PER_YEAR

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

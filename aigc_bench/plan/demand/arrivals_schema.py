"""Check the keys that state how often requests come: one way of writing them, and no key that this way already decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import model_validator

from aigc_bench.core.messages import message
from aigc_bench.plan.demand.amounts import Table

ARRIVALS = ("users", "rate", "hourly_requests", "trace")
OF_ARRIVALS: Mapping[str, tuple[str, ...]] = {
    "active_share": ("users",),
    "requests_per_minute": ("users",),
    "peak_factor": ("users", "hourly_requests"),
    "duty": ("users", "rate"),
}
"""Keys that say more about arrivals, each with the ways of writing them that leave it open."""


class OneArrival(Table):
    """A table whose requests are stated in one way, by the keys that it has of ``ARRIVALS``."""

    @model_validator(mode="after")
    def _one_arrival(self) -> Self:
        given = [key for key in ARRIVALS if getattr(self, key, None) is not None]
        if len(given) != 1:
            raise ValueError(
                message(
                    "give one of {arrivals}; found {given}",
                    arrivals=", ".join(ARRIVALS),
                    given="none" if not given else " and ".join(given),
                )
            )
        self._check_belonging(given[0])
        # Neither has a usual value in the catalogue, unlike the peak factor.
        if given == ["users"] and None in (getattr(self, "active_share", None), getattr(self, "requests_per_minute", None)):
            raise ValueError(message("users requires active_share and requests_per_minute"))
        hourly = getattr(self, "hourly_requests", None)
        if hourly is not None and len(hourly) != 24:
            raise ValueError(
                message(
                    "hourly_requests has {num_hourly_requests} numbers; a day has 24 hours",
                    num_hourly_requests=len(hourly),
                )
            )
        return self

    def _check_belonging(self, given: str) -> None:
        """Raise ``ValueError`` for a key that the given arrivals already decide, so that it would be ignored."""
        for key, ways in OF_ARRIVALS.items():
            if getattr(self, key, None) is not None and given not in ways:
                raise ValueError(
                    message(
                        "{key} belongs to {ways}; {given} states it already, remove {key}",
                        key=key,
                        ways=" and ".join(ways),
                        given=given,
                    )
                )

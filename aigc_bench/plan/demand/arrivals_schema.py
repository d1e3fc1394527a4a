"""Define the keys that state how often requests come: one way of writing them, and no key that this way already decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import model_validator

from aigc_bench.core.messages import message
from aigc_bench.plan.demand.amounts import Number, Table, WrittenAmount, between, documented, zero_or

ARRIVALS = ("users", "rate", "hourly_requests", "trace")
OF_ARRIVALS: Mapping[str, tuple[str, ...]] = {
    "active_share": ("users",),
    "requests_per_minute": ("users",),
    "peak_factor": ("users", "hourly_requests"),
    "duty": ("users", "rate"),
}
"""Keys that say more about arrivals, each with the ways of writing them that leave it open."""


class NamedTable(Table):
    """A table with a name of the user's own."""

    name: str = documented(message("a name of your own"), default=...)


class OneArrival(NamedTable):
    """A table whose requests are stated in one way: by one of those keys of ``ARRIVALS`` that it has."""

    users: WrittenAmount | None = documented(message("people with access to the service"), unit="users", limits=zero_or(1, 1e10))
    active_share: WrittenAmount | None = documented(
        message("share of users active in the busy hour"), unit="fraction", limits=zero_or(1e-6, 1)
    )
    requests_per_minute: WrittenAmount | None = documented(
        message("requests (or questions) per active user"), unit="request/min", limits=zero_or(1e-6, 1e4)
    )
    peak_factor: WrittenAmount | None = documented(
        message("busiest minutes over busy hour (default: catalogue)"), unit="ratio", limits=between(1, 1000)
    )
    rate: WrittenAmount | None = documented(
        message("peak request rate, if it is known"), unit="request/s", limits=zero_or(1e-6, 1e7)
    )
    hourly_requests: tuple[Number, ...] | None = documented(
        message("24 numbers: requests in each hour of a day"), unit="request/h", limits=zero_or(1e-3, 1e10)
    )
    duty: WrittenAmount | None = documented(message("mean rate over peak rate"), unit="fraction", limits=zero_or(1e-6, 1))

    @property
    def arrivals(self) -> dict[str, Any]:
        """Return what is stated of arrivals, by key, as another table of requests takes it."""
        return {key: given for key in (*self._ways(), *OF_ARRIVALS) if (given := getattr(self, key)) is not None}

    @classmethod
    def _ways(cls) -> Iterator[str]:
        # A chain has no trace: a file of arrival times is that of a service.
        return (key for key in ARRIVALS if key in cls.model_fields)

    @model_validator(mode="after")
    def _one_arrival(self) -> Self:
        ways = tuple(self._ways())
        given = [key for key in ways if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                message(
                    "give one of {arrivals}; found {given}",
                    arrivals=", ".join(ways),
                    given="none" if not given else " and ".join(given),
                )
            )
        self._check_belonging(given[0])
        # Neither has a usual value in the catalogue, unlike the peak factor.
        if given == ["users"] and None in (self.active_share, self.requests_per_minute):
            raise ValueError(message("users requires active_share and requests_per_minute"))
        if self.hourly_requests is not None and len(self.hourly_requests) != 24:
            raise ValueError(
                message(
                    "hourly_requests has {num_hourly_requests} numbers; a day has 24 hours",
                    num_hourly_requests=len(self.hourly_requests),
                )
            )
        return self

    def _check_belonging(self, given: str) -> None:
        """Raise ``ValueError`` for a key that the given arrivals already decide, so that it would be ignored."""
        for key, ways in OF_ARRIVALS.items():
            if getattr(self, key) is not None and given not in ways:
                raise ValueError(
                    message(
                        "{key} belongs to {ways}; {given} states it already, remove {key}",
                        key=key,
                        ways=" and ".join(ways),
                        given=given,
                    )
                )

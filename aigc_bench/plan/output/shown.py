"""Numbers as a reader sees them: named, scaled to a unit that can be read, under the key that derives them."""

from __future__ import annotations

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.stats.estimates import scaled


class Shown(Record):
    """A number of a plan. ``key`` is its path in the plan's JSON and for ``--explain``; ``missing`` says why there is no value.

    It is printed ``times`` a count (unit costs, tonnes instead of kilograms) in ``unit``, where these are given.
    """

    key: str
    name: str
    value: Estimate | None
    times: float = 1.0
    unit: str | None = None
    missing: str = "unknown"

    @property
    def printed(self) -> Estimate | None:
        """The value in the unit that is printed."""
        if self.value is None or (self.times == 1.0 and self.unit is None):
            return self.value
        return scaled(self.value, self.times, unit=self.unit)


class Chance(Record):
    """A probability over Monte Carlo scenarios, under its key; ``missing`` says why there is none."""

    key: str
    name: str
    share: float | None
    missing: str = "unknown"


def key_of(option: Option) -> str:
    """Return the key of an option, below which its numbers stand."""
    return f"options.{option.rank}"

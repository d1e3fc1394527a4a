"""Numbers as a reader sees them: named, under the key that derives them, and scaled to a unit that can be read.

A unit cost is given for a count of units that costs at least a cent: dollars per million tokens, per image.
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.trail import Trail
from aigc_bench.core.units import figure, scale
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.stats.estimates import scaled

ROUND_COUNTS = ((1.0, ""), (1e3, message("1,000 ")), (1e6, message("million ")), (1e9, message("billion ")))
CENT = 0.01


def round_counts(costs: Mapping[str, Estimate]) -> dict[str, tuple[float, str]]:
    """Return the count of units that the cost of each service and job is given for, and in words: ``(1e6, "million tokens")``.

    Loads with the same item share one count, the least for which the cheapest of them costs a cent.
    """
    least: dict[str, float] = {}
    for cost in costs.values():
        if cost.value > 0:
            # The cheapest decides: dearer ones then cost at least a cent, too.
            least[item_of(cost)] = min(cost.value, least.get(item_of(cost), cost.value))
    return {name: _round(item_of(cost), least.get(item_of(cost), CENT)) for name, cost in costs.items()}


def item_of(cost: Estimate) -> str:
    """Return what is counted: ``token`` of a cost in ``usd/token``."""
    return cost.unit.partition("/")[2] or "unit"


def _round(item: str, usd: float) -> tuple[float, str]:
    count, words = next((pair for pair in ROUND_COUNTS if usd * pair[0] >= CENT), ROUND_COUNTS[-1])
    return count, message("{count}{item}s", count=words, item=item) if count > 1 else item


class Shown(Record):
    """A number of a plan. ``key`` is its path in the plan's JSON and for ``--explain``; ``missing`` says why there is no value.

    It is printed ``times`` a count (unit costs, tonnes instead of kilograms) in ``unit``, where these are given.
    """

    key: str
    name: Sentence
    value: Estimate | None
    times: float = 1.0
    unit: str | None = None
    missing: Sentence = "unknown"

    @property
    def printed(self) -> Estimate | None:
        """The value in the unit that is printed."""
        if self.value is None or (self.times == 1.0 and self.unit is None):
            return self.value
        return scaled(self.value, self.times, unit=self.unit)


class ShownProbability(Record):
    """A probability over Monte Carlo scenarios, under its key; ``missing`` says why there is none."""

    key: str
    name: Sentence
    share: float | None
    missing: Sentence = "unknown"


def number_at(
    trail: Trail, key: str, name: str = "", *, times: float = 1.0, unit: str | None = None, missing: str = "unknown"
) -> Shown:
    """Return the number that a plan's derivations have under a key; without a value where they have none."""
    value = trail[key].value if key in trail else None
    return Shown(key=key, name=name, value=value, times=times, unit=unit, missing=missing)


def count_of(option: Option, field: str, name: str) -> Shown:
    """Return a number of pieces of an option, ``num_servers`` say, without its unit."""
    return Shown(key=f"{key_of(option)}.{field}", name=name, value=option.derived.get(field), unit="count")


def duration_text(duration_s: float) -> str:
    """Return a time as it was stated, without trailing zeros: ``2 s``, ``0.3 s``."""
    factor, unit = scale(duration_s, "s")
    # Six digits take back what the division by the unit's factor added (0.1 + 0.2).
    return f"{figure(float(f'{duration_s / factor:.6g}'))} {unit}"


def key_of(option: Option) -> str:
    """Return the key of an option, below which its numbers stand."""
    return f"options.{option.rank}"
